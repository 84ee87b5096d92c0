"""Portraits as files: a PNG each, and one table with the truth about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stylegan.common.files import whole_file, write_text
from stylegan.common.pixels import to_pil
from stylegan.common.processes import cores, in_processes
from stylegan.common.progress import progress
from stylegan.portraits.characters import EXTRAS
from stylegan.portraits.coordinates import COORDINATES, sample
from stylegan.portraits.render import render
from stylegan.portraits.truth import Truth, truth

_BATCH = 16
# Fewer portraits than this are drawn before another process has started.
_WORTH_A_PROCESS = 64


def draw(count: int, seed: int, resolution: int, folder: Path, kind: str = "people") -> None:
    """Draw `count` portraits into `folder`: a PNG each, and last of all portraits.json with the truth about them.

    Large counts are drawn by one process per core. The folder is made if it is not there.

    Raises:
        ValueError: if the folder cannot be made.
        OSError: if a file in it cannot be written.
    """
    points = sample(count, torch.Generator().manual_seed(seed), kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The folder {folder} cannot be made ({error.strerror}); give another one.") from None
    jobs = [(i, points[i : i + _BATCH].numpy(), resolution, folder) for i in range(0, count, _BATCH)]
    table = []
    with progress("portraits", count) as advance:
        for rows in in_processes(_draw_some, jobs, min(cores(), -(-count // _WORTH_A_PROCESS))):
            table += rows
            advance(len(rows))
    names = (COORDINATES + EXTRAS)[: points.shape[1]]
    everything = {"kind": kind, "seed": seed, "resolution": resolution, "coordinates": names, "portraits": table}
    write_text(folder / "portraits.json", json.dumps(everything))


def _draw_some(job: tuple[int, NDArray[np.float32], int, Path]) -> list[dict[str, Any]]:
    """Draw the portraits from number `first` on; returns their rows of the table."""
    first, points, resolution, folder = job
    u = torch.from_numpy(points)
    rows = []
    for i, (picture, facts) in enumerate(zip(render(u, resolution), truth(u, resolution), strict=True)):
        name = f"portrait_{first + i:06d}.png"
        with whole_file(folder / name) as part:
            to_pil(picture).save(part, "png")
        rows.append({"file": name, **_plain(facts), "point": points[i].tolist()})
    return rows


def _plain(facts: Truth) -> dict[str, Any]:
    rounded = [[round(x, 3), round(y, 3)] for x, y in facts.landmarks.tolist()]
    return {**vars(facts), "landmarks": rounded}
