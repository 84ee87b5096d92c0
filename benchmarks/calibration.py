"""Whether samples of the posterior spread as the truth does: simulation-based calibration.

    python -m benchmarks.calibration --size 16 4 -o calibration.json
    python -m benchmarks.calibration --truths portraits --temperature 1 4 16

For each truth: its small picture, noise of variance eps added, is asked about, and the truth's age, tone and sex are
ranked among those of the samples. If the samples are draws of the posterior, all ranks are equally frequent (S. Talts
et al., Validating Bayesian Inference Algorithms with Simulation-Based Calibration, 2018). If ranks at both ends are
more frequent, the samples are too sure; if those in the middle are, too unsure.

There are two kinds of truths. Those of the network are drawn by it, so that the model is right and the sampler alone is
tested. Held-out portraits are drawn by the renderer that taught it, so that the network's own error comes in; a higher
temperature allows for it. What a sample shows is known from its z, because the network was taught that
(`stylegan.training.pairs`).

Averaged over all truths, samples show each group as often as it is in the population, whatever the pictures say. The
table says how far from that they are (total variation), and how far chance alone would bring a fair method.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor

import pulse
import stylegan
from benchmarks.environment import describe
from benchmarks.super_resolution.fairness import divergences, floor
from benchmarks.super_resolution.groups import GROUPINGS, groups_of
from stylegan import portraits
from stylegan.common.console import guarded
from stylegan.common.files import write_text
from stylegan.portraits.coordinates import COORDINATES
from stylegan.portraits.held_out import held_out
from stylegan.training.pairs import coordinates_of

ATTRIBUTES = ("age", "tone", "sex")
# Bins of a test: of more, each would hold too few ranks.
_BINS = 4
_POPULATION = 20_000


@dataclass(frozen=True)
class Row:
    """What one run says.

    Args:
        truths: "network" or "portraits".
        size: of the small pictures, in pixels.
        temperature: of the samples.
        count, samples: truths, and samples of each.
        ranks: of each attribute, how often each rank from 0 to `samples` came.
        p: of each attribute and of "all", all 64 coordinates together, of a chi-squared test that ranks are uniform;
            that of "all" takes them for independent, which those of one truth are not quite.
        inside: of the same, how often the truth lies within the middle half of the samples; 0.5 is right.
        tv, floor: of tone and sex, the total variation of the samples' groups from the population's, and its mean for
            as many truths, each with all of its samples in one group, drawn from the population.
        error: mean squared error of the samples, made small, in multiples of eps.
        accepted: mean share of proposals taken.
        cpu: seconds for each truth.
    """

    truths: str
    size: int
    temperature: float
    count: int
    samples: int
    ranks: dict[str, list[int]]
    p: dict[str, float]
    inside: dict[str, float]
    tv: dict[str, float]
    floor: dict[str, float]
    error: float
    accepted: float
    cpu: float


def measure(truths: str, size: int, temperature: float, count: int, samples: int, steps: int, method: str) -> Row:
    """Asks about `count` truths and ranks them among their samples."""
    G = stylegan.load("default")
    rng = torch.Generator().manual_seed(7)
    if truths == "portraits":
        u = held_out(count)
        images = portraits.render(u, G.img_resolution)
    else:
        z = torch.randn(count, G.z_dim, generator=rng)
        u = coordinates_of(z)
        with torch.no_grad():
            images = torch.cat([(G(some, None) / 2 + 0.5).clamp(0, 1) for some in z.split(4)])
    eps = pulse.SearchOptions.eps
    target = pulse.downsample(images, size=size)
    target = (target + eps**0.5 * torch.randn(target.shape, generator=rng)).clamp(0, 1)
    begun = time.process_time()
    result = pulse.search(
        G, target, draw="posterior", samples=samples, temperature=temperature, method=method, steps=steps, seed=0
    )
    cpu = time.process_time() - begun
    found = coordinates_of(result.latents[:, 0])
    ranks = (found.unflatten(0, (count, samples)) < u[:, None]).sum(1)
    of = {name: ranks[:, COORDINATES.index(name)] for name in ATTRIBUTES} | {"all": ranks.flatten()}
    counts = {name: torch.bincount(some, minlength=samples + 1).tolist() for name, some in of.items()}
    quarter = (samples + 1) // 4
    inside = {
        name: float(((some >= quarter) & (some <= samples - quarter)).double().mean()) for name, some in of.items()
    }
    everyone = groups_of(portraits.sample(_POPULATION, torch.Generator().manual_seed(0)))
    groups = groups_of(found)
    tv, least = {}, {}
    for column, (name, labels) in enumerate(GROUPINGS.items()):
        if name in ("tone", "sex"):
            shares, population = (_shares(some[:, column], len(labels)) for some in (groups, everyone))
            weighed = shares / population
            tv[name] = divergences(weighed / weighed.sum())["tv"]
            least[name] = floor(population, count)
    return Row(
        truths,
        size,
        temperature,
        count,
        samples,
        counts,
        {name: _uniform(some) for name, some in counts.items()},
        inside,
        tv,
        least,
        float(result.l2.mean() / eps),
        float(result.history["accepted"][:, -1].mean()),
        cpu / count,
    )


def _shares(groups: Tensor, kinds: int) -> np.ndarray:
    return np.bincount(groups.numpy(), minlength=kinds) / len(groups)


def _uniform(counts: list[int]) -> float:
    """p of a chi-squared test that ranks are equally frequent, in a few bins of as many ranks each."""
    bins = np.array(counts).reshape(_BINS, -1).sum(1)
    return float(stats.chisquare(bins).pvalue)


def main() -> int:
    """Prints the table, and writes its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--truths", nargs="+", choices=("network", "portraits"), default=["network", "portraits"])
    add("--size", nargs="+", type=int, default=[16, 4], help="of the small pictures, in pixels")
    add("--temperature", nargs="+", type=float, default=[1.0])
    add("--count", type=int, default=32, help="truths")
    add("--samples", type=int, default=15, help="of each truth; one less than a multiple of 4")
    add("--steps", type=int, default=100)
    add("--method", default="fast", choices=("fast", "bounded"))
    add("-o", "--output", type=Path, help="a JSON file for all numbers")
    given = parser.parse_args()
    if given.samples % _BINS != _BINS - 1:
        parser.error(f"The option --samples is {given.samples}; give one less than a multiple of {_BINS}.")
    print(describe())
    print("| truths | px | T | p: age | tone | sex | all | in the middle half: age | tone | sex | all |", end="")
    print(" TV (floor): tone | sex | error / eps | accepted | CPU s |")
    print("|" + ":--|" + "--:|" * 15)
    rows = []
    for truths in given.truths:
        for size in given.size:
            for temperature in given.temperature:
                row = measure(truths, size, temperature, given.count, given.samples, given.steps, given.method)
                rows.append(asdict(row))
                cells = [truths, size, f"{temperature:g}", *(f"{p:.2g}" for p in row.p.values())]
                cells += [f"{share:.0%}" for share in row.inside.values()]
                cells += [f"{row.tv[name]:.3f} ({row.floor[name]:.3f})" for name in row.tv]
                cells += [f"{row.error:.2f}", f"{row.accepted:.2f}", f"{row.cpu:.1f}"]
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)
                if given.output is not None:
                    write_text(given.output, json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(guarded(main, whole_process=True))
