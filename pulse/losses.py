"""What the search minimises: terms per image, and the strings that combine them.

The terms come from S. Menon, A. Damian, S. Hu, N. Ravi, C. Rudin, PULSE: Self-Supervised Photo Upsampling via Latent
Space Exploration of Generative Models, CVPR 2020: the downscaling loss of section 3, and GEOCROSS of section 4, which
keeps the styles of one image together. PULSE adds them up over the batch; here each image has its own value, so that
an image in a batch is treated as it would be alone, and the sum of the values is PULSE's number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pulse import sphere

TERMS = ("L2", "L1", "GEOCROSS")

LossFunction = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A loss of your own: f(images, downsampled, target, latents) -> (M,), one value for each image, differentiable.

Args:
    images: (M, 3, H, W), as the search compares them: about [0, 1], and beyond where the method does not clamp.
    downsampled: what the operator makes of them.
    target: of the same shape as `downsampled`.
    latents: (M, vectors, dim), the search's variable.
"""

Losses = LossFunction | tuple[float, LossFunction] | Sequence[LossFunction | tuple[float, LossFunction]]
"""One loss, or a list of several, each with its weight (1 where none is given)."""


def l2(generated: Tensor, target: Tensor, eps: float = 0.0) -> Tensor:
    """Mean squared error of each image, at least `eps`: two (N, ...) in [0, 1] -> (N,).

    Below the floor the gradient is 0: an image within `eps` of its target is near enough. This is the downscaling loss
    ||DS(I_SR) - I_LR||_p^p (Menon et al., section 3, "Downscaling Loss") with p = 2, as a mean.
    """
    return _mean((generated - target).square()).clamp(min=eps)


def l1(generated: Tensor, target: Tensor, eps: float = 0.0) -> Tensor:
    """Ten times the mean absolute error of each image, the mean being at least `eps`: two (N, ...) in [0, 1] -> (N,).

    The same loss with p = 1. The factor of ten is PULSE's; it makes the term about as strong as L2.
    """
    return 10 * _mean((generated - target).abs()).clamp(min=eps)


def geocross(latents: Tensor) -> Tensor:
    """How far apart the styles of each image point: (N, n, d) -> (N,); 0 for a single style.

    GEOCROSS(v_1, ..., v_n) = sum over pairs i < j of angle(v_i, v_j)^2 (Menon et al., section 4), scaled as PULSE
    does: an eighth of the mean, over all n * n pairs, of d * angle^2, the squared distance on the sphere of radius
    sqrt(d).
    """
    n, dim = latents.shape[1:]
    if n == 1:
        return latents.new_zeros(latents.shape[0])
    # A style has distance 0 from itself, and the pairs are symmetric, so half of them is enough.
    i, j = torch.triu_indices(n, n, offset=1, device=latents.device)
    angle = sphere.angle(latents[:, i], latents[:, j])
    return angle.square().sum(-1) * (2 * dim / (8 * n * n))


@dataclass(frozen=True)
class Loss:
    """A weighted sum of terms, made by `parse_loss`.

    Attributes:
        terms: (weight, name) in the order of the string; the names are those of `TERMS`.
    """

    terms: tuple[tuple[float, str], ...]

    def __call__(self, generated: Tensor, target: Tensor, latents: Tensor, eps: float = 0.0) -> Tensor:
        """The loss of each image: generated and target (N, ...) in [0, 1], latents (N, n, d) -> (N,).

        `eps` is the floor of the terms L2 and L1.
        """
        total = generated.new_zeros(generated.shape[0])
        for weight, name in self.terms:
            if name == "L2":
                total = total + weight * l2(generated, target, eps)
            elif name == "L1":
                total = total + weight * l1(generated, target, eps)
            else:
                total = total + weight * geocross(latents)
        return total


def parse_loss(loss_str: str) -> Loss:
    """Reads a loss in PULSE's notation: terms joined by +, each `weight*NAME` or `NAME` for a weight of 1.

    Names are L2, L1 and GEOCROSS; spaces and case do not matter.

    Raises:
        ValueError: for anything else.

    >>> parse_loss("100*L2+0.05*GEOCROSS").terms
    ((100.0, 'L2'), (0.05, 'GEOCROSS'))
    """
    terms = []
    # The plus of an exponent (1e+2) joins no terms.
    for part in re.split(r"(?<![0-9.][eE])\+", str(loss_str)):
        match = re.fullmatch(r"\s*(?:([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*\*)?\s*(\w+)\s*", part)
        name = match[2].upper() if match else ""
        weight = _number(match[1]) if match else math.nan
        if name not in TERMS or not math.isfinite(weight):
            raise ValueError(
                f"The loss {loss_str!r} cannot be read at {part.strip()!r}; write terms such as 100*L2+0.05*GEOCROSS "
                f"with a weight that is not negative and a name out of {', '.join(TERMS)}."
            )
        terms.append((weight, name))
    return Loss(tuple(terms))


def weighted_losses(losses: Losses | None) -> list[tuple[float, LossFunction]]:
    """Losses of your own as (weight, function) pairs.

    Raises:
        ValueError: for anything that is neither a function nor a finite weight and a function.
    """
    if losses is None:
        return []
    several: Any = losses if isinstance(losses, Sequence) and not _is_pair(losses) else [losses]
    pairs = []
    for item in several:
        pair = (1.0, item) if callable(item) else item
        if not _is_pair(pair):
            raise ValueError(
                f"The loss {item!r} is not a function; give f(images, downsampled, target, latents), or (weight, f)."
            )
        pairs.append(pair)
    return pairs


def _is_pair(item: Any) -> bool:
    if not (isinstance(item, tuple) and len(item) == 2 and callable(item[1])):
        return False
    return isinstance(item[0], (int, float)) and math.isfinite(item[0])


def total_loss(
    loss: Loss, more: Sequence[tuple[float, LossFunction]], target: Tensor, method: str, eps: float
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """What a walk minimises: (images, downsampled, latents, styles) -> (M,).

    PULSE computes GEOCROSS on the styles, after the leaky ReLU. The other methods compute it on the points on the
    sphere, where angles are distances.
    """

    def total(images: Tensor, small: Tensor, latents: Tensor, ws: Tensor) -> Tensor:
        value = loss(small, target, ws if method == "pulse" else latents, eps)
        for weight, function in more:
            term = function(images, small, target, latents)
            if not isinstance(term, Tensor) or term.shape != value.shape:
                gives = tuple(term.shape) if isinstance(term, Tensor) else f"a {type(term).__name__}"
                raise ValueError(
                    f"The loss {loss_name(function)} gives {gives}; it must give one value for each image, "
                    f"{tuple(value.shape)}."
                )
            value = value + weight * term
        return value

    return total


def loss_name(function: LossFunction) -> str:
    """The name of a caller's loss in messages and settings."""
    return getattr(function, "__name__", None) or type(function).__name__


def _mean(x: Tensor) -> Tensor:
    return x.mean(tuple(range(1, x.ndim)))


def _number(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return math.nan
