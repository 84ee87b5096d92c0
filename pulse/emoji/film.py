"""The film of a DCGAN that learns: pictures of the same latents, or of fresh ones, from its first step on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from stylegan.common.grid import grid
from stylegan.training.dcgan import fixed_reel, fresh_reel
from stylegan.training.dcgan_run import REELS, read_options
from stylegan.training.reel import Reel

KINDS = ("fixed", "fresh")


def reel_of(run: Path, kind: str) -> Reel:
    """What a run has kept for a film.

    Raises:
        ValueError: there is no such kind, no run, or it kept nothing.
    """
    if kind not in KINDS:
        raise ValueError(f"The film is {kind!r}; choose one of {', '.join(KINDS)}.")
    options = read_options(run)
    folder = run / REELS
    reel = fixed_reel(folder, options.resolution) if kind == "fixed" else fresh_reel(folder, options)
    if len(reel) == 0:
        raise ValueError(f"{run} has kept no pictures for a film; train it without --no-film.")
    return reel


def frames(reel: Reel, kind: str, scale: int = 1) -> Iterator[Tensor]:
    """Frames (3, H, W) of uint8: a sheet of the fixed latents, or each fresh picture by itself.

    Args:
        reel: of `reel_of`.
        kind: "fixed" or "fresh".
        scale: each pixel is shown so many times in both directions.
    """
    for row in reel.rows():
        for frame in [grid(row)] if kind == "fixed" else row:
            yield torch.repeat_interleave(torch.repeat_interleave(frame, scale, 1), scale, 2)
