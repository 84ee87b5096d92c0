"""How the generator in the box came nearer to its portraits: the sliced Wasserstein distance of a run's snapshots,
beside its floor, over the pictures that the run had seen.

    python -m benchmarks.curve 0=start.safetensors 12.8=a.safetensors 25.6=b.safetensors -o docs/curve.png
"""

import argparse
from pathlib import Path

import stylegan
from benchmarks.environment import describe
from benchmarks.swd import SEEDS, cached, drawn_portraits, drawn_samples
from stylegan.training.sliced_wasserstein import mean_distance, sliced_wasserstein


def distances(snapshots: dict[float, str], count: int, cache: Path) -> tuple[float, list[tuple[float, float]]]:
    """The floor, and (kimg, distance) of each snapshot, from `count` pictures; raises as `stylegan.load` does."""
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
    """Write the curve as a PNG, whole or not at all."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*points, strict=True), marker="o", label="samples to portraits")
    axes.axhline(floor, color="grey", linestyle="--", label="floor: portraits to other portraits")
    axes.set_xlabel("thousands of portraits seen at 128 px")
    axes.set_ylabel(f"SWD x1000, {count} pictures")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    beside = out.with_name(out.name + ".part")
    figure.savefig(beside, format="png", dpi=110)
    beside.replace(out)


def main() -> None:
    """Print the numbers and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("snapshots", nargs="+", metavar="KIMG=GENERATOR")
    parser.add_argument("--count", type=int, default=2048)
    parser.add_argument("--cache", type=Path, default=Path("cache/swd"), help="folder for drawn pictures")
    parser.add_argument("-o", "--out", type=Path, default=Path("curve.png"))
    arguments = parser.parse_args()
    snapshots: dict[float, str] = {}
    for text in arguments.snapshots:
        kimg, _, path = text.partition("=")
        try:
            snapshots[float(kimg)] = path
        except ValueError:
            parser.error(f"{text!r} is no KIMG=GENERATOR; give for example 12.8=run/generator.safetensors.")
    print(describe())
    floor, points = distances(snapshots, arguments.count, arguments.cache)
    print(f"{'floor':>13s} {floor:8.2f}")
    draw(floor, points, arguments.count, arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
