"""Sliced Wasserstein distance of a generator's samples to portraits, and its floor: portraits to other portraits.

A generator of characters is measured twice: its people against people, and the others against the others. Pictures
are drawn in parts and kept in a folder, so an interrupted run continues where it stopped.

    python -m benchmarks.swd --count 8192 --generator default
"""

import argparse
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import stylegan
from benchmarks.environment import describe
from stylegan import portraits
from stylegan.checkpoints.loading import Generator
from stylegan.common.files import whole_file
from stylegan.common.pixels import to_bytes
from stylegan.training.sliced_wasserstein import level_sizes, mean_distance, sliced_wasserstein

PART = 256
# The number of z that says whether it is a character.
_SWITCH = len(portraits.COORDINATES)
HALVES = ("people", "others")
# Of `stylegan.portraits.held_out.SEEDS`, which training refuses; benchmarks.heldout has another.
SEEDS = {"portraits": 20_180_430, "other portraits": 20_180_431, "samples": 20_180_432}


def drawn_portraits(seed: int, resolution: int, half: str = "people") -> Callable[[int], np.ndarray]:
    """A function that draws the i-th part of endless portraits of a half, (256, 3, resolution, resolution) uint8."""

    def draw(part: int) -> np.ndarray:
        rng = torch.Generator().manual_seed(seed * 100_000 + part)
        u = portraits.sample(PART, rng, "people" if half == "people" else "characters")
        if half == "others":
            u[:, _SWITCH] = 0.5 + 0.5 * u[:, _SWITCH]
        return to_bytes(torch.cat([portraits.render(some, resolution) for some in u.split(16)])).numpy()

    return draw


def drawn_samples(
    generator: Generator, seed: int, truncation_psi: float, device: str, half: str = "people"
) -> Callable[[int], np.ndarray]:
    """A function that draws the i-th part of a generator's endless samples, (256, 3, R, R) uint8.

    A generator of characters draws a half of them, "people" or "others", or with any other word both.
    """
    generator = generator.to(device)

    @torch.no_grad()
    def draw(part: int) -> np.ndarray:
        z = torch.randn(PART, generator.z_dim, generator=torch.Generator().manual_seed(seed * 100_000 + part))
        if generator.z_dim > _SWITCH and half in HALVES:
            z[:, _SWITCH] = z[:, _SWITCH].abs() * (1 if half == "others" else -1)
        images = [generator(some.to(device), truncation_psi=truncation_psi).cpu() for some in z.split(16)]
        return to_bytes((torch.cat(images) + 1) / 2).numpy()

    return draw


def cached(folder: Path, name: str, count: int, draw: Callable[[int], np.ndarray]) -> np.ndarray:
    """The first `count` pictures of `draw`. Parts that the folder holds are read, the others drawn and written.

    The first part is always drawn, and its digest is in the files' names, so pictures of an older renderer or of other
    weights are never used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = draw(0)
    digest = hashlib.sha256(first.tobytes()).hexdigest()[:12]
    parts = [first]
    for i in range(1, -(-count // PART)):
        path = folder / f"{name.replace(' ', '_')}_{digest}_{i:04d}.npy"
        if not path.exists():
            with whole_file(path) as unfinished, unfinished.open("wb") as file:
                np.save(file, draw(i))
            print(f"{name}: {min((i + 1) * PART, count)} of {count}", flush=True)
        parts.append(np.load(path, mmap_mode="r"))
    return np.concatenate(parts)[:count]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=8192)
    parser.add_argument("--generator", nargs="*", default=["default"], help="one or more")
    parser.add_argument("--truncation-psi", type=float, default=1.0)
    parser.add_argument("--device", default="cpu", help="for the samples and the distance")
    parser.add_argument("--cache", type=Path, default=Path("cache/swd"), help="folder for drawn pictures")
    arguments = parser.parse_args()
    print(describe())
    generators = {source: stylegan.load(source) for source in arguments.generator}
    resolutions = {generator.img_resolution for generator in generators.values()}
    if len(resolutions) != 1:
        parser.error("the generators have different resolutions; measure one resolution at a time.")
    for half in HALVES:
        able = {name: one for name, one in generators.items() if half == "people" or one.z_dim > _SWITCH}
        if able:
            print_table(half, able, arguments)


def print_table(half: str, generators: dict[str, Generator], arguments: argparse.Namespace) -> None:
    """Prints the distances between a half of the portraits and that of each generator's samples."""
    count, cache, device = arguments.count, arguments.cache, arguments.device
    resolution = next(iter(generators.values())).img_resolution

    def some_portraits(name: str) -> np.ndarray:
        return cached(cache, f"{name} {resolution}", count, drawn_portraits(SEEDS[name], resolution, half))

    reals = some_portraits("portraits")
    sizes = level_sizes(resolution, 16)
    print(
        f"{half}: {count} pictures, x1000; level:{''.join(f'{size:>8d}' for size in sizes)}    mean   times the floor"
    )
    floor = 0.0
    for name in ["floor", *generators]:
        begun = time.perf_counter()
        if name == "floor":
            others = some_portraits("other portraits")
        else:
            draw = drawn_samples(generators[name], SEEDS["samples"], arguments.truncation_psi, device, half)
            others = cached(cache, "samples", count, draw)
        distances = sliced_wasserstein(reals, others, device=device)
        mean = mean_distance(distances)
        floor = mean if name == "floor" else floor
        numbers = "".join(f"{distance:8.2f}" for distance in [*distances.values(), mean])
        seconds = time.perf_counter() - begun
        print(f"{name[-24:]:24s}{numbers} {mean / floor:8.2f}   ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
