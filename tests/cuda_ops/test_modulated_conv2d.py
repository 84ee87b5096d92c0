"""modulated_conv2d: the native passes around the convolution against the reference, and what training needs of it."""

from typing import Any

import pytest
import torch

import cuda_ops
from cuda_ops import build, reference
from stylegan.networks.stylegan2 import Generator

FILTER = reference.setup_filter([1, 3, 3, 1])
FORMATS = (torch.contiguous_format, torch.channels_last)


@pytest.fixture(autouse=True)
def _native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_OPS", "native")
    build.load("cpu")


def _inputs(kernel: int, dtype: torch.dtype, seed: int = 0) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    shapes = ((2, 3, 6, 5), (4, 3, kernel, kernel), (2, 3))
    return tuple(torch.randn(s, generator=random, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize(("kernel", "up"), [(3, 1), (3, 2), (1, 1), (1, 2)])
def test_native_is_the_reference(kernel: int, up: int, demodulate: bool, memory_format: torch.memory_format) -> None:
    x, weight, styles = _inputs(kernel, torch.float32)
    x = x.detach().contiguous(memory_format=memory_format).requires_grad_()
    options: dict[str, Any] = {"up": up, "resample_filter": FILTER, "demodulate": demodulate}
    mine = cuda_ops.modulated_conv2d(x, weight, styles, **options)
    theirs = reference.modulated_conv2d(x, weight, styles, **options)
    assert torch.allclose(mine, theirs, atol=1e-5)
    dy = torch.randn_like(theirs)
    gradients = (torch.autograd.grad(y, (x, weight, styles), dy) for y in (mine, theirs))
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_a_scale_put_off_is_the_same_convolution() -> None:
    x, weight, styles = _inputs(3, torch.float32)
    y, scale = cuda_ops.modulated_conv2d_and_scale(x, weight, styles)
    assert torch.allclose(y * scale[:, :, None, None], reference.modulated_conv2d(x, weight, styles), atol=1e-5)


@pytest.mark.parametrize("up", [1, 2])
def test_first_and_second_derivatives(up: int) -> None:
    inputs = _inputs(3, torch.float64)
    call = lambda *t: cuda_ops.modulated_conv2d(*t, up=up, resample_filter=FILTER.double())  # noqa: E731
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


def test_bfloat16_is_float32_rounded() -> None:
    x, weight, styles = (t.detach() for t in _inputs(3, torch.float32))
    exact = reference.modulated_conv2d(x, weight, styles)
    assert torch.allclose(cuda_ops.modulated_conv2d(x.bfloat16(), weight, styles).float(), exact, atol=0.05)


# Sizes that tiles of four, of three and of six do not divide, fewer channels than a vector has, one pixel, no image.
SHAPES = [
    (2, 3, 5, 6, 5),
    (1, 16, 16, 1, 1),
    (1, 17, 40, 33, 18),
    (3, 24, 8, 9, 2),
    (0, 16, 16, 8, 8),
    (1, 150, 20, 7, 7),
]


def _plain(x: torch.Tensor, weight: torch.Tensor, styles: torch.Tensor, up: bool) -> torch.Tensor:
    x = x * styles[:, :, None, None]
    if up:
        return torch.nn.functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return torch.nn.functional.conv2d(x, weight, padding=1)


def _shaped(shape: tuple[int, ...], dtype: torch.dtype, memory_format: torch.memory_format) -> list[torch.Tensor]:
    images, inner, outer, height, width = shape
    random = torch.Generator().manual_seed(1)
    sizes = ((images, inner, height, width), (outer, inner, 3, 3), (images, inner))
    x, weight, styles = (torch.randn(size, generator=random, dtype=torch.float64).to(dtype) for size in sizes)
    return [t.requires_grad_() for t in (x.contiguous(memory_format=memory_format), weight, styles)]


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_minimal_filtering_is_the_convolution(
    shape: tuple[int, ...], up: bool, memory_format: torch.memory_format
) -> None:
    inputs = _shaped(shape, torch.float64, memory_format)
    mine = torch.ops.cuda_ops.conv3x3(*inputs, up)
    theirs = _plain(*inputs, up)
    assert torch.allclose(mine, theirs, atol=1e-11)
    # One pixel lies the same way in both formats.
    assert inputs[0][0:1, 0].numel() <= 1 or mine.is_contiguous(memory_format=memory_format)
    dy = torch.randn_like(theirs)
    for a, b in zip(torch.autograd.grad(mine, inputs, dy), torch.autograd.grad(theirs, inputs, dy), strict=True):
        assert torch.allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("up", [False, True])
def test_many_tiles_are_the_convolution_too(up: bool) -> None:
    inputs = _shaped((2, 16, 16, 150, 131), torch.float64, torch.channels_last)
    mine, theirs = torch.ops.cuda_ops.conv3x3(*inputs, up), _plain(*inputs, up)
    assert torch.allclose(mine, theirs, atol=1e-11)
    dy = torch.randn_like(theirs)
    gradients = (torch.autograd.grad(y, (inputs[0], inputs[2]), dy) for y in (mine, theirs))
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("up", [False, True])
def test_rounding_error_is_about_that_of_a_plain_sum(up: bool) -> None:
    inputs = [t.detach() for t in _shaped((1, 64, 32, 30, 30), torch.float32, torch.channels_last)]
    exact = _plain(*(t.double() for t in inputs), up)
    mine, plain = torch.ops.cuda_ops.conv3x3(*inputs, up), _plain(*inputs, up)
    assert (mine - exact).square().mean().sqrt() < 3 * (plain - exact).square().mean().sqrt()


@pytest.mark.parametrize("up", [False, True])
def test_minimal_filtering_differentiates_twice(up: bool) -> None:
    inputs = _shaped((2, 3, 2, 4, 3), torch.float64, torch.contiguous_format)
    call = lambda *t: torch.ops.cuda_ops.conv3x3(*t, up)  # noqa: E731
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


@pytest.mark.parametrize("up", [False, True])
def test_operators_are_registered_whole(up: bool) -> None:
    ops = torch.ops.cuda_ops
    x, weight, styles = _shaped((2, 3, 4, 5, 6), torch.float32, torch.channels_last)
    dy = torch.randn_like(ops.conv3x3(x, weight, styles, up))
    torch.library.opcheck(ops.conv3x3.default, (x, weight, styles, up))
    torch.library.opcheck(ops.conv3x3_adjoint.default, (dy.requires_grad_(), weight, up))
    plain = [t.detach() for t in (dy, x, weight, styles)]
    torch.library.opcheck(ops.conv3x3_backward.default, (*plain, up))


@pytest.mark.parametrize(("up", "demodulate"), [(1, True), (2, False)])
def test_a_large_layer_filters_minimally(up: int, demodulate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the library's convolutions would be called, the test fails.
    x, weight, styles = _shaped((2, 16, 24, 12, 10), torch.float32, torch.channels_last)
    options: dict[str, Any] = {"up": up, "resample_filter": FILTER, "demodulate": demodulate}
    theirs = reference.modulated_conv2d(x, weight, styles, **options)
    monkeypatch.setattr(torch.nn.functional, "conv2d", None)
    monkeypatch.setattr(torch.nn.functional, "conv_transpose2d", None)
    mine = cuda_ops.modulated_conv2d(x, weight, styles, **options)
    assert torch.allclose(mine, theirs, atol=1e-4)


def test_styles_of_another_shape_are_refused() -> None:
    x, weight, styles = _shaped((2, 16, 16, 8, 8), torch.float32, torch.contiguous_format)
    with pytest.raises(ValueError, match="styles have shape"):
        cuda_ops.modulated_conv2d_and_scale(x, weight, styles[:1])


def _tiny() -> tuple[Generator, torch.Tensor]:
    torch.manual_seed(0)
    generator = Generator(8, 0, 8, 16, synthesis_kwargs={"channel_base": 128, "channel_max": 16})
    return generator, torch.randn(2, generator.num_ws, 8, requires_grad=True)


def test_a_whole_generator_is_one_graph_with_the_same_gradient() -> None:
    generator, ws = _tiny()
    compiled = torch.compile(generator.synthesis, fullgraph=True, backend="aot_eager")
    images = [f(ws) for f in (generator.synthesis, compiled)]
    assert torch.allclose(*images, atol=1e-5)
    assert torch.allclose(*(torch.autograd.grad(image.square().sum(), ws)[0] for image in images), atol=1e-3)


def test_a_generator_runs_under_autocast() -> None:
    generator, ws = _tiny()
    exact = generator.synthesis(ws)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = generator.synthesis(ws)
    assert torch.allclose(near.float(), exact, atol=0.1 * float(exact.detach().abs().max()))


def test_path_length_differentiates_twice_through_a_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, ws = _tiny()

    def penalty_gradient() -> torch.Tensor:
        images = generator.synthesis(ws)
        (gradient,) = torch.autograd.grad((images * images.detach().sin()).sum(), ws, create_graph=True)
        (found,) = torch.autograd.grad(gradient.square().sum(), generator.synthesis.b8.conv0.weight)
        return found

    mine = penalty_gradient()
    monkeypatch.setenv("PULSE_OPS", "reference")
    theirs = penalty_gradient()
    assert torch.allclose(mine, theirs, atol=1e-4 * float(theirs.abs().max()))
