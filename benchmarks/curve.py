"""The progress of a training run: the distance of its snapshots to real pictures, over the pictures that it had seen.

    python -m benchmarks.curve run128 -o curve.png
    python -m benchmarks.curve 0=start.safetensors 12.8=a.safetensors 25.6=b.safetensors -o curve.png
    python -m benchmarks.curve run --reals run -o curve.png

The distance is the sliced Wasserstein distance to portraits, and its floor the distance between two sets of portraits.
With `--reals` the real pictures are those that a run has learnt, and both distances are to the same half of them.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import stylegan
from benchmarks.environment import describe
from benchmarks.swd import SEEDS, cached, drawn_portraits, drawn_samples
from stylegan.common.files import whole_file
from stylegan.training import state
from stylegan.training.dataset import kept
from stylegan.training.sliced_wasserstein import mean_distance, sliced_wasserstein


@dataclass(frozen=True)
class Reals:
    """What samples are compared with.

    Attributes:
        pictures: (N, 3, R, R) of uint8.
        others: as many other real pictures; their distance to `pictures` is the floor.
        name: of the pictures.
        seen: how many thousands of pictures are one unit of the curve's axis.
        unit: the name of that unit.
    """

    pictures: np.ndarray
    others: np.ndarray
    name: str
    seen: float
    unit: str


def portraits_of(resolution: int, count: int, cache: Path) -> Reals:
    """`count` portraits, and as many others."""
    pictures, others = (
        cached(cache, f"{name} {resolution}", count, drawn_portraits(SEEDS[name], resolution))
        for name in ("portraits", "other portraits")
    )
    return Reals(pictures, others, "portraits", 1.0, "thousands of portraits seen")


def learnt_by(run: Path, count: int) -> Reals:
    """Two halves of the pictures of a run, at most `count` each; ValueError if it holds none."""
    dataset = kept(run)
    if dataset is None:
        raise ValueError(f"{run} holds no pictures of a run; give the folder of a training.")
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    half = min(count, len(dataset) // 2)
    pictures, others = (dataset.reals(order[first : first + half]).numpy() for first in (0, half))
    return Reals(pictures, others, "real pictures", len(dataset) / 1000, "epochs")


def distances(snapshots: dict[float, str], reals: Reals, cache: Path) -> tuple[float, list[tuple[float, float]]]:
    """The floor, and (units seen, distance) of each snapshot; same errors as `stylegan.load`."""
    half = "people" if reals.name == "portraits" else "all"
    points = []
    for kimg, path in sorted(snapshots.items()):
        draw = drawn_samples(stylegan.load(path), SEEDS["samples"], 1.0, "cpu", half)
        samples = cached(cache, "samples", len(reals.pictures), draw)
        points.append((kimg / reals.seen, mean_distance(sliced_wasserstein(reals.pictures, samples))))
        print(f"{points[-1][0]:8.1f} {reals.unit} {points[-1][1]:8.2f}", flush=True)
    return mean_distance(sliced_wasserstein(reals.pictures, reals.others)), points


def draw(floor: float, points: list[tuple[float, float]], reals: Reals, out: Path) -> None:
    """Draws the curve as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*points, strict=True), marker="o", label=f"samples to {reals.name}")
    axes.axhline(floor, color="grey", linestyle="--", label=f"floor: {reals.name} to other {reals.name}")
    axes.set_xlabel(reals.unit)
    axes.set_ylabel(f"SWD x1000, {len(reals.pictures)} pictures")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    with whole_file(out) as part:
        figure.savefig(part, format="png", dpi=110)


def snapshots_of(texts: list[str]) -> dict[float, str]:
    """Generators by kimg, of "KIMG=GENERATOR" and of folders of runs with snapshots; ValueError for anything else."""
    found: dict[float, str] = {}
    for text in texts:
        kimg, _, path = text.partition("=")
        if Path(text).is_dir():
            found |= {kimg: str(path) for kimg, path in state.snapshots(Path(text)).items()}
            continue
        try:
            found[float(kimg)] = path
        except ValueError:
            raise ValueError(
                f"{text!r} is neither a run's folder nor KIMG=GENERATOR; give for example run, or 12.8=a.safetensors."
            ) from None
    return found


def main() -> None:
    """Prints the numbers and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("snapshots", nargs="+", metavar="RUN or KIMG=GENERATOR")
    parser.add_argument("--count", type=int, default=2048)
    parser.add_argument("--reals", type=Path, metavar="RUN", help="compare with the pictures that this run has learnt")
    parser.add_argument("--cache", type=Path, default=Path("cache/swd"), help="folder for drawn pictures")
    parser.add_argument("-o", "--out", type=Path, default=Path("curve.png"))
    arguments = parser.parse_args()
    try:
        snapshots = snapshots_of(arguments.snapshots)
        reals = None if arguments.reals is None else learnt_by(arguments.reals, arguments.count)
    except ValueError as error:
        parser.error(str(error))
    print(describe())
    if reals is None:
        resolution = stylegan.load(next(iter(snapshots.values()))).img_resolution
        reals = portraits_of(resolution, arguments.count, arguments.cache)
    floor, points = distances(snapshots, reals, arguments.cache)
    print(f"floor {floor:8.2f}")
    draw(floor, points, reals, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
