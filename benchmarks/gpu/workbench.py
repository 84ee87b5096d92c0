"""Inputs for the operations, and the comparison of a native form with its reference in float64."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

import cuda_ops
from cuda_ops import reference

# The largest allowed error of a value, relative to the largest value; a gradient may be off by four times as much.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
BLUR = [[1.0, 3.0, 3.0, 1.0], [3.0, 9.0, 9.0, 3.0], [3.0, 9.0, 9.0, 3.0], [1.0, 3.0, 3.0, 1.0]]
OPERATIONS = ("bias_act", "upfirdn2d", "modulated_conv2d", "adain", "downsample_l2")

Check = tuple[str, Callable[[], str]]
Function = Callable[..., Tensor]
_Results = TypeVar("_Results")


class Workbench:
    """Random tensors on a device, and the operations as functions of tensors alone."""

    def __init__(self, device: str, seed: int = 0) -> None:
        self.device = device
        self.rng = torch.Generator(device).manual_seed(seed)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        exact = torch.float64 if dtype == torch.float64 else torch.float32
        return torch.randn(shape, generator=self.rng, device=self.device, dtype=exact).to(dtype)

    def case(
        self, op: str, shape: tuple[int, ...], dtype: torch.dtype, memory_format: torch.memory_format, kind: int = 0
    ) -> tuple[Function, Function, list[Tensor]]:
        """The native form, the reference, and tensors for both; `kind` picks among an operation's options."""
        n, c, h, w = shape
        exact = torch.float64 if dtype == torch.float64 else torch.float32
        make = partial(self.normal, dtype=exact)
        x = self.normal(*shape, dtype=dtype).contiguous(memory_format=memory_format)
        options: dict[str, Any]
        if op == "bias_act":
            act = list(reference._ACTIVATIONS)[(2 + kind) % len(reference._ACTIVATIONS)]
            options = {"act": act, "gain": 1.5, "clamp": None if kind % 2 else 2.0}
            inputs = [x, make(c), make(n if kind % 2 else 1, 1, h, w), make(1).reshape(()), make(n, c)]

            def with_names(f: Function, x: Tensor, b: Tensor, noise: Tensor, strength: Tensor, scale: Tensor) -> Tensor:
                return f(x, b, noise=noise, strength=strength, scale=scale, **options)

            return partial(with_names, cuda_ops.bias_act), partial(with_names, reference.bias_act), inputs
        if op == "upfirdn2d":
            several: list[dict[str, Any]] = [
                {"padding": 1, "gain": 4.0},
                {"up": 2, "padding": (2, 1, 2, 1), "gain": 4.0},
                {"down": 2, "padding": 1},
                {"up": (3, 1), "down": (2, 3), "padding": (4, 3, -1, 5), "flip_filter": True},
            ]
            options = several[kind % 4]
            f = torch.tensor(BLUR if kind % 3 < 2 else BLUR[0], dtype=exact, device=self.device)
            native = lambda x: cuda_ops.upfirdn2d(x, f, **options)  # noqa: E731
            return native, (lambda x: reference.upfirdn2d(x, f.to(x.dtype), **options)), [x]
        if op == "modulated_conv2d":
            f = torch.tensor(BLUR, dtype=exact, device=self.device) / 64
            options = {"up": 1 + kind % 2, "resample_filter": f, "demodulate": kind % 3 < 2}
            inputs = [x, make(6, c, 3, 3), make(n, c)]
            return partial(cuda_ops.modulated_conv2d, **options), partial(reference.modulated_conv2d, **options), inputs
        if op == "adain":
            inputs = [x, make(c), make(n if kind % 2 else 1, 1, h, w), make(c), make(n, 2 * c)]
            return cuda_ops.adain, reference.adain, inputs
        small = (max(h // 4, 1), max(w // 3, 1))
        rows, columns = (cuda_ops.bands(self._reduction(a, b, exact)) for a, b in zip(small, (h, w), strict=True))
        return (
            lambda x, t: _joined(cuda_ops.downsample_l2(x, t, rows, columns)),
            lambda x, t: _joined(reference.downsample_l2(x, t, rows, columns)),
            [x, make(n, c, *small)],
        )

    def _reduction(self, out: int, length: int, dtype: torch.dtype) -> Tensor:
        """A banded matrix (out, length)."""
        middle = (torch.arange(out, device=self.device) + 0.5) * length / out
        near = (torch.arange(length, device=self.device) + 0.5 - middle[:, None]).abs() < 1.5 * length / out
        return near.to(dtype) * self.normal(out, length, dtype=dtype)


def _joined(loss_and_small: tuple[Tensor, Tensor]) -> Tensor:
    """Both results of downsample_l2 in one tensor, so that it has one result like the others."""
    loss, small = loss_and_small
    return torch.cat([loss.flatten(), small.flatten()])


def near(name: str, ours: Tensor, exact: Tensor, tolerance: float, least: float = 1.0) -> float:
    """The largest error over the largest value, or over `least`; raises where it is beyond the tolerance."""
    if ours.shape != exact.shape:
        raise AssertionError(f"{name} has shape {tuple(ours.shape)} instead of {tuple(exact.shape)}")
    if not exact.numel():
        return 0.0
    error = float((ours.double() - exact.double()).abs().max() / exact.double().abs().max().clamp_min(least))
    if not error <= tolerance:
        place = int((ours.double() - exact.double()).abs().nan_to_num(torch.inf).argmax())
        raise AssertionError(
            f"{name} of shape {tuple(exact.shape)} is off by {error:.3g}, allowed are {tolerance:.3g}; at flat index"
            f" {place} it is {ours.flatten()[place].item()} instead of {exact.flatten()[place].item()}"
        )
    return error


def agree(native: Function, plain: Function, inputs: list[Tensor], second: bool) -> str:
    """Value, gradients and, where asked for, second derivatives against the reference in float64."""
    dtype = inputs[0].dtype
    tolerance = TOLERANCE[dtype]
    sides = []
    for function, to in ((native, None), (plain, torch.float64)):
        tensors = [t.detach().clone().to(to or t.dtype).requires_grad_() for t in inputs]
        y = function(*tensors)
        rng = torch.Generator("cpu").manual_seed(1)
        dy = torch.randn(y.shape, generator=rng, dtype=torch.float64).to(y).requires_grad_()
        first = torch.autograd.grad(y, tensors, dy, create_graph=second)
        numbers = [y, *first]
        if second:
            paired = sum((g * torch.randn(g.shape, generator=rng, dtype=torch.float64).to(g)).sum() for g in first)
            assert isinstance(paired, Tensor)
            more = torch.autograd.grad(paired, [*tensors, dy], allow_unused=True)
            numbers += [torch.zeros_like(t) if g is None else g for g, t in zip(more, [*tensors, dy], strict=True)]
        sides.append([t.detach() for t in numbers])
    errors = []
    names = ["y", *(f"gradient {i}" for i in range(len(inputs))), *(f"second {i}" for i in range(len(inputs) + 1))]
    for i, (name, ours, exact) in enumerate(zip(names, *sides, strict=False)):
        # A sum of n numbers about 1 is about the root of n, also where it happens to cancel.
        summed = max(inputs[0].numel() / max(exact.numel(), 1), 1.0) ** 0.5
        allowed = tolerance * (1 if i == 0 else 4 if i <= len(inputs) else 16)
        errors.append(near(name, ours, exact, allowed, least=summed))
    return f"largest error {max(errors):.2g}"


def captured(step: Callable[[], _Results]) -> tuple[torch.cuda.CUDAGraph, _Results]:
    """A step as a CUDA graph, and the results that each replay overwrites."""
    # Warmed up on a side stream, as torch.cuda.graph asks, so that the capture meets no first-time allocations.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()
    return graph, results
