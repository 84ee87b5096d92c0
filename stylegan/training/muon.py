"""Muon, an optimiser for matrices.

A 16 px generator learnt the renderer of portraits from about two thirds of the pictures that Adam needed.
"""

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

# Of the quintic iteration of Jordan et al. 2024, which moves singular values from (0, 1] to near 1 in five rounds.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ROUNDS = 5
# With this factor an update is about as large as Adam's, so that both take learning rates of the same size (Liu et al.
# 2025, Muon is Scalable for LLM Training, equation 4).
_SCALE = 0.2
# Adam takes matrices of fewer rows, such as those of the three image channels.
_LEAST_ROWS = 4


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix (M, N) = U S V' with its singular values brought near 1, so about U V', by Newton-Schulz iteration."""
    x = matrix / (matrix.norm() + 1e-7)
    wide = x if x.shape[0] <= x.shape[1] else x.t()
    for _ in range(_ROUNDS):
        gram = wide @ wide.t()
        wide = _A * wide + (_B * gram + _C * gram @ gram) @ wide
    return wide if x.shape[0] <= x.shape[1] else wide.t()


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16, which then takes about half the time of float32."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter is the weight of a dense layer (M, N) or of a convolution (M, I, H, W), with M above 3."""
    return parameter.ndim in (2, 4) and len(parameter) >= _LEAST_ROWS


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) for matrices, Adam for everything else.

    The momentum of a matrix is made orthogonal before it is subtracted, so that directions with small gradients are
    learnt as fast as those with large ones. A convolution's weight (M, I, H, W) counts as a matrix (M, I*H*W).

    Args:
        parameters: what is optimised, or groups of it with learning rates of their own.
        lr: learning rate.
        momentum: decay of the average gradient of a matrix.
        betas, eps: Adam's, for the other parameters.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step along the gradients; parameters without one stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                by = _by_muon if is_matrix(parameter) else _by_adam
                parameter.sub_(by(self.state[parameter], parameter.grad, group), alpha=group["lr"])
        return loss


def _by_muon(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
    if not state:
        state["average"] = torch.zeros_like(gradient)
    state["average"].lerp_(gradient, 1 - group["momentum"])
    # Nesterov's momentum: the average after a second gradient like this one.
    ahead = gradient.lerp(state["average"], group["momentum"]).flatten(1)
    # The iteration is as good in bfloat16.
    fast = ahead.bfloat16() if multiplies_bfloat16(ahead.device) else ahead
    return orthogonal(fast).to(ahead).view_as(gradient) * (_SCALE * sqrt(max(ahead.shape)))


def _by_adam(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
    if not state:
        state.update(step=0, average=torch.zeros_like(gradient), square=torch.zeros_like(gradient))
    state["step"] += 1
    first, second = group["betas"]
    state["average"].lerp_(gradient, 1 - first)
    state["square"].lerp_(gradient.square(), 1 - second)
    deviation = (state["square"] / (1 - second ** state["step"])).sqrt() + group["eps"]
    return state["average"] / (1 - first ** state["step"]) / deviation
