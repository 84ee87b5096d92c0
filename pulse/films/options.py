"""The options of a morph: the one list that `pulse.morph` and the command `pulse morph` are derived from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

SPACES = ("z", "w", "w+")
# Those of `stylegan.portraits`, which takes a second to import.
KINDS = ("people", "characters")
_GRID = re.compile(r"([1-9]\d?)x([1-9]\d?)")
_MAX_SEED = 2**32 - 1


def _option(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True)
class MorphOptions:
    """What a morph walks through.

    Attributes:
        frames: how many frames there are.
        space: "z", arcs through the mapping network's inputs; "w", lines through styles; "w+", lines through styles
            of which each layer has its own. None is "z", and between results of searches the space that they were
            searched in.
        seeds: of the latents to walk through, joined by commas ("1,2,3"); a seed is that of `stylegan.sample`. On a
            grid each walk takes as many, in order. Empty for random ones.
        latents: how many random latents each walk goes through, where `seeds` is empty.
        seed: of the first random latent; the others have the seeds that follow.
        loop: the walk goes on from its last latent to its first.
        grid: walks side by side, "3x2" for three columns and two rows.
        truncation_psi: 1 for all variety, 0 for the average picture (Karras et al. 2019, appendix B).
        kind: of portraits, "people" or "characters".
        resolution: of portraits, 8 to 1024 px; None for 128, and between drawn answers for theirs.

    Raises:
        ValueError: in one sentence, for a value that makes no sense.
    """

    frames: int = _option(120, "Frames of the film.")
    space: str | None = _option(
        None,
        "Where the walk goes: z (arcs), w or w+ (lines; w+ has a latent for each layer).",
        choices=SPACES,
        default_help="z; of results, that of their search",
    )
    seeds: str = _option("", "Seeds of the latents, such as 1,2,3.", default_help="random latents")
    latents: int = _option(4, "Random latents that each walk goes through.")
    seed: int = _option(0, "Seed of the first random latent.")
    loop: bool = _option(False, "Go on from the last latent to the first, so that the film repeats without a jump.")
    grid: str = _option("1x1", "Walks side by side: columns x rows, such as 3x2.")
    truncation_psi: float = _option(1.0, "1 for all variety, 0 for the average picture.")
    kind: str = _option("people", "Which portraits.", choices=KINDS)
    resolution: int | None = _option(
        None, "Pixels a side of portraits.", default_help="128; of drawn answers, their own"
    )

    def __post_init__(self) -> None:
        for name, least in (("frames", 1), ("latents", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"The option {name} is {value!r}; give a whole number of at least {least}.")
        if self.space is not None and self.space not in SPACES:
            raise ValueError(f"The option space is {self.space!r}; choose one of {', '.join(SPACES)}.")
        if self.kind not in KINDS:
            raise ValueError(f"The option kind is {self.kind!r}; choose one of {', '.join(KINDS)}.")
        if not abs(self.truncation_psi) <= 10:
            raise ValueError(f"The option truncation_psi is {self.truncation_psi!r}; give a number such as 0.7.")
        if _GRID.fullmatch(self.grid) is None:
            raise ValueError(f"The option grid is {self.grid!r}; give columns x rows, such as 3x2.")
        for part in self.seeds.split(",") if self.seeds else ():
            if not part.strip().isdecimal() or int(part) > _MAX_SEED:
                raise ValueError(
                    f"The seeds {self.seeds!r} cannot be read; give whole numbers from 0 to {_MAX_SEED}, such as 1,2,3."
                )

    @property
    def columns(self) -> int:
        """Walks in a row of the grid."""
        return int(self.grid.split("x")[0])

    @property
    def walks(self) -> int:
        """How many walks the grid has."""
        return self.columns * int(self.grid.split("x")[1])

    def seeds_of_walks(self) -> list[list[int]]:
        """The seeds that each walk goes through.

        >>> MorphOptions(seeds="1,2,3,4", grid="2x1").seeds_of_walks()
        [[1, 2], [3, 4]]

        Raises:
            ValueError: the walks cannot share the seeds evenly.
        """
        if not self.seeds:
            return [
                list(range(first, first + self.latents))
                for first in range(self.seed, self.seed + self.walks * self.latents, self.latents)
            ]
        seeds = [int(part) for part in self.seeds.split(",")]
        each, rest = divmod(len(seeds), self.walks)
        if rest or each == 0:
            raise ValueError(
                f"{len(seeds)} seeds cannot be shared by the {self.walks} walks of the grid {self.grid}; give as many"
                " to each."
            )
        return [seeds[first : first + each] for first in range(0, len(seeds), each)]


def merge(options: MorphOptions | None, overrides: dict[str, Any]) -> MorphOptions:
    """`options` (the defaults if None) with the fields in `overrides` replaced.

    `seeds` may also be numbers, and `grid` two of them.
    """
    seeds, grid = overrides.get("seeds"), overrides.get("grid")
    if isinstance(seeds, Sequence) and not isinstance(seeds, str):
        overrides["seeds"] = ",".join(map(str, seeds))
    if isinstance(grid, Sequence) and not isinstance(grid, str):
        overrides["grid"] = "x".join(map(str, grid))
    return replace(options or MorphOptions(), **overrides)
