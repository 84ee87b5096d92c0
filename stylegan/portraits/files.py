"""Portraits as files: a PNG each, and one table with the truth about them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stylegan.common.distribution import software
from stylegan.common.files import write_text
from stylegan.common.ownership import check_replaceable
from stylegan.common.png import write_png
from stylegan.common.processes import cores, in_processes
from stylegan.common.progress import progress
from stylegan.portraits.characters import EXTRAS
from stylegan.portraits.coordinates import COORDINATES, sample
from stylegan.portraits.render import render
from stylegan.portraits.truth import Truth, truth

_BATCH = 16
# Fewer portraits than this are drawn before another process has started.
_WORTH_A_PROCESS = 64


def draw(
    count: int, seed: int, resolution: int, folder: Path, kind: str = "people", *, overwrite: bool = False
) -> None:
    """Draw `count` portraits into `folder`: a PNG each, and last of all portraits.json with the truth about them.

    Large counts are drawn by one process per core. The folder is made if it is not there. Each file says in its text
    that this program made it, and what was asked for. Portraits that are there already are drawn anew if they are the
    same ones; others are replaced only if `overwrite` is set, and files of somebody else never.

    Raises:
        ValueError: if the folder cannot be made, or a file is in the way; then nothing is drawn.
        OSError: if a file in it cannot be written.
    """
    points = sample(count, torch.Generator().manual_seed(seed), kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The folder {folder} cannot be made ({error.strerror}); give another one.") from None
    table_path = folder / "portraits.json"
    asked = _digest({"kind": kind, "seed": seed, "count": count, "resolution": resolution})
    check_replaceable(table_path, overwrite=overwrite, request=asked)
    for i, point in enumerate(points.numpy()):
        check_replaceable(folder / _name(i), overwrite=overwrite, request=_request(point, resolution))
    jobs = [(i, points[i : i + _BATCH].numpy(), resolution, folder) for i in range(0, count, _BATCH)]
    table = []
    with progress("portraits", count) as advance:
        for rows in in_processes(_draw_some, jobs, min(cores(), -(-count // _WORTH_A_PROCESS))):
            table += rows
            advance(len(rows))
    names = (COORDINATES + EXTRAS)[: points.shape[1]]
    # These two first: `stylegan.common.ownership` looks there.
    everything = {
        "software": software(),
        "request": asked,
        "kind": kind,
        "seed": seed,
        "resolution": resolution,
        "coordinates": names,
        "portraits": table,
    }
    write_text(table_path, json.dumps(everything))


def _draw_some(job: tuple[int, NDArray[np.float32], int, Path]) -> list[dict[str, Any]]:
    """Draw the portraits from number `first` on; returns their rows of the table."""
    first, points, resolution, folder = job
    u = torch.from_numpy(points)
    rows = []
    for i, (picture, facts) in enumerate(zip(render(u, resolution), truth(u, resolution), strict=True)):
        name = _name(first + i)
        text = {
            "Software": software(),
            "Description": "Synthetic portrait: a renderer drew it; it shows no real person.",
            "synthetic": "true",
            "request": _request(points[i], resolution),
        }
        write_png(folder / name, picture, text)
        rows.append({"file": name, **_plain(facts), "point": points[i].tolist()})
    return rows


def _name(number: int) -> str:
    return f"portrait_{number:06d}.png"


def _request(point: NDArray[np.float32], resolution: int) -> str:
    """A fingerprint of one portrait."""
    return _digest({"point": point.tolist(), "resolution": resolution})


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _plain(facts: Truth) -> dict[str, Any]:
    rounded = [[round(x, 3), round(y, 3)] for x, y in facts.landmarks.tolist()]
    return {**vars(facts), "landmarks": rounded}
