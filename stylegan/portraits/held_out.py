"""Portraits that no training may see, so that a benchmark measures what a network learnt and not what it remembers."""

from __future__ import annotations

import torch

from stylegan.portraits.coordinates import sample

# Seeds of a `torch.Generator`. Whatever draws portraits for training calls `check_seed`.
SEEDS = range(20_180_000, 20_280_000)
# Where `held_out` begins; benchmarks of other modules have seeds of their own below it.
_FIRST = 20_240_000


def check_seed(seed: int) -> None:
    """Raises ValueError if portraits of this seed are kept from training.

    Args:
        seed: of the `torch.Generator` that portraits for training would come from.
    """
    if seed in SEEDS:
        raise ValueError(
            f"The seed {seed} is one of {SEEDS.start} to {SEEDS.stop - 1}, whose portraits no training may see because "
            "benchmarks are made of them; choose another seed."
        )


def held_out(count: int, kind: str = "people") -> torch.Tensor:
    """The first held-out portraits, points u (count, K) as of `stylegan.portraits.sample`.

    Each has a seed of its own, so portrait i is the same whatever the count.

    Raises:
        ValueError: if there are not so many, or the kind is unknown.
    """
    most = SEEDS.stop - _FIRST
    if not 1 <= count <= most:
        raise ValueError(f"The number of held-out portraits is {count}; give one from 1 to {most}.")
    return torch.cat([sample(1, torch.Generator().manual_seed(_FIRST + i), kind) for i in range(count)])
