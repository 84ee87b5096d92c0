"""The progress of a training run: the distance of its snapshots to the portraits, over the pictures that it had seen.

    python -m benchmarks.curve run128 -o curve.png
    python -m benchmarks.curve 0=start.safetensors 12.8=a.safetensors 25.6=b.safetensors -o curve.png

The distance is the sliced Wasserstein distance to portraits. Its floor is the distance between two sets of portraits.
"""

import argparse
from pathlib import Path

import stylegan
from benchmarks.environment import describe
from benchmarks.swd import SEEDS, cached, drawn_portraits, drawn_samples
from stylegan.common.files import whole_file
from stylegan.training import state
from stylegan.training.sliced_wasserstein import mean_distance, sliced_wasserstein


def distances(snapshots: dict[float, str], count: int, cache: Path) -> tuple[float, list[tuple[float, float]]]:
    """The floor, and (kimg, distance) of each snapshot, from `count` pictures; same errors as `stylegan.load`."""
    generators = {kimg: stylegan.load(path) for kimg, path in sorted(snapshots.items())}
    resolution = next(iter(generators.values())).img_resolution
    reals, others = (
        cached(cache, f"{name} {resolution}", count, drawn_portraits(SEEDS[name], resolution))
        for name in ("portraits", "other portraits")
    )
    points = []
    for kimg, generator in generators.items():
        samples = cached(cache, "samples", count, drawn_samples(generator, SEEDS["samples"], 1.0, "cpu"))
        points.append((kimg, mean_distance(sliced_wasserstein(reals, samples))))
        print(f"{kimg:8.1f} kimg {points[-1][1]:8.2f}", flush=True)
    return mean_distance(sliced_wasserstein(reals, others)), points


def draw(floor: float, points: list[tuple[float, float]], count: int, out: Path) -> None:
    """Draws the curve as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*points, strict=True), marker="o", label="samples to portraits")
    axes.axhline(floor, color="grey", linestyle="--", label="floor: portraits to other portraits")
    axes.set_xlabel("thousands of portraits seen")
    axes.set_ylabel(f"SWD x1000, {count} pictures")
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
    parser.add_argument("--cache", type=Path, default=Path("cache/swd"), help="folder for drawn pictures")
    parser.add_argument("-o", "--out", type=Path, default=Path("curve.png"))
    arguments = parser.parse_args()
    try:
        snapshots = snapshots_of(arguments.snapshots)
    except ValueError as error:
        parser.error(str(error))
    print(describe())
    floor, points = distances(snapshots, arguments.count, arguments.cache)
    print(f"{'floor':>13s} {floor:8.2f}")
    draw(floor, points, arguments.count, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
