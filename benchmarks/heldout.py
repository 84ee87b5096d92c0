"""The search on portraits that the generator has never seen, reduced to 16 px.

Prints how often the downsampling loss reaches `eps` with default options, and draws portraits, targets and results.

    python -m benchmarks.heldout --count 100 -o heldout.png
"""

import argparse
import time
from pathlib import Path

import torch

import pulse
import stylegan
from benchmarks.environment import describe
from pulse.options import METHODS
from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.common.png import write_png

# One of `stylegan.portraits.held_out.SEEDS`, which training refuses.
HELD_OUT_SEED = 20_201_123


def held_out(count: int) -> torch.Tensor:
    """Portraits (count, 3, 128, 128) in [0, 1] that no generator was trained on."""
    u = portraits.sample(count, torch.Generator().manual_seed(HELD_OUT_SEED))
    return portraits.render(u, 128)


def main() -> None:
    """Prints the table and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--method", choices=METHODS, default=pulse.SearchOptions.method)
    parser.add_argument("--generator", default="default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=Path("heldout.png"))
    arguments = parser.parse_args()
    print(describe())
    generator = stylegan.load(arguments.generator)
    truth = held_out(arguments.count)
    targets = pulse.downsample(truth, size=arguments.size).clamp(0, 1)
    begun = time.perf_counter()
    result = pulse.search(generator, targets, method=arguments.method, steps=arguments.steps, seed=arguments.seed)
    seconds = time.perf_counter() - begun
    quantiles = torch.quantile(result.l2, torch.tensor([0.0, 0.5, 0.95, 1.0])).tolist()
    print(f"reached eps {result.settings['eps']}: {int(result.reached.sum())} of {len(targets)}")
    print("L2 (min, median, 95 %, max):", ", ".join(f"{q:.2e}" for q in quantiles))
    first = result.reached_at[result.reached].float()
    print(f"first step within eps (median): {first.median():.0f}; {seconds / len(targets):.2f} s a picture")
    rows = min(8, len(targets))
    big = torch.nn.functional.interpolate(targets, size=truth.shape[2:], mode="nearest")
    sheet = grid(torch.cat([part[:rows] for part in (truth, big, result.images)]), columns=rows)
    write_png(arguments.out, sheet)
    print(f"{arguments.out}: portraits, their {arguments.size} px targets, and what was found")


if __name__ == "__main__":
    main()
