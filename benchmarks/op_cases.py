"""What `benchmarks.ops` measures: the fused operations as networks use them, each beside its reference."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

import cuda_ops
from cuda_ops import reference
from pulse.operators import Downsampler
from stylegan.networks.stylegan2 import Generator, channels_at


@dataclass(frozen=True)
class Case:
    """One row of the table: the same work by two functions, each a forward and a backward."""

    op: str
    what: str
    dtype: str
    native: Callable[[], object]
    plain: Callable[[], object]
    moved: int = 0
    memory: bool = False


def differentiated(function: Callable[..., Tensor], inputs: list[Tensor], **options: Any) -> Callable[[], object]:
    """A call that runs `function` forward and backward, to all inputs that require a gradient."""
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    with torch.no_grad():
        dy = torch.randn_like(function(*inputs, **options))
    return lambda: torch.autograd.grad(function(*inputs, **options), wanted, dy)


def bias_act_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """The end of every resolution's layer: noise, bias and leaky ReLU."""
    for batch, resolution, channels in sizes():
        shape = (batch, channels, resolution, resolution)
        x = image(shape, dtype, memory_format, device)
        others = [parameter(t, device) for t in ((channels,), (batch, channels), ())]
        noise = torch.randn(1, 1, resolution, resolution, device=device)

        def run(f: Callable[..., Tensor], x: Tensor = x, others: Any = others, noise: Tensor = noise) -> Any:
            call = lambda x, b, scale, s: f(x, b, act="lrelu", noise=noise, strength=s, scale=scale)  # noqa: E731
            return differentiated(call, [x, *others])

        yield case("bias_act", shape, dtype, run(cuda_ops.bias_act), run(reference.bias_act), 5 * size_of(x))


