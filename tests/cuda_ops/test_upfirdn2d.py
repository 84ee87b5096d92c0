"""upfirdn2d: both forms against the goldens, the native form against the reference, and the mathematics of both."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import cuda_ops
from cuda_ops import reference

GOLDENS = np.load(Path(__file__).parents[1] / "data" / "upfirdn2d.npz")
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
# Of the largest value: rounding of the type, some taps long.
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-13, torch.bfloat16: 1e-2}
BLUR = reference.setup_filter([1, 3, 3, 1])


@pytest.fixture(params=["reference", "native"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_OPS", request.param)


@pytest.fixture(autouse=True, scope="module")
def native() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULSE_OPS", "native")
        yield


def _random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max().clamp_min(1e-9))


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("case", json.loads(str(GOLDENS["meta"])), ids=lambda case: str(case["case"]))
def test_goldens(case: dict, memory_format: torch.memory_format) -> None:
    options = {k: v for k, v in case.items() if k not in ("case", "filter")}
    data = {k: torch.from_numpy(GOLDENS[f"{case['case']:03d}_{k}"]) for k in ("x", "y", "gy", "gx")}
    f = torch.from_numpy(GOLDENS[f"{case['case']:03d}_f"]) if case["filter"] else None
    x = data["x"].contiguous(memory_format=memory_format).requires_grad_()
    y = cuda_ops.upfirdn2d(x, f, **options)
    (gx,) = torch.autograd.grad(y, x, data["gy"])
    assert _error(y.detach(), data["y"]) < 1e-5
    assert _error(gx, data["gx"]) < 1e-5


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("name", ["filter2d", "upsample2d", "downsample2d"])
def test_goldens_of_conveniences(name: str) -> None:
    y = getattr(cuda_ops, name)(torch.from_numpy(GOLDENS["h_x"]), torch.from_numpy(GOLDENS["h_f"]))
    assert _error(y, torch.from_numpy(GOLDENS[f"h_{name}"])) < 1e-5


@st.composite
def _calls(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    def pair(least: int, most: int) -> tuple[int, int]:
        return draw(st.integers(least, most)), draw(st.integers(least, most))

    n, c = draw(st.sampled_from([(1, 1), (2, 3), (1, 8), (3, 11), (1, 40)]))
    h, w = pair(1, 20)
    fh, fw = pair(1, 13)
    seed = draw(st.integers(0, 999))
    kind = draw(st.sampled_from(["separable", "outer product", "full"]))
    if kind == "separable":
        f, fh = _random(fw, seed=seed), fw
    elif kind == "outer product":
        f = _random(fh, seed=seed).outer(_random(fw, seed=seed + 1))
    else:
        f = _random(fh, fw, seed=seed)
    options = {
        "up": pair(1, 3),
        "down": pair(1, 3),
        "padding": (*pair(-3, 7), *pair(-3, 7)),
        "flip_filter": draw(st.booleans()),
        "gain": draw(st.sampled_from([1.0, 4.0, 0.3])),
    }
    left, right, top, bottom = options["padding"]
    assume(w * options["up"][0] + left + right >= fw and h * options["up"][1] + top + bottom >= fh)
    # The reference pads before it crops nothing away but what is there.
    assume(
        w * options["up"][0] + min(left, 0) + min(right, 0) > 0
        and h * options["up"][1] + min(top, 0) + min(bottom, 0) > 0
    )
    dtype = draw(st.sampled_from(list(TOLERANCE)))
    memory_format = draw(st.sampled_from(list(FORMATS.values())))
    return _random(n, c, h, w, seed=seed + 2, dtype=dtype).contiguous(memory_format=memory_format), f, options


@settings(max_examples=300, deadline=None, derandomize=True)
@given(_calls())
def test_native_is_the_reference(call: tuple[torch.Tensor, torch.Tensor, dict[str, Any]]) -> None:
    x, f, options = call
    x.requires_grad_()
    y = cuda_ops.upfirdn2d(x, f, **options)
    exact = x.detach().double().requires_grad_()
    theirs = reference.upfirdn2d(exact, f, **options)
    assert y.dtype == x.dtype
    assert y.shape == theirs.shape
    assert y.is_contiguous(memory_format=torch.channels_last) or not x.is_contiguous(memory_format=torch.channels_last)
    assert _error(y.detach(), theirs.detach()) < TOLERANCE[x.dtype]
    gradient = torch.ones_like(y)
    (dx,) = torch.autograd.grad(y, x, gradient)
    (theirs,) = torch.autograd.grad(theirs, exact, gradient.double())
    assert (dx.double() - theirs).abs().max() <= TOLERANCE[x.dtype] * 10 * f.abs().sum() ** f.ndim


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        # Of megabytes, which are written past the caches.
        ((2, 40, 65, 65), {"padding": 1, "gain": 4.0}),
        ((1, 3, 64, 300), {"up": 2, "padding": (2, 1, 2, 1), "gain": 4.0}),
        ((1, 3, 128, 90), {"down": 2, "padding": 1}),
        ((1, 520, 20, 21), {"down": 2, "padding": 1}),
        ((1, 8, 256, 256), {"padding": (2, 1, 2, 1)}),
        ((1, 8, 128, 128), {"up": 2, "padding": (2, 1, 2, 1)}),
        ((1, 8, 512, 512), {"down": 2, "padding": 1}),
        # Several strips of several blocks of channels, and an odd number of rows.
        ((1, 72, 10, 200), {"padding": 1}),
        ((1, 72, 9, 200), {"up": (2, 1), "padding": (2, 1, 2, 2)}),
        ((1, 72, 12, 300), {"up": (1, 2), "down": 2, "padding": 2}),
    ],
    ids=[
        "after a transposed convolution",
        "RGB up",
        "RGB down",
        "many channels down",
        "whole vectors",
        "whole vectors, up",
        "whole vectors, down",
        "wide",
        "wide, up",
        "wide, up and down",
    ],
)
def test_strips_and_threads_leave_no_seam(
    shape: tuple[int, ...], options: dict[str, Any], memory_format: torch.memory_format
) -> None:
    x = _random(*shape).contiguous(memory_format=memory_format)
    theirs = reference.upfirdn2d(x.double(), BLUR, **options)
    # Later results find memory that was written before, which takes another way to it.
    for _ in range(3):
        assert _error(cuda_ops.upfirdn2d(x, BLUR, **options), theirs) < 1e-6


OWN_LOOPS = pytest.mark.parametrize(
    ("taps", "options"),
    [
        (4, {"padding": (2, 1, 2, 1)}),
        (4, {"padding": (-1, 5, 6, -3)}),
        (3, {"padding": 1}),
        (4, {"down": 2, "padding": (1, 2, 2, 1)}),
        (4, {"up": 2, "padding": (2, 1, 2, 1)}),
        (4, {"up": 2, "padding": (1, 2, 2, 1)}),
        (4, {"up": 2, "padding": (2, 1, 1, 2)}),
        (4, {"up": 2, "padding": (-1, 4, 3, -2)}),
    ],
    ids=str,
)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("channels", [8, 16, 17, 40, 64])
@OWN_LOOPS
@pytest.mark.parametrize("size", [(9, 13), (10, 2)], ids=str)
def test_filters_that_have_their_own_loops(
    size: tuple[int, int], taps: int, options: dict[str, Any], channels: int, dtype: torch.dtype
) -> None:
    x = _random(2, channels, *size, dtype=dtype).contiguous(memory_format=torch.channels_last)
    _is_the_reference(x, _random(taps, seed=1), options)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@OWN_LOOPS
@pytest.mark.parametrize(
    "shape",
    [
        (2, 3, 5, 33),
        (1, 3, 40, 64),
        (1, 2, 4, 70),
        (1, 3, 37, 31),
        (1, 1, 3, 300),
        (3, 6, 9, 13),
        (2, 8, 5, 4),
        (1, 17, 24, 21),
    ],
    ids=str,
)
def test_planes_that_have_their_own_loops(
    shape: tuple[int, ...], taps: int, options: dict[str, Any], dtype: torch.dtype
) -> None:
    _is_the_reference(_random(*shape, dtype=dtype), _random(taps, seed=1), options)


def _is_the_reference(x: torch.Tensor, f: torch.Tensor, options: dict[str, Any]) -> None:
    exact = x.double().requires_grad_()
    x.requires_grad_()
    ours, theirs = (
        function(t, f, **options) for function, t in ((cuda_ops.upfirdn2d, x), (reference.upfirdn2d, exact))
    )
    gradient = _random(*ours.shape, seed=2, dtype=x.dtype)
    (dx,) = torch.autograd.grad(ours, x, gradient)
    (exact_dx,) = torch.autograd.grad(theirs, exact, gradient.double())
    assert _error(ours.detach(), theirs.detach()) < TOLERANCE[x.dtype]
    assert _error(dx, exact_dx) < TOLERANCE[x.dtype]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", [8, 40])
@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_infinity_stays_where_the_filter_sees_it(
    memory_format: torch.memory_format, size: int, dtype: torch.dtype
) -> None:
    x = torch.zeros(1, 32, size, size, dtype=dtype).contiguous(memory_format=memory_format)
    x[0, 5, 0, 0], x[0, 6, 7, 7], x[0, 7, 3, 4] = torch.inf, torch.inf, torch.nan
    y = cuda_ops.upfirdn2d(x, BLUR, padding=(2, 1, 2, 1))
    theirs = reference.upfirdn2d(x.double(), BLUR, padding=(2, 1, 2, 1))
    assert torch.equal(y.isinf(), theirs.isinf())
    assert torch.equal(y.isnan(), theirs.isnan())


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("f", [_random(3, 4, seed=1), _random(5, seed=2)], ids=["full", "separable"])
@pytest.mark.parametrize("options", [{}, {"up": (2, 3)}, {"down": (3, 2), "padding": 4}, {"padding": (-1, 2, 3, -2)}])
def test_the_gradient_is_the_adjoint(f: torch.Tensor, options: dict[str, Any]) -> None:
    x = _random(2, 3, 9, 10, dtype=torch.float64).requires_grad_()
    y = cuda_ops.upfirdn2d(x, f, **options)
    v = _random(*y.shape, seed=3, dtype=torch.float64)
    (adjoint,) = torch.autograd.grad(y, x, v)
    assert torch.isclose((y * v).sum(), (x * adjoint).sum(), rtol=1e-10)


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_derivatives(memory_format: torch.memory_format) -> None:
    x = _random(1, 2, 5, 4, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()

    def call(x: torch.Tensor) -> torch.Tensor:
        return cuda_ops.upfirdn2d(x, _random(3, 2), up=(2, 1), down=(1, 2), padding=(1, 2, 0, 3), gain=1.5)

    assert torch.autograd.gradcheck(call, x)
    assert torch.autograd.gradgradcheck(call, x)


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
def test_registration(memory_format: torch.memory_format) -> None:
    x = _random(2, 9, 5, 4).contiguous(memory_format=memory_format).requires_grad_()
    cuda_ops.upfirdn2d(x, BLUR, padding=2)  # loads the library
    for options in (([1, 1], [1, 1], [2, 1, 2, 1]), ([2, 1], [1, 2], [3, 3, 4, -1])):
        torch.library.opcheck(torch.ops.cuda_ops.upfirdn2d, (x, BLUR, *options, False, 4.0))


def test_compile_keeps_one_graph() -> None:
    def call(x: torch.Tensor) -> torch.Tensor:
        return cuda_ops.upsample2d(x * 2, BLUR).square().sum()

    x = _random(1, 3, 6, 6).requires_grad_()
    (ours,) = torch.autograd.grad(torch.compile(call, fullgraph=True, backend="aot_eager")(x), x)
    (theirs,) = torch.autograd.grad(call(x), x)
    assert torch.allclose(ours, theirs)


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 0, 8, 8)], ids=["no images", "no channels"])
def test_nothing_in_nothing_out(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, requires_grad=True)
    y = cuda_ops.upfirdn2d(x, BLUR, up=2, padding=(2, 1, 2, 1))
    assert y.shape == (*shape[:2], 16, 16)
    (dx,) = torch.autograd.grad(y.sum(), x)
    assert dx.shape == shape


def test_a_filter_that_asks_for_a_gradient_gets_it() -> None:
    f = _random(4, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(cuda_ops.upfirdn2d(_random(1, 2, 6, 6), f).sum(), f)
    assert gradient.abs().sum() > 0


def test_not_a_number_passes_through() -> None:
    x = torch.zeros(1, 2, 8, 8)
    x[0, 1, 4, 4] = torch.nan
    y = cuda_ops.upfirdn2d(x, BLUR, padding=(2, 1, 2, 1))
    assert y.isnan().sum() == 16
    assert not y[:, 0].isnan().any()


@pytest.mark.usefixtures("form")
def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="give images"):
        cuda_ops.upfirdn2d(torch.zeros(3, 8, 8), BLUR)
    with pytest.raises(ValueError, match="row or a matrix"):
        cuda_ops.upfirdn2d(torch.zeros(1, 3, 8, 8), torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="padded image is 2x8 and the filter 4x4"):
        cuda_ops.upfirdn2d(torch.zeros(1, 3, 8, 8), BLUR, padding=(-3, -3, 0, 0))
    with pytest.raises(ValueError, match="gain of -1"):
        cuda_ops.upfirdn2d(torch.zeros(1, 3, 8, 8), BLUR[0], gain=-1)
    with pytest.raises(ValueError, match="factor of 0"):
        cuda_ops.upfirdn2d(torch.zeros(1, 3, 8, 8), BLUR, up=0)
