"""Drawn answers on portraits that were never seen and on our sprites, beside the network's search.

Each part prints one table. Of people: the mean squared error of the returned pixels made small, and how many are within
eps; the mean error of the 51 inner landmarks in pixels of 128, from the portrait's own and as dlib sees them; the share
whose Monk tone is within one, and of whom glasses, hat and beard are right; the share in which dlib finds a face; the
power above 1/8 of the Nyquist frequency beside that of the true portraits; and CPU seconds. Other parts: characters,
the network's search, sprites, sizes of targets, stages of a fit, fidelity, and seconds.

    python -m benchmarks.drawn --count 100 --only people stages --json drawn.json
"""

import argparse
import json
from pathlib import Path

import torch
from torch.nn.functional import interpolate

from benchmarks.drawn import parts
from benchmarks.drawn.measures import Row
from benchmarks.environment import describe
from stylegan.common.files import whole_file
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil

_PARTS = [*parts.OF_ONE, *parts.OF_EITHER]
# What stands in the names of columns that are not shares.
_UNITS = ("dB", "CPU s", "s each", "landmarks", "load", "rms", "fidelity")
# Of a sheet: rows, and pixels along the side of a panel.
_ROWS, _PANEL = 8, 256


def _cell(name: str, value: float | int | str) -> str:
    if not isinstance(value, float):
        return str(value)
    if "L2" in name:
        return f"{value:.2e}"
    return f"{value:.2f}" if any(unit in name for unit in _UNITS) else f"{value:.0%}"


def print_table(name: str, rows: list[Row]) -> None:
    """One table, its columns as wide as they need to be."""
    print(f"\n{name}")
    cells = [list(rows[0])] + [[_cell(key, value) for key, value in row.items()] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip(), flush=True)


def sheet(kind: str, count: int) -> torch.Tensor:
    """Rows of four panels: the target, the drawn answer, the answer made small, the true portrait."""
    truth, (result, _) = parts.held_out(kind, count), parts.answered(kind, count)
    panels = []
    for images in (result.target, result.images, result.downsampled.clamp(0, 1), truth.images):
        small = images.shape[-1] < _PANEL
        mode = "nearest" if small else "bicubic"
        panels.append(interpolate(images[:_ROWS], (_PANEL, _PANEL), mode=mode, antialias=not small).clamp(0, 1))
    return grid(torch.stack(panels, 1).flatten(0, 1), columns=8, gap=4, background=1)


def main() -> None:
    """Print the tables and draw the sheets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=16, help="portraits of each kind")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS, help="parts to run")
    parser.add_argument("--kinds", nargs="+", choices=list(parts.KINDS), default=list(parts.KINDS), help="of portraits")
    parser.add_argument("--json", type=Path, help="also write the tables here")
    parser.add_argument("-o", "--out", type=Path, help="folder for a sheet of each kind")
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"the number of portraits is {arguments.count}; give one or more.")
    print(describe())
    tables: dict[str, list[Row]] = {}
    for name in arguments.only:
        if name in parts.OF_ONE:
            tables[name], about = parts.OF_ONE[name](arguments.count), parts.OF_ONE[name].__doc__
        else:
            tables[name] = parts.OF_EITHER[name](arguments.count, arguments.kinds)
            about = parts.OF_EITHER[name].__doc__
        print_table(f"{name}: {(about or '').strip()}", tables[name])
        if arguments.json is not None:
            text = json.dumps({"environment": describe(), "count": arguments.count, "tables": tables}, indent=1)
            with whole_file(arguments.json) as part:
                part.write_text(text)
        if arguments.out is not None and name in parts.KINDS:
            arguments.out.mkdir(parents=True, exist_ok=True)
            to_pil(sheet(name, arguments.count)).save(arguments.out / f"{name}.png")


if __name__ == "__main__":
    main()
