"""The demonstration: a face for each of our sprites, on one contact sheet."""

from pathlib import Path

import torch

from pulse import pictures
from pulse.app import sprites
from pulse.batch.here import say_found
from pulse.batch.plan import request, sheet_request, weights_digest
from pulse.engine import search
from pulse.generators import load_generator
from pulse.options import SearchOptions
from pulse.pictures.sheet import rows_of, write_sheet
from stylegan.common import console, ending
from stylegan.common.progress import progress


def run_demo(
    output: Path,
    generator: str = "default",
    *,
    steps: int = 100,
    starts: int = 1,
    seed: int = 0,
    overwrite: bool = False,
    verbose: bool = False,
) -> int:
    """Searches all sprites and writes `<name>.png` for each, and contact_sheet.png, into the folder `output`.

    Results of the same request are replaced. A result of another seed or other options is kept and raises an error,
    unless `overwrite` is set. If a signal ends the search, the best found so far is written. Prints a line for each
    sprite, with `verbose` also what the result is worth, and the path of the sheet.

    Returns:
        The exit code: 0, or that of the signal.

    Raises:
        ValueError: the generator or an option cannot be used, or a file is in the way.
    """
    names = sprites.names()
    options = SearchOptions(steps=steps, starts=starts, seed=seed)
    pictures.check_folder(output)
    sheet = output / "contact_sheet.png"
    asked = sheet_request([], generator, options, None)
    pictures.check_replaceable(sheet, overwrite=overwrite, request=asked)
    G = load_generator(generator)
    weights = weights_digest(G)
    targets = [sprites.load(name) for name in names]
    requests = [
        request(f"sprite {name}", target.numpy().tobytes(), generator, weights, options, None)
        for name, target in zip(names, targets, strict=True)
    ]
    for name, wanted in zip(names, requests, strict=True):
        pictures.check_replaceable(output / f"{name}.png", overwrite=overwrite, request=wanted.asked)
    with progress(f"Finding faces for {len(names)} sprites", steps + 1) as advance, ending.steps() as check:

        def each_step(step: int, state: object) -> None:
            advance(1 / state.batches)  # type: ignore[attr-defined]
            check()

        result = search(G, torch.cat(targets), options, finish="network", callback=each_step)
        for i, (name, wanted) in enumerate(zip(names, requests, strict=True)):
            text = pictures.story(result, i, generator, source=f"sprite {name}", **wanted.text())
            pictures.write_picture(output / f"{name}.png", result.images[i], text)
            say_found(output / f"{name}.png", result, i, verbose)
        write_sheet(sheet, rows_of(result, names), asked)
    console.say(f"All of them side by side: {sheet}")
    if result.interrupted:
        console.warn("Interrupted: the best found so far is written.")
        return ending.exit_code() or 130
    return 0
