"""bias_act: both forms against the goldens, the native form against the reference, and its derivatives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import cuda_ops
from cuda_ops import reference

GOLDENS = np.load(Path(__file__).parents[1] / "data" / "bias_act.npz")
FORMATS = [torch.contiguous_format, torch.channels_last]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 3e-6, torch.bfloat16: 2e-2}


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_OPS", "native")


def _random(*shape: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _assert_near(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    if theirs.numel():
        assert (ours.double() - theirs.double()).abs().max() <= tolerance * theirs.abs().max().clamp_min(1.0)


@pytest.mark.parametrize("form", ["reference", "native"])
@pytest.mark.parametrize("case", json.loads(str(GOLDENS["meta"])), ids=lambda case: f"{case['case']}-{case['act']}")
def test_agrees_to_the_second_derivative(case: dict, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_OPS", form)
    data = {k: torch.from_numpy(GOLDENS[f"{case['case']:03d}_{k}"]) for k in ("x", "b", "gy", "ggx")}
    options = {k: v for k, v in case.items() if k != "case"}
    x, b, gy = (data[k].requires_grad_() for k in ("x", "b", "gy"))
    y = cuda_ops.bias_act(x, b, **options)
    first = torch.autograd.grad(y, (x, b), gy, retain_graph=True)
    gx, gb = torch.autograd.grad(y, (x, b), gy, create_graph=True)
    ours = {"y": y, "gx": gx, "gb": gb}
    ours["ggy"], g2x = torch.autograd.grad((gx * data["ggx"]).sum(), (gy, x), allow_unused=True)
    ours["g2x"] = torch.zeros_like(x) if g2x is None else g2x
    for name, value in [*ours.items(), ("gx", first[0]), ("gb", first[1])]:
        _assert_near(value.detach(), torch.from_numpy(GOLDENS[f"{case['case']:03d}_{name}"]), 1e-5)


def _layer(function: Callable[..., Tensor], inputs: list[Tensor], act: str, clamp: float | None) -> Tensor:
    x, b, noise, strength, scale = inputs
    return function(x, b, act=act, gain=1.5, clamp=clamp, noise=noise, strength=strength, scale=scale)


@pytest.mark.parametrize("act", reference._ACTIVATIONS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("memory_format", FORMATS)
def test_the_whole_layer_and_its_gradients_agree(act: str, dtype: torch.dtype, memory_format: Any) -> None:
    parameters = torch.float64 if dtype == torch.float64 else torch.float32
    for n, c, h, w, noises, clamp in [(2, 3, 5, 7, 2, None), (1, 70, 3, 2, 1, 0.9), (2, 600, 9, 15, 1, 1.0)]:
        x = _random(n, c, h, w, seed=1, dtype=dtype).contiguous(memory_format=memory_format)
        dy = _random(n, c, h, w, seed=2, dtype=dtype)
        rest = [_random(*s, seed=3 + i, dtype=parameters) for i, s in enumerate([(c,), (noises, 1, h, w), (), (n, c)])]
        inputs = [t.requires_grad_() for t in (x, *rest)]
        exact = [t.detach().double().requires_grad_() for t in inputs]
        y, theirs = _layer(cuda_ops.bias_act, inputs, act, clamp), _layer(reference.bias_act, exact, act, clamp)
        assert y.dtype == dtype
        assert y.is_contiguous(memory_format=memory_format)
        _assert_near(y.detach(), theirs.detach(), TOLERANCE[dtype])
        for ours, wanted in zip(
            torch.autograd.grad(y, inputs, dy), torch.autograd.grad(theirs, exact, dy.double()), strict=True
        ):
            assert ours.shape == wanted.shape
            _assert_near(ours, wanted, 4 * TOLERANCE[dtype])


@pytest.mark.parametrize(
    ("shape", "dim"), [((5, 8), 1), ((5, 8), 0), ((3, 4, 5), -1), ((3, 4, 5), 1), ((2, 3, 4, 5), 2)]
)
def test_the_bias_runs_along_any_axis(shape: tuple[int, ...], dim: int) -> None:
    x, b = _random(*shape, seed=8), _random(shape[dim], seed=9)
    _assert_near(cuda_ops.bias_act(x, b, dim, "swish"), reference.bias_act(x, b, dim, "swish"), 1e-6)


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 0, 4, 4), (2, 3, 0, 4), (0,)])
def test_nothing_stays_nothing(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, requires_grad=True)
    b = torch.zeros(shape[1], requires_grad=True) if len(shape) > 1 else None
    y = cuda_ops.bias_act(x, b, act="lrelu")
    y.sum().backward()
    assert y.shape == shape
    assert x.grad is not None
    assert x.grad.shape == shape
    assert b is None or (b.grad is not None and torch.equal(b.grad, torch.zeros_like(b)))


@pytest.mark.parametrize("act", reference._ACTIVATIONS)
def test_nan_and_infinity_pass_as_in_the_reference(act: str) -> None:
    x = torch.tensor([torch.nan, torch.inf, -torch.inf])
    ours, theirs = cuda_ops.bias_act(x, act=act, clamp=5), reference.bias_act(x, act=act, clamp=5)
    assert torch.allclose(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("act", ["lrelu", "swish"])
def test_first_and_second_derivatives(act: str) -> None:
    inputs = [
        _random(*s, seed=i, dtype=torch.float64).requires_grad_()
        for i, s in enumerate([(2, 3, 2, 2), (3,), (1, 1, 2, 2), (), (2, 3)])
    ]
    assert torch.autograd.gradcheck(lambda *t: _layer(cuda_ops.bias_act, list(t), act, None), inputs)
    assert torch.autograd.gradgradcheck(lambda *t: _layer(cuda_ops.bias_act, list(t), act, None), inputs)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_is_registered_as_pytorch_wants_it(memory_format: Any) -> None:
    x = _random(2, 3, 4, 4, seed=0).contiguous(memory_format=memory_format).requires_grad_()
    rest = [_random(*s, seed=1).requires_grad_() for s in [(3,), (1, 1, 4, 4), (), (2, 3)]]
    cuda_ops.bias_act(x)
    torch.library.opcheck(torch.ops.cuda_ops.bias_act.default, (x, *rest, 1, "lrelu", 0.2, 1.4, 3.0))
    plain = [t.detach() for t in (x, x, *rest)]
    arguments = (*plain, 1, "lrelu", 0.2, 1.4, 3.0, True, True)
    torch.library.opcheck(torch.ops.cuda_ops.bias_act_backward.default, arguments)


def test_compiles_without_a_break() -> None:
    x, b = _random(2, 3, 4, 4, seed=0).requires_grad_(), _random(3, seed=1)
    compiled = torch.compile(lambda x: cuda_ops.bias_act(x, b, act="lrelu"), fullgraph=True, backend="aot_eager")
    (ours,) = torch.autograd.grad(compiled(x).sum(), x)
    (theirs,) = torch.autograd.grad(cuda_ops.bias_act(x, b, act="lrelu").sum(), x)
    assert torch.equal(ours, theirs)


def test_a_bias_or_scale_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="one bias for each"):
        cuda_ops.bias_act(torch.zeros(2, 3), torch.zeros(4))
    with pytest.raises(ValueError, match=r"give \(N, C\)"):
        cuda_ops.bias_act(torch.zeros(2, 3, 4, 4), scale=torch.zeros(3))
