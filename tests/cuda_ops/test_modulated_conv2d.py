"""modulated_conv2d: the native passes around the convolution against the reference, and what training needs of it."""

from typing import Any

import pytest
import torch

import cuda_ops
from cuda_ops import reference
from stylegan.stylegan2 import Generator

FILTER = reference.setup_filter([1, 3, 3, 1])
FORMATS = (torch.contiguous_format, torch.channels_last)


@pytest.fixture(autouse=True)
def _native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_OPS", "native")


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
