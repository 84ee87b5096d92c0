from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import stylegan
from pulse.latents import SPACES, latent_space
from stylegan.gaussian_fit import fit_gaussian

DATA = Path(__file__).parents[1] / "data"


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(s) for s in seeds]


@pytest.mark.parametrize("name", [*SPACES, "pulse"])
def test_every_space_leads_to_styles_differentiably(stand_in, name):
    G = stand_in()
    space = latent_space(G, name)
    v = space.initial(generators(1, 2)).requires_grad_()
    assert v.shape == (2, space.vectors, space.dim)
    ws = space.to_ws(v)
    assert ws.shape == (2, G.num_ws, G.w_dim)
    assert torch.autograd.grad(ws.square().sum(), v)[0].abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "vectors", "spherical"), [("gaussianized", 4, True), ("z", 1, True), ("w", 1, False), ("w+", 4, False)]
)
def test_what_is_shared_and_what_is_spherical(stand_in, name, vectors, spherical):
    space = latent_space(stand_in(), name)
    assert (space.vectors, space.spherical) == (vectors, spherical)
    tiled = latent_space(stand_in(), name, tile_latent=True)
    assert tiled.vectors == 1
    ws = tiled.to_ws(tiled.initial(generators(1)))
    assert torch.equal(ws, ws[:, :1].expand_as(ws))


def test_gaussianized_points_are_distributed_as_w(stand_in):
    G = stand_in()
    fit_gaussian(G, samples=20000)
    space = latent_space(G, tile_latent=True)
    ours = space.to_ws(space.initial(generators(*range(4000))))[:, 0]
    w = G.mapping(torch.randn(4000, 16, generator=generators(5)[0]))[:, 0]
    assert (ours.mean(0) - w.mean(0)).abs().max() < 0.1
    assert (ours.std(0) - w.std(0)).abs().max() < 0.1


def test_free_spaces_start_near_the_mean_of_w(stand_in):
    G = stand_in()
    mean = G.mapping(torch.randn(4000, 16))[:, 0].detach().mean(0)
    for name in ("w", "w+"):
        space = latent_space(G, name)
        ws = space.to_ws(space.initial(generators(*range(500))))
        assert (ws.mean((0, 1)) - mean).abs().max() < 0.1
        assert ws.std(0).max() < 0.2


def test_the_fit_is_the_mean_and_deviation_whatever_the_batch(stand_in):
    G = stand_in()
    fits = [fit_gaussian(G, 1000, batch, torch.Generator().manual_seed(3)) for batch in (1000, 999, 64)]
    z = torch.randn(1000, 16, generator=torch.Generator().manual_seed(3))
    undone = torch.nn.functional.leaky_relu(G.mapping(z)[:, 0], 5)
    torch.testing.assert_close(fits[0]["mean"], undone.mean(0))
    torch.testing.assert_close(fits[0]["std"], undone.std(0))
    for other in fits[1:]:
        torch.testing.assert_close(other["mean"], fits[0]["mean"], rtol=0, atol=0.2)
    assert G.gaussian_fit is fits[-1]


def test_the_fit_is_pulses(tmp_path):
    golden = np.load(DATA / "pulse_stylegan1.npz")
    shutil.copy(DATA / "pulse_synthesis_128.pt", tmp_path / "synthesis.pt")
    shutil.copy(DATA / "pulse_mapping.pt", tmp_path / "mapping.pt")
    fit = fit_gaussian(stylegan.load(tmp_path), 4096, 4096, torch.Generator().manual_seed(0))
    for name, ours in fit.items():
        theirs = golden[f"fit_z_seed0_{name}"]
        assert np.abs(ours.numpy() - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_a_generator_is_fitted_once(stand_in, monkeypatch):
    G = stand_in()
    G.gaussian_fit = None
    calls = []

    def fit(G, *args):
        calls.append(G)
        G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
        return G.gaussian_fit

    monkeypatch.setattr("stylegan.gaussian_fit.fit_gaussian", fit)
    latent_space(G)
    latent_space(G)
    assert calls == [G]


def test_the_fit_is_quiet_in_a_pipe(stand_in, capfd):
    fit_gaussian(stand_in(), 2000)
    assert capfd.readouterr() == ("", "")


def test_senseless_requests_are_refused(stand_in):
    with pytest.raises(ValueError, match="'s' is unknown; choose one of gaussianized"):
        latent_space(stand_in(), "s")
    with pytest.raises(ValueError, match="at least 2 samples"):
        fit_gaussian(stand_in(), 1)
