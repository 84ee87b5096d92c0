"""What a generator draws, and how often: glasses, curls, beards, hats, helmets and coloured skins in its samples.

A small network learns to see them in rendered portraits, whose coordinates tell what is there. How often it is wrong is
measured on other portraits, and the shares are corrected for it (Rogan and Gladen 1978, Estimating Prevalence from the
Results of a Screening Test, equation 1).

    python -m benchmarks.shares --generator default
"""

import argparse
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import stylegan
from benchmarks.environment import describe
from benchmarks.swd import PART, SEEDS, cached, drawn_samples
from stylegan import portraits
from stylegan.common.pixels import to_bytes
from stylegan.portraits.coordinates import decode
from stylegan.training.muon import Muon

# Pixels a side of what the network sees: enough for the rims of glasses.
SIDE = 64
_HELMETS = ("open helmet", "crested helmet", "visored helmet")
NAMES = ("glasses", "curls", "beard", "hat", "helmet", "coloured skin")


def what_is_there(u: Tensor) -> Tensor:
    """Which of `NAMES` the portraits u (N, K) show: (N, 6), 0 or 1.

    Curls and beards count where they are seen: on a head without helmet or hood.
    """
    p = decode(u)
    helmet = torch.cat([p[f"headgear: {name}"] for name in _HELMETS], 1).sum(1, keepdim=True)
    bare = 1 - helmet - p["headgear: hood"]
    curls = (p["curl"] > 0.5) & (p["length"] > 0.15) & (p["recede"] < 0.5) & (p["bald"] == 0) & (bare > 0)
    shown: dict[str, Tensor] = {
        "glasses": p["glasses_on"] > 0,
        "curls": curls,
        "beard": (p["beard_full"] > 0.5) & (p["eyewear: scarf"] == 0),
        "hat": p["hat_on"] + p["geared"] - helmet > 0,
        "helmet": helmet > 0,
        "coloured skin": p["skin_own"] > 0.5,
    }
    return torch.cat([shown[name] for name in NAMES], 1).float()


class Eye(nn.Module):
    """Convolutions on 64 to 4 px and a linear layer: logits (N, 6) of pictures (N, 3, 64, 64) in [0, 1]."""

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        widths = [3, channels, 2 * channels, 3 * channels, 4 * channels]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.last = nn.Linear(16 * widths[-1], len(NAMES))

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures * 2 - 1
        for layer in self.layers:
            x = F.gelu(layer(x))
        return self.last(x.flatten(1))


def taught_eye(pictures: Tensor, labels: Tensor, steps: int, rng: torch.Generator) -> Eye:
    """A network that sees `labels` (N, 6) in pictures (N, 3, 64, 64) of uint8; mirrored pictures teach it too."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        eye = Eye()
    optimizer = Muon(eye.parameters(), lr=0.0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, step / 50) * (1 - step / steps)
        rows = torch.randint(len(pictures), (64,), generator=rng)
        some = pictures[rows].float() / 255
        mirrored = torch.rand(len(some), 1, 1, 1, generator=rng) < 0.5
        some = torch.where(mirrored, some.flip(3), some)
        loss = F.binary_cross_entropy_with_logits(eye(some), labels[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return eye


@torch.no_grad()
def seen(eye: Eye, pictures: Tensor) -> Tensor:
    """What the network sees in pictures (N, 3, 64, 64) of uint8: (N, 6), 0 or 1."""
    return torch.cat([(eye(some.float() / 255) > 0).float() for some in pictures.split(256)])


def corrected(observed: Tensor, found: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Shares (6,) corrected for how often `found` (M, 6) was right about `true` (M, 6), and their standard errors.

    Args:
        observed: (N, 6), what was seen in the samples.
        found: what was seen in portraits.
        true: what they show.
    """
    there, absent = true.sum(0).clamp(min=1), (1 - true).sum(0).clamp(min=1)
    right, false = (found * true).sum(0) / there, (found * (1 - true)).sum(0) / absent
    share = observed.mean(0)
    power = (right - false).clamp(min=1e-3)
    variance = share * (1 - share) / len(observed)
    estimate = ((share - false) / power).clamp(0, 1)
    variance = variance + estimate**2 * right * (1 - right) / there + (1 - estimate) ** 2 * false * (1 - false) / absent
    return estimate, variance.sqrt() / power


def smaller(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, R, R) of uint8 at 64 px, by area."""
    if pictures.shape[-1] == SIDE:
        return pictures
    parts = [F.interpolate(some.float() / 255, size=(SIDE, SIDE), mode="area") for some in pictures.split(256)]
    return to_bytes(torch.cat(parts))


def some_portraits(count: int, seed: int, kind: str, cache: Path) -> tuple[Tensor, Tensor]:
    """Pictures (count, 3, 64, 64) of uint8 of portraits, kept in `cache`, and what they show (count, 6)."""

    def points(part: int) -> Tensor:
        return portraits.sample(PART, torch.Generator().manual_seed(seed * 100_000 + part), kind)

    drawn = cached(cache, f"shares {kind}", count, lambda part: to_bytes(portraits.render(points(part), SIDE)).numpy())
    u = torch.cat([points(part) for part in range(-(-count // PART))])[:count]
    return torch.from_numpy(drawn), what_is_there(u)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="default")
    parser.add_argument("--count", type=int, default=2048, help="samples; and portraits that errors are counted on")
    parser.add_argument("--teach", type=int, default=8192, help="portraits that the network learns from")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--truncation-psi", type=float, default=1.0)
    parser.add_argument("--cache", type=Path, default=Path("cache/shares"), help="folder for drawn pictures")
    arguments = parser.parse_args()
    print(describe())
    generator = stylegan.load(arguments.generator)
    kind = "people" if generator.z_dim == len(portraits.COORDINATES) else "characters"
    pictures, labels = some_portraits(arguments.teach, SEEDS["portraits"] + 10, kind, arguments.cache)
    eye = taught_eye(pictures, labels, arguments.steps, torch.Generator().manual_seed(0))
    others, true = some_portraits(arguments.count, SEEDS["portraits"] + 11, kind, arguments.cache)
    draw = drawn_samples(generator, SEEDS["samples"], arguments.truncation_psi, "cpu", "all")
    samples = torch.from_numpy(cached(arguments.cache, "samples", arguments.count, draw))
    found = seen(eye, others)
    shares, errors = corrected(seen(eye, smaller(samples)), found, true)
    print(f"{arguments.count} samples of {arguments.generator}, psi {arguments.truncation_psi:g}; {kind}, shares in %")
    print(f"{'':14s}portraits  samples          of the portraits'  seen right  seen wrongly")
    for i, name in enumerate(NAMES):
        share, there = float(true[:, i].mean()), true[:, i] > 0
        if not bool(there.any()):
            continue
        right, wrong = float(found[there, i].mean()), float(found[~there, i].mean())
        print(
            f"{name:14s}{100 * share:9.1f}  {100 * shares[i]:7.1f} +- {100 * errors[i]:4.1f}"
            f"  {float(shares[i]) / share:14.2f}  {100 * right:14.0f}  {100 * wrong:12.1f}"
        )


if __name__ == "__main__":
    main()
