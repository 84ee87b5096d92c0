"""The references against what other implementations produced, to the second derivative."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cuda_ops import reference

DATA = Path(__file__).parents[1] / "data"


def _error(ours: torch.Tensor, golden: np.ndarray) -> float:
    return float((ours.detach() - torch.from_numpy(golden)).abs().max() / max(np.abs(golden).max(), 1e-12))


BIAS_ACT = np.load(DATA / "bias_act.npz")
UPFIRDN2D = np.load(DATA / "upfirdn2d.npz")


@pytest.mark.parametrize("case", json.loads(str(BIAS_ACT["meta"])), ids=lambda case: f"{case['case']}-{case['act']}")
def test_bias_act_agrees_to_the_second_derivative(case: dict) -> None:
    data = {k: torch.from_numpy(BIAS_ACT[f"{case['case']:03d}_{k}"]) for k in ("x", "b", "gy", "ggx")}
    options = {k: v for k, v in case.items() if k != "case"}
    x, b, gy = (data[k].requires_grad_() for k in ("x", "b", "gy"))
    y = reference.bias_act(x, b, **options)
    gx, gb = torch.autograd.grad(y, (x, b), gy, create_graph=True)
    ours = {"y": y, "gx": gx, "gb": gb}
    ours["ggy"], g2x = torch.autograd.grad((gx * data["ggx"]).sum(), (gy, x), allow_unused=True)
    ours["g2x"] = torch.zeros_like(x) if g2x is None else g2x
    for name, value in ours.items():
        assert _error(value, BIAS_ACT[f"{case['case']:03d}_{name}"]) < 1e-5, name


@pytest.mark.parametrize("case", json.loads(str(UPFIRDN2D["meta"])), ids=lambda case: str(case["case"]))
def test_upfirdn2d_agrees(case: dict) -> None:
    options = {k: v for k, v in case.items() if k not in ("case", "filter")}
    key = f"{case['case']:03d}"
    x = torch.from_numpy(UPFIRDN2D[f"{key}_x"]).requires_grad_()
    f = torch.from_numpy(UPFIRDN2D[f"{key}_f"]) if case["filter"] else None
    y = reference.upfirdn2d(x, f, **options)
    (gx,) = torch.autograd.grad(y, x, torch.from_numpy(UPFIRDN2D[f"{key}_gy"]))
    assert _error(y, UPFIRDN2D[f"{key}_y"]) < 1e-5
    assert _error(gx, UPFIRDN2D[f"{key}_gx"]) < 1e-5


@pytest.mark.parametrize("name", ["filter2d", "upsample2d", "downsample2d"])
def test_upfirdn2d_conveniences_agree(name: str) -> None:
    y = getattr(reference, name)(torch.from_numpy(UPFIRDN2D["h_x"]), torch.from_numpy(UPFIRDN2D["h_f"]))
    assert _error(y, UPFIRDN2D[f"h_{name}"]) < 1e-5


def test_bias_act_adds_noise_before_the_activation() -> None:
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 3, 4, 4, generator=generator), torch.randn(2, 1, 4, 4, generator=generator)
    b = torch.randn(3, generator=generator)
    ours = reference.bias_act(x, b, act="lrelu", noise=noise, strength=torch.tensor(0.7))
    assert torch.equal(ours, reference.bias_act(x + 0.7 * noise, b, act="lrelu"))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="no activation 'mish'"):
        reference.bias_act(torch.zeros(1, 2), act="mish")
    with pytest.raises(ValueError, match="bias has shape"):
        reference.bias_act(torch.zeros(1, 2), torch.zeros(3))


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_modulated_conv2d_is_a_convolution_with_modulated_weights(up: int, kernel: int) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 4, 6, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(5, 4, kernel, kernel, generator=generator, dtype=torch.float64)
    styles = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    f = reference.setup_filter([1, 3, 3, 1]).double()
    ours = reference.modulated_conv2d(x, weight, styles, up=up, resample_filter=f)
    for i in range(3):
        w = weight * styles[i, None, :, None, None]
        w = w * (w.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        theirs = reference.modulated_conv2d(
            x[i : i + 1], w, torch.ones(1, 4, dtype=torch.float64), up=up, resample_filter=f, demodulate=False
        )
        assert torch.allclose(ours[i : i + 1], theirs, atol=1e-6)
    assert ours.shape == (3, 5, 6 * up, 6 * up)


def test_modulated_conv2d_up_is_zero_insertion_convolution_and_filter() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 2, 5, 5, generator=generator)
    weight = torch.randn(3, 2, 3, 3, generator=generator)
    f = reference.setup_filter([1, 3, 3, 1])
    ours = reference.modulated_conv2d(x, weight, torch.ones(1, 2), up=2, resample_filter=f, demodulate=False)
    blown = reference.upfirdn2d(x, f, up=2, padding=(3, 2, 3, 2), gain=4)
    theirs = torch.conv2d(blown, weight.flip([2, 3]))
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_adain_gives_each_channel_the_style_s_mean_and_deviation() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 16, 16, generator=generator)
    styles = torch.randn(2, 6, generator=generator)
    y = reference.adain(x, torch.zeros(3), torch.randn(1, 1, 16, 16, generator=generator), torch.ones(3), styles)
    assert torch.allclose(y.mean(dim=(2, 3)), styles[:, 3:], atol=1e-4)
    assert torch.allclose(y.std(dim=(2, 3), correction=0), (styles[:, :3] + 1).abs(), atol=1e-3)


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_adain_gradient(images: int, memory_format: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(4)
    shape = (images, 3, 6, 5)
    x, noise, gradient = (
        torch.randn(s, generator=generator, dtype=torch.float64) for s in (shape, (1, 1, 6, 5), shape)
    )
    styles, bias, weight = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((images, 6), (3,), (3,)))
    x = x.contiguous(memory_format=memory_format).requires_grad_()
    gradient = gradient.contiguous(memory_format=memory_format)
    (ours,) = torch.autograd.grad(reference.adain(x, bias, noise, weight, styles), x, gradient)
    step = 1e-6 * gradient
    up, down = (reference.adain(x.detach() + s, bias, noise, weight, styles) for s in (step, -step))
    assert torch.isclose((ours * gradient).sum(), ((up - down) * gradient).sum() / 2e-6, rtol=1e-6)
