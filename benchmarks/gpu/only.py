"""Checks that only a GPU can fail: streams, graphs, other devices, tensors of more than 2^31 numbers."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

import cuda_ops
from benchmarks.gpu.workbench import OPERATIONS, Check, Workbench, captured, near
from cuda_ops import reference

_SLEEP = 200_000_000  # of the GPU's cycles: a tenth of a second


def gpu_checks() -> Iterator[Check]:
    """All of them."""
    for op in OPERATIONS:
        yield f"keeps to the current stream: {op}", partial(_streams, op)
        yield f"is captured in a CUDA graph, forward and backward: {op}", partial(_graph, op)
        yield f"runs on a device that is not the current one: {op}", partial(_other_device, op)
        yield f"refuses parameters on the CPU: {op}", partial(_cpu_parameters, op)
    for name, memory_format in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
        for op, check in _LARGE.items():
            yield f"more than 2^31 numbers, {name}: {op}", partial(check, memory_format)
    yield "holds no memory after it is done", _memory


def _streams(op: str) -> str:
    """Inputs are written late on another stream and read there; the default stream stays free."""
    native, plain, inputs = Workbench("cuda").case(op, (2, 16, 64, 64), torch.float32, torch.channels_last)
    native(*inputs)
    late = [torch.zeros_like(t) for t in inputs]
    leaves = [t.requires_grad_() for t in late]
    exact = [t.double().requires_grad_() for t in inputs]
    torch.cuda.synchronize()
    stream, begun = torch.cuda.Stream(), torch.cuda.Event()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(_SLEEP)
        with torch.no_grad():
            for to, source in zip(late, inputs, strict=True):
                to.copy_(source)
        y = native(*leaves)
        gradients = torch.autograd.grad(y.square().sum(), leaves)
        begun.record(stream)
    waited = begun.query()
    stream.synchronize()
    wanted = plain(*exact)
    results = zip((y, *gradients), (wanted, *torch.autograd.grad(wanted.square().sum(), exact)), strict=True)
    # A sum over the pixels of a channel, of numbers that nearly cancel.
    summed = (inputs[0].numel() / inputs[0].shape[1]) ** 0.5
    error = max(near("result", a, b, 3e-4, summed) for a, b in results)
    if waited:
        return f"error {error:.2g}, but the call waited for the GPU"
    return f"error {error:.2g}; the call did not wait for the GPU"


def _graph(op: str) -> str:
    native, _, inputs = Workbench("cuda").case(op, (2, 16, 32, 32), torch.float32, torch.channels_last)
    held = [t.clone().requires_grad_() for t in inputs]

    def step() -> tuple[Tensor, ...]:
        y = native(*held)
        return (y, *torch.autograd.grad(y.square().sum(), held))

    graph, results = captured(step)
    with torch.no_grad():
        for t in held:
            t.mul_(0.5)
    graph.replay()
    torch.cuda.synchronize()
    replayed = [t.clone() for t in results]
    error = max(near("result", a, b, 1e-5) for a, b in zip(replayed, step(), strict=True))
    return f"replayed with other numbers: error {error:.2g}"


def _other_device(op: str) -> str:
    if torch.cuda.device_count() < 2:
        return "not tried: there is one GPU"
    native, plain, inputs = Workbench("cuda:1").case(op, (2, 16, 32, 32), torch.float32, torch.channels_last)
    y = native(*inputs)
    return f"error {near('y', y, plain(*inputs), 1e-4):.2g}"


def _cpu_parameters(op: str) -> str:
    native, _, inputs = Workbench("cuda").case(op, (2, 16, 32, 32), torch.float32, torch.channels_last)
    if len(inputs) == 1:
        return "not tried: there are none"
    try:
        native(inputs[0], *[t.cpu() for t in inputs[1:]])
    except (RuntimeError, ValueError) as error:
        return f"raises {type(error).__name__}: {str(error).splitlines()[0][:200]}"
    raise AssertionError("tensors of two devices were accepted")


def _room(bytes_needed: float) -> str | None:
    torch.cuda.empty_cache()
    free = torch.cuda.mem_get_info()[0]
    return (
        None
        if free > bytes_needed
        else f"not tried: {free / 2**30:.0f} GiB are free, {bytes_needed / 2**30:.0f} needed"
    )


def _large_tensor(shape: tuple[int, ...], memory_format: torch.memory_format) -> Tensor:
    """Half-precision numbers that differ from place to place: pixel (y, x) of channel c of image n."""
    assert math.prod(shape) > 2**31
    x = torch.empty(shape, dtype=torch.bfloat16, device="cuda", memory_format=memory_format)
    return x.uniform_(-1, 1, generator=torch.Generator("cuda").manual_seed(0))


def _large_case(
    memory_format: torch.memory_format,
    shape: tuple[int, ...],
    native: Callable[[Tensor], Tensor],
    plain: Callable[[Tensor, slice], Tensor],
    channels: bool,
) -> str:
    """Compares the last image or channel of a native call on the whole tensor with the reference."""
    if (why := _room(9 * math.prod(shape))) is not None:
        return why
    x = _large_tensor(shape, memory_format).requires_grad_()
    y = native(x)
    (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
    last = slice(-1, None)
    part = (slice(None), last) if channels else (last,)
    some = x.detach()[part].double().requires_grad_()
    exact = plain(some, last)
    (gradient,) = torch.autograd.grad(exact, some, torch.ones_like(exact))
    errors = near("y", y.detach()[part], exact.detach(), 4e-2), near("dx", dx[part], gradient, 4e-2)
    return f"errors {errors[0]:.2g} and {errors[1]:.2g} in the last part of {tuple(shape)}"


def _large_bias_act(memory_format: torch.memory_format) -> str:
    b = torch.linspace(-1, 1, 33, device="cuda")
    return _large_case(
        memory_format,
        (1, 33, 8192, 8192),
        lambda x: cuda_ops.bias_act(x, b, act="lrelu"),
        lambda x, part: reference.bias_act(x, b[part].double(), act="lrelu"),
        channels=True,
    )


def _large_upfirdn2d(memory_format: torch.memory_format) -> str:
    f = reference.setup_filter([1, 3, 3, 1]).to("cuda")
    return _large_case(
        memory_format,
        (1, 33, 8192, 8192),
        lambda x: cuda_ops.upfirdn2d(x, f, down=2, padding=1),
        lambda x, part: reference.upfirdn2d(x, f.double(), down=2, padding=1),
        channels=True,
    )


def _large_adain(memory_format: torch.memory_format) -> str:
    styles = torch.linspace(-1, 1, 66, device="cuda")[None]

    def plain(x: Tensor, part: slice) -> Tensor:
        own = torch.stack([styles[:, 32], styles[:, 65]], dim=1).double()
        return reference.adain(x, None, None, None, own)

    native = lambda x: cuda_ops.adain(x, None, None, None, styles)  # noqa: E731
    return _large_case(memory_format, (1, 33, 8192, 8192), native, plain, channels=True)


def _large_downsample_l2(memory_format: torch.memory_format) -> str:
    matrix = torch.eye(32, device="cuda").repeat_interleave(256, dim=1) / 256
    b, target = cuda_ops.bands(matrix), torch.zeros(11, 3, 32, 32, device="cuda")
    double = cuda_ops.bands(matrix.double())
    return _large_case(
        memory_format,
        (11, 3, 8192, 8192),
        lambda x: cuda_ops.downsample_l2(x, target, b, b)[1],
        lambda x, part: reference.downsample_l2(x, target[part].double(), double, double)[1],
        channels=False,
    )


_LARGE: dict[str, Callable[[Any], str]] = {
    "bias_act": _large_bias_act,
    "upfirdn2d": _large_upfirdn2d,
    "adain": _large_adain,
    "downsample_l2": _large_downsample_l2,
}


def _memory() -> str:
    def step() -> None:
        for op in OPERATIONS:
            native, _, inputs = Workbench("cuda").case(op, (2, 16, 64, 64), torch.float32, torch.channels_last)
            leaves = [t.requires_grad_() for t in inputs]
            torch.autograd.grad(native(*leaves).sum(), leaves)

    step()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    for _ in range(5):
        step()
    torch.cuda.synchronize()
    more = torch.cuda.memory_allocated() - before
    if more > 0:
        raise AssertionError(f"{more} bytes more are held after five rounds")
    return "no more memory is held after five rounds"


def main() -> None:
    """Small calls of every kernel, forward and backward, for compute-sanitizer to watch."""
    for op in ("bias_act", "upfirdn2d", "adain", "downsample_l2"):
        for dtype in (torch.float32, torch.float16):
            for memory_format in (torch.contiguous_format, torch.channels_last):
                for kind, shape in enumerate(((2, 3, 7, 11), (2, 16, 16, 24), (1, 8, 36, 48), (1, 33, 9, 9))):
                    native, _, inputs = Workbench("cuda").case(op, shape, dtype, memory_format, kind)
                    leaves = [t.requires_grad_() for t in inputs]
                    torch.autograd.grad(native(*leaves).sum(), leaves)
                    torch.cuda.synchronize()


if __name__ == "__main__":
    main()
