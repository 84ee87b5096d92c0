"""The demonstration: a face for each of our sprites, on one contact sheet."""

import sys
from pathlib import Path

import torch

from pulse import pictures
from pulse.app import sprites
from pulse.depixelizer import load_generator, result_text
from pulse.engine import search
from pulse.pictures.sheet import rows_of, write_sheet
from stylegan.common.progress import progress


def run_demo(output: Path, generator: str = "default", *, steps: int = 100, starts: int = 1, seed: int = 0) -> int:
    """Searches all sprites and writes `<name>.png` for each, and contact_sheet.png, into the folder `output`.

    Prints where the sheet is, and returns the exit code: 0, or 130 if Ctrl-C ended the search early; then the best
    found so far is written. Raises ValueError for a generator or option that cannot be used.
    """
    names = sprites.names()
    pictures.check_folder(output)
    for name in [*names, "contact_sheet"]:
        pictures.check_replaceable(output / f"{name}.png", overwrite=True)
    G = load_generator(generator)
    targets = torch.cat([sprites.load(name) for name in names])
    with progress(f"Finding faces for {len(names)} sprites", steps + 1) as advance:
        result = search(
            G, targets, steps=steps, starts=starts, seed=seed, callback=lambda step, state: advance(1 / state.batches)
        )
    for i, name in enumerate(names):
        text = result_text(result, i, generator, source=f"sprite {name}")
        pictures.write_picture(output / f"{name}.png", result.images[i], text)
        reached = "reached" if bool(result.reached[i]) else "eps not reached, best kept"
        print(f"{output / name}.png  downsampling loss {float(result.l2[i]):.4g}, {reached}")
    sheet = output / "contact_sheet.png"
    write_sheet(sheet, rows_of(result, names))
    print(f"All of them side by side: {sheet}")
    if result.interrupted:
        print("Interrupted: the best found so far is written.", file=sys.stderr)
        return 130
    return 0
