from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.signal import convolve2d
from torch import Tensor

from pulse.operators import (
    BORDERS,
    KERNELS,
    Blur,
    Downsampler,
    Grey,
    Mask,
    Stack,
    check_adjoint,
    downsample,
)

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "bicubic_downsample.npz")
SIDES = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@pytest.mark.parametrize("factor", [2, 3, 4, 8, 32])
def test_bicubic_is_pulses(factor):
    ours = downsample(torch.from_numpy(GOLDEN[f"x{factor}"]), factor=factor).numpy()
    golden = GOLDEN[f"y{factor}"]
    assert np.abs(ours - golden).max() <= 1e-5 * np.abs(golden).max()


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.sampled_from(KERNELS), st.integers(0, 2**31))
def test_adjoint_and_constants(rows, columns, kernel, seed):
    operator = Downsampler((rows[0], columns[0]), (rows[1], columns[1]), kernel)
    check_adjoint(operator, (2, 3, *operator.in_size), rng=torch.Generator().manual_seed(seed))
    constant = operator.A(torch.ones(2, 3, *operator.in_size, dtype=torch.float64))
    assert torch.allclose(constant, torch.ones_like(constant), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_gradient_is_the_adjoint(kernel):
    operator = Downsampler((20, 12), (7, 5), kernel)
    x = torch.randn(1, 2, 20, 12, dtype=torch.float64, requires_grad=True)
    y = torch.randn(1, 2, 7, 5, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(operator.A(x), x, y)
    assert torch.allclose(gradient, operator.A_adjoint(y))


@pytest.mark.parametrize("size", [(16, 16), (26, 10), (62, 20)])
@pytest.mark.parametrize(
    ("kernel", "pillow"), [("lanczos", Image.Resampling.LANCZOS), ("nearest", Image.Resampling.NEAREST)]
)
def test_lanczos_and_nearest_are_pillows(kernel, pillow, size):
    # From an odd to an even number no centre falls on an edge between pixels, where Pillow rounds either way.
    x = torch.rand(63, 45, generator=torch.Generator().manual_seed(0))
    theirs = np.asarray(Image.fromarray(x.numpy()).resize(size[::-1], pillow))
    np.testing.assert_allclose(downsample(x, size, kernel=kernel).numpy(), theirs, atol=2e-6)


def test_area_is_the_mean_of_what_is_covered():
    x = torch.rand(1, 3, 24, 12)
    torch.testing.assert_close(downsample(x, (8, 3), kernel="area"), torch.nn.functional.avg_pool2d(x, (3, 4)))
    torch.testing.assert_close(
        downsample(torch.tensor([[1.0, 2.0, 4.0]]), (1, 2), kernel="area"),
        torch.tensor([[(1 + 1) / 1.5, (1 + 4) / 1.5]]),
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_image_of_the_right_size_stays_as_it_is(kernel):
    x = torch.rand(1, 3, 9, 5)
    assert torch.equal(downsample(x, (9, 5), kernel=kernel), x)


def test_sizes_and_factors():
    x = torch.rand(2, 3, 100, 70)
    assert downsample(x, 16).shape == (2, 3, 16, 16)
    assert downsample(x, factor=2.5).shape == (2, 3, 40, 28)
    assert downsample(x, factor=1000).shape == (2, 3, 1, 1)
    assert downsample(x.double(), factor=2).dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either a size or a factor"),
        ({"size": 4, "factor": 2}, "exactly one"),
        ({"factor": 0.5}, "at least 1"),
        ({"factor": float("nan")}, "at least 1"),
        ({"size": (9, 4)}, "height of 8"),
        ({"size": (4, 0)}, "width of 8"),
        ({"size": 4, "kernel": "gauss"}, "'gauss' is unknown"),
    ],
)
def test_senseless_requests_are_refused_in_a_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        downsample(torch.zeros(1, 3, 8, 8), **options)
    with pytest.raises(ValueError, match="floating point"):
        Downsampler((8, 8), (4, 4)).A(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"give \(..., H, W\)"):
        downsample(torch.zeros(8), 4)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12), st.sampled_from(BORDERS))