def upfirdn2d_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """What follows a transposed convolution, the doubling of the image, and the halving in a discriminator."""
    f = reference.setup_filter([1, 3, 3, 1]).to(device)
    for batch, resolution, channels in sizes():
        if resolution == 4:
            continue
        kinds: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
            "after conv": ((batch, channels, resolution + 1, resolution + 1), {"padding": 1, "gain": 4.0}),
            "image up": ((batch, 3, resolution // 2, resolution // 2), {"up": 2, "padding": (2, 1, 2, 1), "gain": 4.0}),
            "down": ((batch, channels, resolution, resolution), {"down": 2, "padding": 1}),
        }
        for name, (shape, options) in kinds.items():
            yield _filtered(name, image(shape, dtype, memory_format, device), f, options)


def upfirdn2d_at(
    shape: tuple[int, ...], dtype: torch.dtype, memory_format: torch.memory_format, device: str
) -> Iterator[Case]:
    """Every kind of `upfirdn2d` that a StyleGAN has, on one shape."""
    f = reference.setup_filter([1, 3, 3, 1]).to(device)
    kinds: dict[str, dict[str, Any]] = {
        "same size": {"padding": (2, 1, 2, 1)},
        "after conv": {"padding": 1, "gain": 4.0},
        "doubled": {"up": 2, "padding": (2, 1, 2, 1), "gain": 4.0},
        "halved": {"down": 2, "padding": 1},
    }
    for name, options in kinds.items():
        n, c, h, w = shape
        size = (n, c, h + 1, w + 1) if name == "after conv" else shape
        yield _filtered(name, image(size, dtype, memory_format, device), f, options)


def _filtered(name: str, x: Tensor, f: Tensor, options: dict[str, Any]) -> Case:
    native = differentiated(cuda_ops.upfirdn2d, [x, f], **options)
    plain = differentiated(reference.upfirdn2d, [x, f], **options)
    with torch.no_grad():
        moved = 2 * (size_of(x) + size_of(reference.upfirdn2d(x[:1], f, **options)) * x.shape[0])
    return case("upfirdn2d", tuple(x.shape), x.dtype, native, plain, moved, name)


def modulated_conv2d_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """The second convolution of each resolution, to its input and its styles, as a search differentiates it."""
    for batch, resolution, channels in sizes():
        shape = (batch, channels, resolution, resolution)
        x = image(shape, dtype, memory_format, device)
        styles = parameter((batch, channels), device)
        weight = torch.randn(channels, channels, 3, 3, device=device)
        native = differentiated(lambda x, s, w=weight: cuda_ops.modulated_conv2d(x, w, s), [x, styles])
        plain = differentiated(lambda x, s, w=weight: reference.modulated_conv2d(x, w, s), [x, styles])
        yield case("modulated_conv2d", shape, dtype, native, plain, 0)


def adain_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """The end of every layer of a StyleGAN1."""
    for batch, resolution, _ in sizes():
        channels = channels_at(resolution, 16384, 512)
        shape = (batch, channels, resolution, resolution)
        x = image(shape, dtype, memory_format, device)
        bias, weight, styles = (parameter(t, device) for t in ((channels,), (channels,), (batch, 2 * channels)))
        noise = torch.randn(1, 1, resolution, resolution, device=device)

        def run(
            f: Callable[..., Tensor], x: Tensor = x, noise: Tensor = noise, rest: Any = (bias, weight, styles)
        ) -> Any:
            return differentiated(lambda x, b, w, s: f(x, b, noise, w, s), [x, *rest])

        # x is read twice, and again with dy: statistics first, then the result.
        yield case("adain", shape, dtype, run(cuda_ops.adain), run(reference.adain), 8 * size_of(x))


def downsample_l2_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """Images of 1024 and 256 px against targets of 16, 32 and 64 px."""
    for batch in (1, 4):
        for resolution, small in ((1024, 16), (1024, 32), (1024, 64), (256, 16), (256, 32)):
            shape = (batch, 3, resolution, resolution)
            x = image(shape, dtype, memory_format, device)
            target = torch.rand(batch, 3, small, small, device=device)
            rows, columns = (
                cuda_ops.bands(m.float().to(device)) for m in Downsampler((resolution,) * 2, (small,) * 2).matrices
            )
            native = differentiated(lambda x, t=target, b=(rows, columns): cuda_ops.downsample_l2(x, t, *b)[0], [x])
            plain = differentiated(lambda x, t=target, b=(rows, columns): reference.downsample_l2(x, t, *b)[0], [x])
            yield case("downsample_l2", shape, dtype, native, plain, 2 * size_of(x), f"to {small} px", memory=True)


def generator_cases(dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Iterator[Case]:
    """A StyleGAN2 of 256 px, channel base 16384, forward and backward to its styles."""
    if dtype != torch.float32:
        return
    torch.manual_seed(0)
    generator = Generator(512, 0, 512, 256, synthesis_kwargs={"channel_base": 16384}).to(device).requires_grad_(False)
    for batch in (1, 4):
        ws = torch.randn(batch, generator.num_ws, 512, device=device, requires_grad=True)
        native = differentiated(generator.synthesis, [ws])
        shape = (batch, 3, 256, 256)
        yield case("generator", shape, dtype, native, with_references(differentiated(generator.synthesis, [ws])))
        if batch == 4:
            grouped = per_sample_grouped(differentiated(generator.synthesis, [ws]))
            yield case("generator", shape, dtype, native, grouped, what="beside grouped convolutions")


def with_references(call: Callable[[], object]) -> Callable[[], object]:
    """The call with every operation replaced by its reference."""

    def run() -> object:
        with mock.patch.dict(os.environ, {"PULSE_OPS": "reference"}):
            return call()

    return run


def per_sample_grouped(call: Callable[[], object]) -> Callable[[], object]:
    """The references, and each image's own weights in one grouped convolution (Karras et al. 2020, appendix B)."""

    def conv(
        x: Tensor,
        weight: Tensor,
        styles: Tensor,
        up: int = 1,
        resample_filter: Tensor | None = None,
        demodulate: bool = True,
    ) -> Tensor:
        n, (o, i, k, _) = len(x), weight.shape
        w = weight[None] * styles[:, None, :, None, None]
        if demodulate:
            w = w * (w.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        x = x.reshape(1, n * i, *x.shape[2:])
        if up == 1:
            return F.conv2d(x, w.reshape(n * o, i, k, k), padding=k // 2, groups=n).reshape(n, o, *x.shape[2:])
        x = F.conv_transpose2d(x, w.transpose(1, 2).reshape(n * i, o, k, k), stride=2, groups=n)
        return reference.upfirdn2d(x.reshape(n, o, *x.shape[2:]), resample_filter, padding=1, gain=4)

    def conv_and_scale(x: Tensor, weight: Tensor, styles: Tensor, **options: Any) -> tuple[Tensor, None]:
        return conv(x, weight, styles, **options), None

    def run() -> object:
        with (
            mock.patch("stylegan.networks.layers.modulated_conv2d", conv),
            mock.patch("stylegan.networks.layers.modulated_conv2d_and_scale", conv_and_scale),
        ):
            return with_references(call)()

    return run


def sizes() -> Iterator[tuple[int, int, int]]:
    """(batch, resolution, feature maps) of a 1024 px StyleGAN2."""
    for batch in (1, 4):
        for exponent in range(2, 11):
            yield batch, 2**exponent, channels_at(2**exponent, 32768, 512)


def image(shape: tuple[int, ...], dtype: torch.dtype, memory_format: torch.memory_format, device: str) -> Tensor:
    """Random numbers in a memory format, with a gradient."""
    return torch.randn(shape, device=device, dtype=dtype).contiguous(memory_format=memory_format).requires_grad_()


def parameter(shape: tuple[int, ...], device: str) -> Tensor:
    """Random float32 numbers, with a gradient."""
    return torch.randn(shape, device=device, requires_grad=True)


def size_of(x: Tensor) -> int:
    """Bytes of a tensor."""
    return x.numel() * x.element_size()


def case(
    op: str,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    native: Callable[[], object],
    plain: Callable[[], object],
    moved: int = 0,
    what: str = "",
    memory: bool = False,
) -> Case:
    """A case with its shape written out."""
    name = "x".join(str(size) for size in shape) + (f" {what}" if what else "")
    return Case(op, name, str(dtype).removeprefix("torch."), native, plain, moved, memory)


CASES = {
    "bias_act": bias_act_cases,
    "upfirdn2d": upfirdn2d_cases,
    "modulated_conv2d": modulated_conv2d_cases,
    "adain": adain_cases,
    "downsample_l2": downsample_l2_cases,
    "generator": generator_cases,
}
