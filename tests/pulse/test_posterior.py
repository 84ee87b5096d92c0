"""Samples of a posterior: the chains against answers known exactly, and `pulse.search(..., draw="posterior")`."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from scipy import stats
from torch import Tensor

import pulse
from pulse import posterior
from pulse.langevin import Chains, langevin
from pulse.latents import latent_space
from pulse.walk import Course


def rngs(count: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(1000 * seed + i) for i in range(count)]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def end(values, target: Tensor, variance: float, chains: int, d: int, seed: int = 0, **how) -> Chains:
    some = rngs(chains, seed)
    start = torch.stack([torch.randn(d, generator=rng) for rng in some])
    *_, last = langevin(values, start, target, variance, some, **how)
    return last


def ranks(temperature: float) -> Tensor:
    """How often each rank of the truth among 11 samples came, for linear measurements of normal x."""
    matrix, variance, counts = draw(3, 5), 0.1, torch.zeros(12, dtype=torch.int64)
    for i in range(40):
        truth = draw(3, seed=100 + i)
        target = truth @ matrix + math.sqrt(variance) * draw(5, seed=500 + i)
        last = end(lambda x: x @ matrix, target, variance, 11, 3, seed=i, steps=30, burn_in=18, temperature=temperature)
        counts += torch.bincount((last.x < truth).sum(0), minlength=12)
    return counts


def test_the_truth_has_any_rank_among_the_samples_equally_often():
    # Simulation-based calibration, Talts et al. 2018, in three bins.
    assert stats.chisquare(ranks(1.0).view(3, 4).sum(1)).pvalue > 0.01


def test_samples_of_a_wrong_temperature_are_seen_to_be_wrong():
    assert stats.chisquare(ranks(0.05).view(3, 4).sum(1)).pvalue < 1e-6
    counts = ranks(6.0)
    assert stats.binomtest(int(counts[3:9].sum()), int(counts.sum()), 0.5).pvalue < 1e-3


def test_mean_and_covariance_are_those_of_a_posterior_that_is_long_in_one_direction():
    d, variance = 8, 1e-2
    turn = torch.linalg.qr(draw(d, d))[0]
    matrix = torch.logspace(1, -3, d)[:, None] * turn
    hessian = torch.eye(d) + matrix @ matrix.T / variance
    target = draw(d, seed=1) @ matrix
    mean = torch.linalg.solve(hessian, matrix @ target / variance)
    last = end(lambda x: x @ matrix, target, variance, 400, d, steps=80, burn_in=50)
    white = (last.x - mean) @ torch.linalg.cholesky(hessian)
    assert white.mean(0).abs().max() < 0.25
    assert (white.square().mean(0) - 1).abs().max() < 0.3
    assert 0.3 < float(last.accepted.mean()) < 0.9


def test_both_of_two_likely_places_are_found():
    last = end(lambda x: x.square(), torch.tensor([1.0]), 0.01, 64, 1, steps=100, burn_in=60)
    # The regression of x^2 on x says nothing, so the ensemble is no help, and a chain may lag behind.
    assert ((last.x.abs() - 1).abs() < 0.3).double().mean() > 0.95
    assert 0.25 < float((last.x > 0).double().mean()) < 0.75


def test_chains_leave_places_where_nothing_is_finite():
    def values(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, torch.nan)

    last = end(values, torch.tensor([0.5]), 0.01, 16, 1, steps=60, burn_in=40)
    assert bool(last.finite.all())
    assert (last.x - 0.5).abs().max() < 0.5


def test_a_search_returns_a_row_for_each_sample(stand_in):
    G = stand_in()
    target = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    result = pulse.search(G, target, draw="posterior", samples=3, steps=8, seed=4)
    assert len(result) == 6
    assert result.start.tolist() == [0, 1, 2, 0, 1, 2]
    assert result.seeds == (4, 4, 4, 5, 5, 5)
    torch.testing.assert_close(result.target, target.repeat_interleave(3, 0))
    ws = G.mapping(result.latents[:, 0])
    torch.testing.assert_close(result.ws, ws)
    images = (G.synthesis(ws, noise=result.noise) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(result.images, images, atol=1e-5, rtol=0)
    assert result.history["accepted"].shape == (6, 3)
    assert result.settings["draw"] == "posterior"
    alone = pulse.search(G, target[1:], draw="posterior", samples=3, steps=8, seed=5)
    torch.testing.assert_close(alone.latents, result.latents[3:])


def test_a_colder_posterior_fits_better(stand_in):
    G = stand_in()
    with torch.no_grad():
        image = (G.synthesis(G.mapping(draw(1, 16, seed=3))) / 2 + 0.5).clamp(0, 1)
    target = pulse.downsample(image, size=8).clamp(0, 1)

    def error(temperature: float) -> float:
        how = {"draw": "posterior", "samples": 8, "steps": 40, "seed": 0, "temperature": temperature}
        return float(pulse.search(G, target, **how).l2.mean())

    cold, hot = error(0.01), error(1e4)
    assert cold < 0.2 * hot


def test_samples_can_be_saved(stand_in, tmp_path):
    G = stand_in()
    target = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    result = pulse.search(G, target, draw="posterior", samples=2, steps=4, seed=4)
    result.save(tmp_path / "samples.safetensors")
    kept = pulse.Result.load(tmp_path / "samples.safetensors")
    torch.testing.assert_close(kept.history["accepted"], result.history["accepted"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"samples": 4}, "Only samples of the posterior have samples"),
        ({"draw": "posterior", "starts": 4}, "have no starts"),
        ({"draw": "posterior", "loss_str": "L1"}, "have no loss_str"),
        ({"draw": "posterior", "return_all": True}, "have no return_all"),
        ({"draw": "posterior", "space": "w+"}, "in the space z"),
        ({"draw": "posterior", "temperature": 0.0}, "temperature is 0.0"),
        ({"draw": "posterior", "finish": "drawn"}, "Only the network's search has draw"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(stand_in, given, words):
    G = stand_in()
    with pytest.raises(ValueError, match=words) as error:
        pulse.search(G, torch.zeros(1, 3, 4, 4), **given)
    assert "\n" not in str(error.value)


def test_a_generator_without_a_mapping_network_has_no_posterior(stand_in):
    G = stand_in()
    G.mapping.num_layers = 0
    with pytest.raises(ValueError, match="no mapping network"):
        pulse.search(G, torch.zeros(1, 3, 4, 4), draw="posterior")


def test_the_error_of_low_resolutions_is_added_to_the_variance(stand_in):
    G, chains, eps, away = stand_in(), 8, 1e-3, 0.1
    options = pulse.SearchOptions(draw="posterior", samples=chains, steps=1, eps=eps, temperature=2.0)
    operator = pulse.operators.Downsampler((32, 32), (4, 4))
    space = latent_space(G, "z")

    def low(ws: Tensor, noise: list[Tensor]) -> Tensor:
        return operator.A((G.synthesis(ws, noise=noise) / 2 + 0.5).clamp(0, 1)) + away

    target = torch.full((chains, 3, 4, 4), 0.5)
    noise = [torch.zeros(chains, 1, 4, 4), torch.zeros(chains, 1, 8, 8)]
    start = draw(chains, 1, 16)
    course = Course(G, target, start, noise, space, operator, [], options, at_once=3)
    first = next(posterior.walk(course, rngs(chains), SimpleNamespace(low=low)))
    predicted = first.downsampled + away - target
    expected = predicted.square().sum((1, 2, 3)) / (2 * (2 * eps + away**2)) + start.square().sum((1, 2)) / 2
    torch.testing.assert_close(first.loss, expected)
    # What is told of the pictures is true of them.
    torch.testing.assert_close(first.l2, (first.downsampled - target).square().mean((1, 2, 3)))


def test_samples_of_a_problem_with_small_valleys_are_not_too_sure():
    # Chains that began at single draws and were replaced by copies of those that fitted held 20 % of the truths.
    d, k, n, variance, inside = 20, 10, 60, 1e-2, []
    matrix, turn = draw(k, n) / math.sqrt(k), draw(d, k, seed=4) / math.sqrt(d)

    def values(x: Tensor) -> Tensor:
        return (x[:, :k] + 0.5 * torch.sin(3 * x @ turn)) @ matrix

    for i in range(6):
        truth = draw(1, d, seed=10 + i)
        target = values(truth)[0] + math.sqrt(variance) * draw(n, seed=50 + i)
        last = end(values, target, variance, 7, d, seed=i, steps=60, burn_in=36)
        assert last.error.median() < 3 * variance
        rank = (last.x < truth).sum(0)
        inside.append(((rank >= 2) & (rank <= 5)).double().mean())
    assert 0.37 < float(torch.stack(inside).mean()) < 0.63