def test_blurs_are_convolutions_and_have_their_adjoint(kh, kw, height, width, border):
    kernel, x = random(kh, kw), random(height, width, seed=1)
    operator = Blur(kernel, border)
    check_adjoint(operator, (2, 3, height, width))
    modes = {"mirror": "reflect", "repeat": "edge", "wrap": "wrap", "zero": "constant"}
    above, left = kh - 1 - kh // 2, kw - 1 - kw // 2
    padded = np.pad(x.numpy(), ((above, kh // 2), (left, kw // 2)), mode=modes[border])
    expected = convolve2d(padded, kernel.numpy(), mode="valid")
    np.testing.assert_allclose(operator.A(x).numpy(), expected, atol=1e-12)


def test_the_gaussian_blur_spreads_a_point_by_sigma():
    point = torch.zeros(1, 1, 41, 31, dtype=torch.float64)
    point[0, 0, 20, 15] = 1
    spread = Blur.gaussian(2.5).A(point)[0, 0]
    assert spread.sum() == pytest.approx(1)
    rows = torch.arange(41) - 20.0
    assert float((spread.sum(1) * rows.square()).sum()) ** 0.5 == pytest.approx(2.5, rel=2e-3)
    # A border that mirrors keeps the brightness of a constant image.
    ones = torch.ones(1, 3, 9, 9)
    torch.testing.assert_close(Blur.gaussian(2.5).A(ones), ones)


def test_grey_is_pillows():
    x = torch.randint(0, 256, (3, 16, 12), generator=torch.Generator().manual_seed(0))
    picture = Image.fromarray(x.to(torch.uint8).permute(1, 2, 0).numpy()).convert("L")
    ours = Grey().A(x.double() / 255)[0].numpy() * 255
    assert np.abs(ours - np.asarray(picture)).max() <= 0.51
    check_adjoint(Grey((0.2126, 0.7152, 0.0722)), (2, 3, 5, 4))


def test_a_mask_loses_what_it_hides():
    mask = Mask(torch.arange(12).view(3, 4) % 3 != 0)
    x = random(2, 3, 3, 4)
    assert torch.equal(mask.A(x), torch.where(torch.arange(12).view(3, 4) % 3 != 0, x, 0))
    assert mask.kept == pytest.approx(8 / 12)
    check_adjoint(mask, (2, 3, 3, 4))
    check_adjoint(Mask(torch.rand(3, 3, 4)), (2, 3, 3, 4))


class Foreign:
    """Neither knows this package nor derives from it."""

    def A(self, x: Tensor) -> Tensor:
        return 2 * x

    def A_adjoint(self, y: Tensor) -> Tensor:
        return 2 * y


def test_compositions_apply_the_right_one_first():
    small, grey = Downsampler((12, 8), (6, 4)), Grey()
    x = random(2, 3, 12, 8)
    assert torch.equal((grey @ small).A(x), grey.A(small.A(x)))
    for operator in (small @ Blur.gaussian(1.0), grey @ small @ Mask(torch.ones(12, 8)), Foreign() @ small):
        check_adjoint(operator, (2, 3, 12, 8))
    assert torch.equal((small @ Foreign()).A(x), 2 * small.A(x))
    with pytest.raises(TypeError, match="@"):
        small @ torch.ones(8, 8)


def test_stacks_give_every_measurement():
    left = torch.arange(8) < 4
    operator = Stack([Mask(left.expand(8, 8)), Grey()], (3, 8, 8))
    x = random(2, 3, 8, 8)
    assert torch.equal(operator.A(x), torch.cat([x * left, Grey().A(x)], 1))
    check_adjoint(operator, (2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"shapes \(1, 8, 8\), \(3, 4, 4\)"):
        Stack([Grey(), Downsampler((8, 8), (4, 4))], (3, 8, 8))
    with pytest.raises(ValueError, match="no operators"):
        Stack([], (3, 8, 8))


@pytest.mark.parametrize("operator", [Blur.gaussian(1.0), Grey(), Mask(torch.rand(6, 8)), Downsampler((6, 8), (3, 4))])
def test_operators_are_differentiable_and_leave_their_argument_and_its_type(operator):
    for dtype in (torch.float32, torch.float64):
        x = random(2, 3, 6, 8).to(dtype).requires_grad_()
        before = x.detach().clone()
        y = operator.A(x)
        assert y.dtype == dtype
        v = random(*y.shape, seed=1).to(dtype)
        (gradient,) = torch.autograd.grad(y, x, v)
        torch.testing.assert_close(gradient, operator.A_adjoint(v))
        assert torch.equal(x, before)


def test_wrong_adjoints_are_found():
    class Affine(Foreign):
        def A(self, x: Tensor) -> Tensor:
            return 2 * x + 1

    class Scaled(Foreign):
        def A_adjoint(self, y: Tensor) -> Tensor:
            return y

    class Flat(Foreign):
        def A_adjoint(self, y: Tensor) -> Tensor:
            return y.flatten()

    class Nan(Foreign):
        def A_adjoint(self, y: Tensor) -> Tensor:
            return y * float("nan")

    check_adjoint(Foreign(), (1, 3, 4, 4), torch.float32)
    for wrong in (Affine, Scaled, Nan):
        with pytest.raises(ValueError, match="is not the adjoint"):
            check_adjoint(wrong(), (1, 3, 4, 4))
    with pytest.raises(ValueError, match="image's shape"):
        check_adjoint(Flat(), (1, 3, 4, 4))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Blur(torch.ones(3)), "kernel of the blur"),
        (lambda: Blur(torch.ones(3, 3, dtype=torch.int64)), "floating point"),
        (lambda: Blur(torch.full((3, 3), float("nan"))), "finite"),
        (lambda: Blur(torch.ones(3, 3), "reflect"), "'reflect' is unknown"),
        (lambda: Blur.gaussian(0), "deviation"),
        (lambda: Mask(torch.ones(3)), "mask is"),
        (lambda: Mask(torch.full((3, 3), float("inf"))), "finite"),
        (lambda: Grey((1, 1)), "three numbers"),
        (lambda: Grey().A(torch.zeros(1, 4, 4, 4)), "for Grey is"),
        (lambda: Mask(torch.ones(4, 4)).A(torch.zeros(1, 3, 4, 5)), r"give floating point \(..., 4, 4\)"),
        (lambda: Blur(torch.ones(1, 1)).A(torch.zeros(1, 3, 4, 5, dtype=torch.uint8)), "for Blur is"),
    ],
)
def test_senseless_operators_are_refused_in_a_sentence(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_use_in_inference_mode_spoils_no_later_gradient():
    with torch.inference_mode():
        operators = [Blur.gaussian(1.0), Grey(), Mask(torch.rand(6, 8)), Downsampler((6, 8), (3, 4))]
        for operator in operators:
            operator.A(torch.rand(1, 3, 6, 8, dtype=torch.float64))
            operator.A(torch.rand(1, 3, 6, 8))
        operators[3].l2(torch.rand(1, 3, 6, 8), torch.rand(1, 3, 3, 4))
    for dtype in (torch.float32, torch.float64):
        x = torch.rand(1, 3, 6, 8, dtype=dtype, requires_grad=True)
        for operator in operators:
            assert torch.autograd.grad(operator.A(x).sum(), x)[0].any()
    error, _ = operators[3].l2(x.float(), torch.zeros(1, 3, 3, 4))
    assert torch.autograd.grad(error.sum(), x)[0].any()
