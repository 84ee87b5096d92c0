"""Drawn answers beside the network's search: on portraits never seen, and on our sprites.

For each: the mean squared error of the returned pixels made small, how many are within eps, how many of them dlib takes
for faces, and CPU seconds; for drawn answers also the error after each stage, and on portraits of people how often
glasses, hat and beard are right.

    python -m benchmarks.drawn --count 32 -o drawn.png
"""

import argparse
import time
from pathlib import Path

import torch
from torch.nn.functional import interpolate

import pulse
from benchmarks.environment import describe
from benchmarks.faces import find_faces
from benchmarks.heldout import HELD_OUT_SEED
from pulse.app import sprites
from pulse.fit_portrait import to_unit
from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil
from stylegan.portraits.coordinates import decode

FINISHES = ("network", "people", "any")
SHOWN = {"glasses": "glasses_on", "hat": "hat_on", "beard": "beard_full"}
# Of people on the sheet.
_PEOPLE, _PANEL = 6, 512


def answer(finish: str, targets: torch.Tensor, resolution: int) -> tuple[pulse.Result, float]:
    """The answers of one finish, found in one call, and the CPU seconds that each took."""
    begun = time.process_time()
    if finish == "network":
        result = pulse.search("default", targets, seed=0)
    else:
        result = pulse.draw(targets, kind=finish, resolution=resolution, seed=0)
    return result, (time.process_time() - begun) / len(targets)


def right(result: pulse.Result, truth: torch.Tensor) -> str:
    """How often a drawn answer has what portraits `truth` (N, K) have."""
    seen, true = decode(to_unit(result.latents[:, 0])), decode(truth)
    shares = {name: ((seen[key] > 0.5) == (true[key] > 0.5)).float().mean() for name, key in SHOWN.items()}
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())


def print_row(name: str, result: pulse.Result, seconds: float) -> None:
    """One line of the table."""
    faces = torch.tensor([float(len(found) > 0) for found in find_faces(result.images)])
    quantiles = result.l2.quantile(torch.tensor([0.5, 0.95])).tolist()
    cells = [f"{q:.2e}" for q in quantiles] + [f"{result.reached.float().mean():.0%}", f"{faces.mean():.0%}"]
    print(f"{name:24s}" + "".join(f"{cell:>12s}" for cell in cells) + f"{seconds:12.1f}", flush=True)
    if result.settings.get("finish") == "drawn":
        stages = result.history["l2"].median(0).values.tolist()
        print("  median after each stage: " + ", ".join(f"{x:.2e}" for x in stages), flush=True)


def sheet(results: list[pulse.Result], most: int) -> torch.Tensor:
    """Three panels for each of the first answers: input, answer, answer made small; results side by side."""
    parts = []
    for result in (one[:most] for one in results):
        for images in (result.target, result.images, result.downsampled.clamp(0, 1)):
            mode = "nearest" if images.shape[-1] < 128 else "bicubic"
            parts.append(interpolate(images, size=(_PANEL, _PANEL), mode=mode).clamp(0, 1))
    return torch.stack(parts, 1).flatten(0, 1)


def main() -> None:
    """Print the tables and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--finishes", nargs="+", choices=FINISHES, default=list(FINISHES))
    parser.add_argument("--sets", nargs="+", choices=("sprites", "portraits"), default=["sprites", "portraits"])
    parser.add_argument("-o", "--out", type=Path, default=Path("drawn.png"))
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"the number of portraits is {arguments.count}; give one or more.")
    print(describe())
    print(f"{'':24s}" + "".join(f"{c:>12s}" for c in ("median L2", "95 %", "within eps", "faces", "CPU s each")))
    panels = []
    for name in arguments.sets:
        truth = portraits.sample(arguments.count, torch.Generator().manual_seed(HELD_OUT_SEED))
        if name == "portraits":
            large = torch.cat([portraits.render(u, _PANEL) for u in truth.split(4)])
            targets = pulse.downsample(large, size=arguments.size).clamp(0, 1)
        else:
            targets = torch.cat([sprites.load(one) for one in sprites.names()])
        results = []
        for finish in arguments.finishes:
            result, seconds = answer(finish, targets, _PANEL)
            print_row(f"{len(targets)} {name}, {finish}", result, seconds)
            if name == "portraits" and finish != "network":
                print(f"  right: {right(result, truth)}", flush=True)
            results.append(result)
        panels.append(sheet(results, len(targets) if name == "sprites" else _PEOPLE))
        both = grid(torch.cat(panels), columns=3 * len(arguments.finishes), gap=4, background=1)
        to_pil(both).save(arguments.out)
    print(f"{arguments.out}: for each of {', '.join(arguments.finishes)}: the input, the answer, the answer made small")


if __name__ == "__main__":
    main()
