from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pulse import losses

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "losses.npz")


def near(ours: torch.Tensor, name: str) -> bool:
    golden = torch.from_numpy(GOLDEN[name])
    return bool((ours - golden).abs().max() <= 1e-5 * golden.abs().max())


@pytest.mark.parametrize("eps", ["0.002", "0.1", "0"])
@pytest.mark.parametrize("name", ["l2", "l1"])
def test_summed_over_the_batch_the_terms_are_pulses(name, eps):
    generated, reference = (torch.from_numpy(GOLDEN[k]) for k in ("generated", "reference"))
    assert near(getattr(losses, name)(generated, reference, float(eps)).sum(), f"{name}_eps{eps}")


def test_geocross_and_its_gradient_are_pulses():
    latents = torch.from_numpy(GOLDEN["latents"]).requires_grad_()
    value = losses.geocross(latents).sum()
    value.backward()
    assert near(value.detach(), "geocross")
    assert near(latents.grad, "geocross_grad")


def test_geocross_is_zero_with_a_finite_gradient_where_styles_coincide():
    latents = torch.randn(2, 1, 16).expand(2, 5, 16).clone().requires_grad_()
    value = losses.geocross(latents)
    assert value.abs().max() < 1e-6
    assert torch.autograd.grad(value.sum(), latents)[0].isfinite().all()
    assert torch.equal(losses.geocross(latents[:, :1]), torch.zeros(2))


def test_each_image_has_the_loss_it_would_have_alone():
    loss = losses.parse_loss("100*L2 + 2*L1 + 0.05*GEOCROSS")
    generator = torch.Generator().manual_seed(0)
    x, y, v = (torch.rand(4, *s, generator=generator) for s in ((3, 8, 8), (3, 8, 8), (6, 16)))
    together = loss(x, y, v, 2e-3)
    alone = torch.cat([loss(x[i : i + 1], y[i : i + 1], v[i : i + 1], 2e-3) for i in range(4)])
    torch.testing.assert_close(together, alone)
    expected = 100 * losses.l2(x, y) + 2 * losses.l1(x, y) + 0.05 * losses.geocross(v)
    torch.testing.assert_close(together, expected)


def test_below_the_floor_there_is_no_gradient():
    target = torch.full((2, 3, 4, 4), 0.5)
    image = (target + torch.tensor([0.01, 0.3]).view(2, 1, 1, 1)).requires_grad_()
    value = losses.l2(image, target, 2e-3)
    gradient = torch.autograd.grad(value.sum(), image)[0]
    assert value[0] == 2e-3
    assert value[1] > 0.08
    assert not gradient[0].any()
    assert gradient[1].all()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("100*L2+0.05*GEOCROSS", ((100.0, "L2"), (0.05, "GEOCROSS"))),
        (" l1 + 1e+2 * geocross ", ((1.0, "L1"), (100.0, "GEOCROSS"))),
        ("1e-3*L2+L2", ((1e-3, "L2"), (1.0, "L2"))),
    ],
)
def test_loss_strings(text, terms):
    assert losses.parse_loss(text).terms == terms


@pytest.mark.parametrize(
    "text", ["", "100*L3", "L2+", "-1*L2", "1..2*L2", "L2-L1", "100L2", "1e999*L2", "nan*L2", "2*3*L2"]
)
def test_a_bad_loss_string_is_refused_in_one_sentence(text):
    with pytest.raises(ValueError, match="write terms such as") as error:
        losses.parse_loss(text)
    assert "\n" not in str(error.value)
