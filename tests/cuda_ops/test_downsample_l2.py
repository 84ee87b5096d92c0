"""downsample_l2: the reference's numbers and gradients, native and not, and what it holds in memory."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cuda_ops
from benchmarks.timing import largest_allocation
from cuda_ops import Bands, bands, reference
from pulse.operators import KERNELS, Downsampler

FORMATS = (torch.contiguous_format, torch.channels_last)


@pytest.fixture(autouse=True)
def _native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_OPS", "native")


def _bands(size: tuple[int, int], small: tuple[int, int], kernel: str = "bicubic") -> tuple[Bands, Bands]:
    height, width = (bands(m) for m in Downsampler(size, small, kernel).matrices)
    return height, width


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_native_is_the_reference(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    small = data.draw(st.integers(1, size[0])), data.draw(st.integers(1, size[1]))
    n, c = data.draw(st.sampled_from([(1, 3), (2, 1), (3, 4), (1, 20), (1, 60)]))
    rows, columns = _bands(size, small, data.draw(st.sampled_from(KERNELS)))
    dtype, tolerance = data.draw(
        st.sampled_from([(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
    )
    memory_format = data.draw(st.sampled_from(FORMATS))
    random = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    x = torch.randn(n, c, *size, generator=random).to(dtype).contiguous(memory_format=memory_format).requires_grad_()
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    target = torch.randn(n, c, *small, generator=random, dtype=wide).requires_grad_()
    exact = [t.detach().double().requires_grad_() for t in (x, target)]
    found, known = cuda_ops.downsample_l2(x, target, rows, columns), reference.downsample_l2(*exact, rows, columns)
    for mine, theirs in zip(found, known, strict=True):
        assert torch.allclose(mine.double(), theirs, atol=1e-12 if dtype == torch.float64 else 1e-5)
    weights = torch.randn(n, dtype=torch.float64, generator=random)

    def total(results: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return (results[0].double() * weights).sum() + results[1].double().sin().sum()

    mine = torch.autograd.grad(total(found), (x, target))
    theirs = torch.autograd.grad(total(known), exact)
    for a, b, given_ in zip(mine, theirs, (x, target), strict=True):
        assert a.dtype == given_.dtype
        assert torch.allclose(a.double(), b, atol=tolerance, rtol=tolerance)
    assert mine[0].is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_a_gradient_of_megabytes_is_the_reference(memory_format: torch.memory_format) -> None:
    """One that is written past the caches, with rows of which not all begin at a vector."""
    rows, columns = _bands((301, 331), (16, 20))
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, 301, 331, generator=random).contiguous(memory_format=memory_format).requires_grad_()
    target = torch.randn(1, 3, 16, 20, generator=random)
    (mine,), (theirs,) = (
        torch.autograd.grad(op(x, target, rows, columns)[0].sum(), x)
        for op in (cuda_ops.downsample_l2, reference.downsample_l2)
    )
    assert torch.allclose(mine, theirs, atol=1e-8, rtol=1e-5)


def test_bands_are_the_matrix_and_its_transpose() -> None:
    for kernel in KERNELS:
        matrix = Downsampler((37, 5), (9, 5), kernel).matrices[0]
        b = bands(matrix)
        assert torch.equal(reference._dense(b.weights, b.first, 37), matrix)
        assert torch.equal(reference._dense(b.weights_t, b.first_t, 9), matrix.t())


def test_first_and_second_derivatives() -> None:
    rows, columns = _bands((9, 7), (3, 2))
    x = torch.randn(2, 2, 9, 7, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    call = lambda x, target: cuda_ops.downsample_l2(x, target, rows, columns)  # noqa: E731
    assert torch.autograd.gradcheck(call, (x, target))
    assert torch.autograd.gradgradcheck(call, (x, target))


def test_registration() -> None:
    rows, columns = _bands((9, 7), (3, 2))
    x = torch.randn(2, 3, 9, 7, requires_grad=True)
    small, target = torch.randn(2, 3, 3, 2), torch.randn(2, 3, 3, 2)
    cuda_ops.downsample_l2(x, target, rows, columns)
    arguments = (x, target, *rows[:2], *columns[:2], *rows[2:], *columns[2:])
    torch.library.opcheck(torch.ops.cuda_ops.downsample_l2.default, arguments)
    for memory_format in FORMATS:
        back = (torch.randn(2), small, small, target, *rows[2:], *columns[2:], torch.float32, memory_format)
        torch.library.opcheck(torch.ops.cuda_ops.downsample_l2_backward.default, back)


def test_a_compiled_search_step_has_one_graph() -> None:
    rows, columns = _bands((16, 16), (4, 4))
    x, target = torch.rand(1, 3, 16, 16, requires_grad=True), torch.rand(1, 3, 4, 4)
    call = lambda x: cuda_ops.downsample_l2(x.sin(), target, rows, columns)[0].sum()  # noqa: E731
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    assert torch.allclose(*(torch.autograd.grad(f(x), x)[0] for f in (call, compiled)))


@pytest.mark.parametrize("memory_format", FORMATS)
def test_only_the_gradient_is_of_full_size(memory_format: torch.memory_format) -> None:
    rows, columns = _bands((512, 512), (16, 16))
    x = torch.rand(1, 3, 512, 512).contiguous(memory_format=memory_format).requires_grad_()
    target = torch.rand(1, 3, 16, 16)
    call = lambda: torch.autograd.grad(cuda_ops.downsample_l2(x, target, rows, columns)[0].sum(), x)  # noqa: E731
    call()
    assert 1 <= largest_allocation(call, "cpu") / (4 * x.numel()) < 1.01


def test_nothing_is_a_batch_too() -> None:
    rows, columns = _bands((8, 8), (2, 2))
    x = torch.zeros(0, 3, 8, 8, requires_grad=True)
    loss, small = cuda_ops.downsample_l2(x, torch.zeros(0, 3, 2, 2), rows, columns)
    assert (loss.shape, small.shape) == ((0,), (0, 3, 2, 2))
    assert torch.autograd.grad(loss.sum(), x)[0].shape == x.shape


def test_not_a_number_stays_one() -> None:
    rows, columns = _bands((8, 8), (2, 2), "area")
    x = torch.rand(2, 3, 8, 8)
    x[1, 0, 5, 5] = np.nan
    loss, small = cuda_ops.downsample_l2(x, torch.zeros(2, 3, 2, 2), rows, columns)
    assert loss.isfinite().tolist() == [True, False]
    assert int(small.isnan().sum()) == 1


def test_shapes_that_do_not_fit_are_named() -> None:
    rows, columns = _bands((8, 8), (2, 2))
    with pytest.raises(ValueError, match=r"x has shape \(1, 3, 8, 9\); for these bands give \(N, C, 8, 8\)"):
        cuda_ops.downsample_l2(torch.zeros(1, 3, 8, 9), torch.zeros(1, 3, 2, 2), rows, columns)
    with pytest.raises(ValueError, match=r"target has shape \(1, 3, 2, 3\); give \(1, 3, 2, 2\)"):
        cuda_ops.downsample_l2(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 2, 3), rows, columns)
