"""One picture a seed, the same as in NVIDIA's repositories."""

import numpy as np
import pytest
import torch

import stylegan
from stylegan.networks import stylegan1, stylegan2

SMALL = {"channel_base": 128, "channel_max": 8}


def _generator(c_dim: int = 0) -> stylegan2.Generator:
    torch.manual_seed(1)
    return stylegan2.Generator(8, c_dim, 8, 16, synthesis_kwargs=SMALL).eval()


def test_a_seed_is_nvidias_latent_and_its_picture_does_not_depend_on_its_neighbours() -> None:
    G = _generator()
    images = stylegan.sample(G, seeds=[3, 85, 4], truncation_psi=0.7, batch_size=2)
    assert images.shape == (3, 3, 16, 16)
    z = torch.from_numpy(np.random.RandomState(85).randn(1, 8)).float()
    expected = ((G(z, truncation_psi=0.7) + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(images[1:2], expected)
    torch.testing.assert_close(stylegan.sample(G, seeds=[85], truncation_psi=0.7), expected)
    assert stylegan.sample(G, seeds=[]).shape == (0, 3, 16, 16)


def test_a_conditional_generator_draws_the_class_of_its_label() -> None:
    G = _generator(c_dim=2)
    one, other = torch.eye(2)[:1], torch.eye(2)[1:]
    assert not torch.equal(stylegan.sample(G, [0], labels=one), stylegan.sample(G, [0], labels=other))
    with pytest.raises(ValueError, match=r"conditional: give labels of shape \(1, 2\), not none"):
        stylegan.sample(G, [0])


@pytest.mark.parametrize(
    ("seeds", "psi", "words"), [([-1], 1, "seed -1"), ([2**32], 1, "seed 4294967296"), ([0], float("nan"), "nan")]
)
def test_what_cannot_be_drawn_is_said(seeds: list[int], psi: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        stylegan.sample(_generator(), seeds, psi)


@pytest.mark.parametrize("make", [_generator, lambda: stylegan1.Generator(8, 8, 16, synthesis_kwargs=SMALL)])
def test_both_stylegans_honour_the_protocol(make) -> None:  # type: ignore[no-untyped-def]
    G = make()
    assert isinstance(G, stylegan.Generator)
    assert not isinstance(torch.nn.Linear(2, 2), stylegan.Generator)
    assert G.init_kwargs["img_resolution"] == 16
    assert type(G)(**G.init_kwargs).num_ws == G.num_ws


def test_nvidias_call_forms_work_and_update_the_average_only_when_asked() -> None:
    G = _generator().train()
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    expected, before = G.mapping(z), G.mapping.w_avg.clone()
    assert torch.equal(G.mapping(z, skip_w_avg_update=True), expected)
    assert torch.equal(G.mapping(z, None, truncation_psi=1, truncation_cutoff=None, update_emas=False), expected)
    G(z, None, noise_mode="const", force_fp32=True)
    assert torch.equal(G.mapping.w_avg, before)
    G.mapping(z, skip_w_avg_update=False)
    once = G.mapping.w_avg.clone()
    assert not torch.equal(once, before)
    G.mapping(z, update_emas=True)
    assert not torch.equal(G.mapping.w_avg, once)
