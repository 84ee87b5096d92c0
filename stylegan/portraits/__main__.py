"""`python -m stylegan.portraits --count N -o DIR`: draw portraits into a folder, with the truth about them."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from stylegan.portraits.coordinates import COORDINATES, check_resolution, sample
from stylegan.portraits.render import render
from stylegan.portraits.truth import Truth, truth
from stylegan.progress import progress

_BATCH = 16


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, or 2 after one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m stylegan.portraits", description=__doc__)
    parser.add_argument("--count", type=int, default=16, help="how many portraits (default: 16)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the PNGs and portraits.json")
    parser.add_argument("--seed", type=int, default=0, help="which portraits (default: 0)")
    parser.add_argument("--resolution", type=int, default=128, help="pixels along a side (default: 128)")
    options = parser.parse_args(arguments)
    try:
        check_resolution(options.resolution)
        if options.count < 1:
            raise ValueError(f"The number of portraits is {options.count}; give one or more.")
        if not 0 <= options.seed < 2**63:
            raise ValueError(f"The seed is {options.seed}; give a whole number from 0 to 2^63 - 1.")
        _draw(options.count, options.seed, options.resolution, options.output)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _draw(count: int, seed: int, resolution: int, folder: Path) -> None:
    from PIL import Image

    points = sample(count, torch.Generator().manual_seed(seed))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The folder {folder} cannot be made ({error.strerror}); give another one.") from None
    table = []
    with progress("portraits", count) as advance:
        for i in range(0, count, _BATCH):
            part = points[i : i + _BATCH]
            pictures = (render(part, resolution) * 255).round().byte().permute(0, 2, 3, 1).numpy()
            for k, (picture, facts) in enumerate(zip(pictures, truth(part, resolution), strict=True), start=i):
                buffer = io.BytesIO()
                Image.fromarray(picture).save(buffer, "png")
                name = f"portrait_{k:06d}.png"
                _write_whole(folder / name, buffer.getvalue())
                table.append({"file": name, **_plain(facts), "point": points[k].tolist()})
            advance(len(part))
    facts_of_all = {"seed": seed, "resolution": resolution, "coordinates": COORDINATES, "portraits": table}
    _write_whole(folder / "portraits.json", json.dumps(facts_of_all).encode())


def _plain(facts: Truth) -> dict[str, Any]:
    rounded = [[round(x, 3), round(y, 3)] for x, y in facts.landmarks.tolist()]
    return {**vars(facts), "landmarks": rounded}


def _write_whole(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ValueError(
            f"{path} cannot be written ({error.strerror}); free the place or give another folder."
        ) from None


if __name__ == "__main__":
    raise SystemExit(main())
