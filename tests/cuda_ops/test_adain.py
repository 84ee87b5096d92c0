"""adain: the native form against the reference, to the second derivative, and where float32 alone would fail."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cuda_ops
from cuda_ops import reference

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-11, torch.bfloat16: 2e-2}


@pytest.fixture(autouse=True, scope="module")
def native() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULSE_OPS", "native")
        yield


def _random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _inputs(
    n: int, c: int, h: int, w: int, dtype: torch.dtype, noise_images: int = 1, parameters: torch.dtype | None = None
) -> list[torch.Tensor]:
    p = parameters or dtype
    return [
        _random(n, c, h, w, seed=1, dtype=dtype),
        _random(c, seed=2, dtype=p),
        _random(noise_images, 1, h, w, seed=3, dtype=p),
        _random(c, seed=4, dtype=p),
        _random(n, 2 * c, seed=5, dtype=p),
    ]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.sampled_from([(1, 1), (2, 3), (1, 8), (3, 11), (2, 40)]),
    st.sampled_from([(4, 4), (5, 7), (16, 16), (31, 33)]),
    st.sampled_from(
        [(torch.float32,) * 2, (torch.float64,) * 2, (torch.bfloat16,) * 2, (torch.bfloat16, torch.float32)]
    ),
    st.sampled_from(list(FORMATS.values())),
    st.sampled_from(["bias and noise", "noise", "noise of each image", "bias", "neither"]),
)
def test_native_is_the_reference_and_so_are_its_gradients(
    images: tuple[int, int],
    size: tuple[int, int],
    dtypes: tuple[torch.dtype, torch.dtype],
    memory_format: torch.memory_format,
    given_tensors: str,
) -> None:
    dtype, parameters = dtypes
    own_noise = given_tensors == "noise of each image"
    inputs: list[Any] = _inputs(*images, *size, dtype, images[0] if own_noise else 1, parameters)
    inputs[0] = inputs[0].contiguous(memory_format=memory_format)
    if given_tensors in ("noise", "neither"):
        inputs[1] = None
    if given_tensors in ("bias", "neither"):
        inputs[2] = inputs[3] = None
    exact = [None if t is None else t.double().requires_grad_() for t in inputs]
    inputs = [None if t is None else t.requires_grad_() for t in inputs]
    y, theirs = cuda_ops.adain(*inputs), reference.adain(*exact)
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=memory_format)
    tolerance = TOLERANCE[dtype]
    assert (y - theirs).abs().max() <= tolerance * theirs.abs().max()
    gradient = _random(*y.shape, seed=6, dtype=dtype)
    wanted = [t for t in inputs if t is not None]
    ours = torch.autograd.grad(y, wanted, gradient)
    expected = torch.autograd.grad(theirs, [t for t in exact if t is not None], gradient.double())
    # Sums over an image of numbers that nearly cancel: held against the numbers, not against what is left of them.
    scale = expected[0].abs().max() * (y.numel() / y.shape[1]) ** 0.5 * 3
    for tensor, one, other in zip(wanted, ours, expected, strict=True):
        assert one.dtype == tensor.dtype
        assert (one - other).abs().max() <= tolerance * torch.maximum(scale, other.abs().max())


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_parts_of_a_large_image_are_joined(memory_format: torch.memory_format) -> None:
    inputs = _inputs(2, 20, 150, 131, torch.float32)
    inputs[0] = inputs[0].contiguous(memory_format=memory_format)
    exact = [t.double().requires_grad_() for t in inputs]
    inputs = [t.requires_grad_() for t in inputs]
    y, theirs = cuda_ops.adain(*inputs), reference.adain(*exact)
    assert (y - theirs).abs().max() < 1e-5
    gradient = _random(*y.shape, seed=6)
    ours = torch.autograd.grad(y, inputs, gradient)
    for one, other in zip(ours, torch.autograd.grad(theirs, exact, gradient.double()), strict=True):
        assert torch.allclose(one.double(), other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_a_large_mean_does_not_drown_the_deviation(memory_format: torch.memory_format) -> None:
    # In float32 a sum of squares of 1000 has no digits left for a variance of 1.
    x = (_random(1, 8, 300, 300) + 1000).contiguous(memory_format=memory_format)
    styles = torch.zeros(1, 16)
    y = cuda_ops.adain(x, None, None, None, styles)
    theirs = reference.adain(x.double(), None, None, None, styles.double())
    assert (y - theirs).abs().max() < 1e-3


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_derivatives(memory_format: torch.memory_format) -> None:
    inputs = _inputs(2, 3, 3, 4, torch.float64)
    inputs[0] = inputs[0].contiguous(memory_format=memory_format)
    inputs = [t.requires_grad_() for t in inputs]
    assert torch.autograd.gradcheck(cuda_ops.adain, inputs)
    assert torch.autograd.gradgradcheck(cuda_ops.adain, inputs)


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_registration(memory_format: torch.memory_format) -> None:
    inputs: list[Any] = [t.requires_grad_() for t in _inputs(2, 3, 5, 4, torch.float32)]
    inputs[0] = inputs[0].detach().contiguous(memory_format=memory_format).requires_grad_()
    cuda_ops.adain(*inputs)  # loads the library
    torch.library.opcheck(torch.ops.cuda_ops.adain, (*inputs, 0.2, 1e-5))
    torch.library.opcheck(torch.ops.cuda_ops.adain, (inputs[0], None, None, None, inputs[4], 0.2, 1e-5))


def test_compile_keeps_one_graph() -> None:
    def call(*inputs: torch.Tensor) -> torch.Tensor:
        return cuda_ops.adain(*inputs).pow(3).sum()

    inputs = [t.requires_grad_() for t in _inputs(2, 3, 5, 4, torch.float32)]
    ours = torch.autograd.grad(torch.compile(call, fullgraph=True, backend="aot_eager")(*inputs), inputs)
    for one, other in zip(ours, torch.autograd.grad(call(*inputs), inputs), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_number_of_threads_changes_no_digit() -> None:
    inputs = _inputs(1, 16, 200, 200, torch.float32)
    inputs[0] = inputs[0].contiguous(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = cuda_ops.adain(*inputs)
        torch.set_num_threads(3)
        assert torch.equal(cuda_ops.adain(*inputs), one)
    finally:
        torch.set_num_threads(threads)


def test_no_images() -> None:
    inputs = [t.requires_grad_() for t in _inputs(0, 3, 4, 4, torch.float32)]
    y = cuda_ops.adain(*inputs)
    assert y.shape == (0, 3, 4, 4)
    gradients = torch.autograd.grad(y.sum(), inputs)
    assert all(g.shape == t.shape and not g.any() for g, t in zip(gradients, inputs, strict=True))


@pytest.mark.parametrize(
    ("place", "shape", "message"),
    [
        (0, (3, 4, 4), "give images"),
        (1, (4,), "bias has shape"),
        (2, (2, 3, 4, 4), "noise has shape"),
        (3, (1,), "noise_weight has shape"),
        (4, (2, 3), "styles have shape"),
    ],
)
def test_bad_arguments_are_named(place: int, shape: tuple[int, ...], message: str) -> None:
    inputs = _inputs(2, 3, 4, 4, torch.float32)
    inputs[place] = torch.zeros(shape)
    with pytest.raises(ValueError, match=message):
        cuda_ops.adain(*inputs)
