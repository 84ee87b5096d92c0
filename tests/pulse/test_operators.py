from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pulse import Downsampler, downsample
from pulse.operators import KERNELS

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
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, *operator.in_size, generator=generator, dtype=torch.float64)
    y = torch.randn(2, 3, *operator.out_size, generator=generator, dtype=torch.float64)
    left, right = (operator.A(x) * y).sum(), (x * operator.A_adjoint(y)).sum()
    assert abs(left - right) <= 1e-10 * (1 + abs(left))
    assert torch.allclose(operator.A(torch.ones_like(x)), torch.ones_like(y), rtol=0, atol=1e-12)


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
