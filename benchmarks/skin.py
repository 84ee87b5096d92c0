"""How much lighter or darker than the truth a search leaves skin, place by place, and whose fault it is.

    python -m benchmarks.skin --count 150
    python -m benchmarks.skin --count 120 --method drawn

Held-out portraits of three groups of tones are made small and searched for. Then the same is done with the generator's
own pictures of the same people. Those it can draw exactly, so what the search gets wrong of them is the search's own;
what it gets wrong of the portraits alone is what the generator does not draw as the renderer does.

Only bare skin counts: places that hair, a hat or glasses cover in the truth are left out.

Of drawn answers only the portraits are asked: the renderer draws both.

The people are not those of `benchmarks.super_resolution`, which takes the first held-out ones.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from torch import Tensor

import pulse
import stylegan
from benchmarks.environment import describe
from benchmarks.skin_places import all_colours_at, bare
from benchmarks.super_resolution.groups import GROUPINGS, groups_of
from benchmarks.super_resolution.statistics import interval
from stylegan import portraits
from stylegan.common.console import guarded
from stylegan.common.pixels import to_bytes
from stylegan.portraits.held_out import held_out
from stylegan.portraits.skin_places import PLACES

TONES = GROUPINGS["tone"]
# In place of a method of the search.
_DRAWN = "drawn"
# Held-out people before this one are for other benchmarks.
_FIRST = 2000
_SIDE = 16
# Pictures that are searched for at a time.
_PART = 75


def people(count: int, first: int = _FIRST) -> tuple[Tensor, np.ndarray]:
    """Held-out people u (3 * count, K) from number `first` on, `count` of each group of tones, and their groups."""
    found: list[Tensor] = []
    looked = first
    while not found or min(len(part) for part in found) < count:
        looked += 10 * count
        u = held_out(looked)[first:]
        tones = groups_of(u)[:, list(GROUPINGS).index("tone")]
        found = [u[tones == group][:count] for group in range(len(TONES))]
    return torch.cat(found), np.repeat(np.arange(len(TONES)), count)


def lightness(images: Tensor, landmarks: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """L* (N, 4) of skin at `PLACES`, of images (N, 3, R, R) in [0, 1] with landmarks (N, 68, 2).

    Args:
        images: of which only the places are looked at.
        landmarks: of the truths.
        shown: (N, 4), see `skin_places.bare`; the others are NaN.
    """
    return np.where(shown, all_colours_at(images, landmarks)[:, :, 0], np.nan)


def answers(G: Any, truths: Tensor, method: str) -> Tensor:
    """What a search finds for truths (N, 3, R, R) in [0, 1] made small, or drawn answers: images of the same shape."""
    small = to_bytes(pulse.downsample(truths, size=_SIDE)).float() / 255
    options: dict[str, Any] = {"method": method, "finish": "network"}
    if method == _DRAWN:
        options = {"finish": "drawn", "kind": "people", "resolution": truths.shape[-1]}
    found = (pulse.search(G, some, seed=0, **options) for some in small.split(_PART))
    return torch.cat([result.images for result in found])


def over_places(shifts: np.ndarray) -> np.ndarray:
    """The mean (N,) of what (N, 4) is known of each person; NaN of those of whom nothing is."""
    known = ~np.isnan(shifts)
    return np.where(known, shifts, 0).sum(1) / np.where(known.any(1), known.sum(1), np.nan)


def table(shifts: np.ndarray, groups: np.ndarray) -> str:
    """Shifts (N, 4) of L* as a table: a row for each group and a column for each place, means with 95 % intervals.

    "all places" is the mean over the people of the means over those places that their truths show.
    """
    lines = ["| | all places | " + " | ".join(PLACES) + " |", "|---" * (2 + len(PLACES)) + "|"]
    for group, name in enumerate(TONES):
        mine = shifts[groups == group]
        columns = [over_places(mine), *mine.T]
        lines.append(f"| {name} | " + " | ".join(_told(column) for column in columns) + " |")
    return "\n".join(lines)


def _told(column: np.ndarray) -> str:
    mean, low, high = interval(column) or [float("nan")] * 3
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"


@torch.no_grad()
def drawn_by(G: Any, u: Tensor) -> Tensor:
    """The generator's own pictures (N, 3, R, R) in [0, 1], of eight bits, of people u (N, K)."""
    # Not infinite where a coordinate is at the end of its range.
    z = torch.special.ndtri(u.double().clamp(1e-6, 1 - 1e-6)).float()
    return torch.cat([to_bytes(((G(some).float() + 1) / 2).clamp(0, 1)) for some in z.split(32)]).float() / 255


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="people of each group of tones (150)")
    parser.add_argument("--generator", default="default", help="one that was taught to draw portraits (default)")
    parser.add_argument("--method", default="fast", help="of the search, or drawn for drawn answers (fast)")
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error("give at least one person a group.")
    G = stylegan.load(arguments.generator)
    u, groups = people(arguments.count)
    if int(G.z_dim) != u.shape[1]:
        parser.error(f"{G.name} was not taught to draw portraits of people; name a generator that was.")
    side = int(G.img_resolution)
    landmarks = np.stack([fact.landmarks.numpy() for fact in portraits.truth(u, side)])
    rendered = torch.cat([to_bytes(portraits.render(some, side)) for some in u.split(32)]).float() / 255
    shown = bare(u, landmarks, side)
    own = drawn_by(G, u)
    print(describe())
    print(f"L* of the skin, answer minus truth, of {arguments.count} people a group; method {arguments.method}")
    asked = {"portraits": rendered, "the generator's own pictures of the same people": own}
    if arguments.method == _DRAWN:
        asked.popitem()
    for name, truths in asked.items():
        found = answers(G, truths, arguments.method)
        shifts = lightness(found, landmarks, shown) - lightness(truths, landmarks, shown)
        print(f"\nThe truths are {name}:\n\n{table(shifts, groups)}", flush=True)
    if arguments.method != _DRAWN:
        print("\nThe generator's own pictures, minus portraits, without a search:\n")
        print(table(lightness(own, landmarks, shown) - lightness(rendered, landmarks, shown), groups))
    return 0


if __name__ == "__main__":
    raise SystemExit(guarded(main, whole_process=True))
