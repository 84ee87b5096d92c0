"""Shares of what a generator draws."""

import torch

from benchmarks.shares import NAMES, SIDE, corrected, seen, smaller, taught_eye, what_is_there
from benchmarks.swd import drawn_samples
from stylegan import portraits


def test_what_is_there_follows_the_coordinates() -> None:
    u = portraits.sample(4000, torch.Generator().manual_seed(0), "characters")
    there = what_is_there(u)
    assert there.shape == (4000, len(NAMES))
    shares = dict(zip(NAMES, there.mean(0).tolist(), strict=True))
    # Half of them are people, whose skin is never coloured; of the others half have a skin of their own.
    assert abs(shares["coloured skin"] - 0.25) < 0.03
    assert 0.05 < shares["helmet"] < 0.15
    people = dict(zip(NAMES, what_is_there(u[:, : len(portraits.COORDINATES)]).mean(0).tolist(), strict=True))
    assert people["helmet"] == people["coloured skin"] == 0
    assert abs(people["glasses"] - 0.22) < 0.03


def test_shares_are_corrected_for_errors() -> None:
    rng = torch.Generator().manual_seed(0)
    true = (torch.rand(20_000, 2, generator=rng) < 0.3).float()
    # Sees 80 % of what is there, and 10 % of the time what is not.
    chance = torch.rand(20_000, 2, generator=rng)
    found = torch.where(true > 0, chance < 0.8, chance < 0.1).float()
    samples = (torch.rand(20_000, 2, generator=rng) < torch.tensor([0.1, 0.45])).float()
    estimate, errors = corrected(samples, found, true)
    assert torch.allclose(estimate, torch.tensor([0.0, 0.5]), atol=0.02)
    assert float(errors.max()) < 0.01


def test_the_network_learns_to_see() -> None:
    rng = torch.Generator().manual_seed(0)
    pictures = torch.randint(90, 130, (128, 3, SIDE, SIDE), dtype=torch.uint8, generator=rng)
    labels = torch.zeros(128, len(NAMES))
    # The last one is a white bar over the eyes; the others are never there.
    labels[:, -1] = (torch.rand(128, generator=rng) < 0.5).float()
    pictures[labels[:, -1] > 0, :, 24:40] = 255
    eye = taught_eye(pictures[:96], labels[:96], 60, rng)
    assert (seen(eye, pictures[96:]) == labels[96:]).float().mean() > 0.98
    assert smaller(pictures.repeat_interleave(2, 2).repeat_interleave(2, 3)).equal(pictures)


def test_halves_are_drawn_apart() -> None:
    class Told(torch.nn.Module):
        z_dim = 128

        def forward(self, z: torch.Tensor, truncation_psi: float) -> torch.Tensor:
            return z[:, 64, None, None, None].sign().expand(-1, 3, 2, 2)

    parts = {half: drawn_samples(Told(), 1, 1.0, "cpu", half)(0) for half in ("people", "others", "all")}
    assert parts["people"].max() == 0
    assert parts["others"].min() == 255
    assert 100 < parts["all"].mean() < 155
