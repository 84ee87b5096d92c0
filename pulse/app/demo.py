"""The demonstration: answers to our sprites on one contact sheet, drawn and by the network, from several processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from pulse import pictures
from pulse.app import sprites
from pulse.batch.here import say_found
from pulse.batch.plan import SECOND, Request, answer, renderer_digest, request, sheet_request, weights_digest
from pulse.engine import search
from pulse.finishes import in_the_box
from pulse.generators import load_generator
from pulse.options import STARTS, DrawnOptions, SearchOptions
from pulse.pictures.sheet import Beside, SheetRow, row_of_picture, rows_of, write_sheet
from pulse.result import Result
from stylegan.common import console, ending
from stylegan.common.processes import cores, in_processes
from stylegan.common.progress import progress

# Of the answers that are no more than a panel of the sheet.
_PANEL = 256


@dataclass(frozen=True)
class _Part:
    """One answer to every sprite: what its files are called, and what makes it (`drawn` is None for a network)."""

    suffix: str
    label: str
    drawn: DrawnOptions | None = None


_DRAWN = (
    _Part("", "drawn", DrawnOptions()),
    _Part(SECOND, "network"),
    _Part(".people", "people only", DrawnOptions("people", _PANEL)),
)


@dataclass(frozen=True)
class _Item:
    """One answer to one sprite: sprite `number`, its `target`, the part, the file, and the file's request."""

    number: int
    name: str
    target: torch.Tensor
    part: _Part
    path: Path
    wanted: Request


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
    """Answers all sprites, and shows the answers in contact_sheet.png in the folder `output`.

    With the generator in the box, each sprite has a drawn answer `<name>.png`, the network's picture
    `<name>.network.png`, and `<name>.people.png`, the person who fits best; with another generator only its picture,
    `<name>.png`. `steps` and `starts` are those of the network's search.

    Answers to the same request are left as done, so that a run that was ended goes on. An answer of another seed or
    other options is kept and raises an error, unless `overwrite` is set, which does all again. Prints a line for each
    picture, with `verbose` also what it is worth, and the path of the sheet. If a signal ends the run, the sheet shows
    what is done.

    Returns:
        The exit code: 0, or that of the signal.

    Raises:
        ValueError: the generator or an option cannot be used, or a file is in the way.
    """
    options = SearchOptions(steps=steps, starts=starts, seed=seed)
    pictures.check_folder(output)
    sheet = output / "contact_sheet.png"
    asked = sheet_request([], generator, options, None)
    pictures.check_replaceable(sheet, overwrite=overwrite, request=asked)
    parts = _DRAWN if in_the_box(generator) else (_Part("", "network"),)
    items = list(_items(output, generator, parts, options))
    rows: dict[tuple[int, str], SheetRow] = {}
    for item in items if not overwrite else ():
        size = _network(generator).img_resolution if item.part.drawn is None else item.part.drawn.resolution
        if (found := answer(item.path, item.wanted, size)) is not None:
            rows[item.number, item.part.suffix] = row_of_picture(item.name, item.target, *found)
    left = [item for item in items if (item.number, item.part.suffix) not in rows]
    for item in left:
        pictures.check_replaceable(item.path, overwrite=overwrite, request=item.wanted.asked)
    if len(left) < len(items):
        console.say(f"{len(items) - len(left)} done by an earlier run and left as they are.")
    interrupted = False
    # A process takes seconds to start, which a few steps of another generator are not worth.
    processes = min(cores(), len(left)) if len(parts) > 1 and left else 1
    try:
        with progress(f"Finding faces for {len(sprites.names())} sprites", len(items), start=len(rows)) as advance:
            jobs = [
                (item.target, item.part.drawn, generator, replace(options, seed=seed + item.number)) for item in left
            ]
            for item, result in zip(left, in_processes(_answer, jobs, processes), strict=True):
                text = pictures.story(result, 0, generator, source=f"sprite {item.name}", **item.wanted.text())
                pictures.write_picture(item.path, result.images[0], text)
                say_found(item.path, result, 0, verbose)
                rows[item.number, item.part.suffix] = rows_of(result, [item.name])[0]
                advance(1)
    except SystemExit:
        if ending.exit_code() is None:
            raise
        interrupted = True
    shown = [_card(rows, number, parts) for number in range(len(sprites.names())) if (number, "") in rows]
    if shown:
        write_sheet(sheet, shown, asked)
        console.say(f"All of them side by side: {sheet}")
    if interrupted:
        console.warn(f"Interrupted: {len(rows)} of {len(items)} are done; the same command goes on.")
        return ending.exit_code() or 130
    return 0


def _items(output: Path, generator: str, parts: Sequence[_Part], options: SearchOptions) -> Iterator[_Item]:
    """All answers, the sprites in order and the parts of each together."""
    weights = {part.suffix: renderer_digest() if part.drawn else weights_digest(_network(generator)) for part in parts}
    for number, name in enumerate(sprites.names()):
        target = sprites.load(name)
        for part in parts:
            # What a drawn answer does not depend on does not make it another.
            how = options if part.drawn is None else SearchOptions(seed=options.seed, starts=STARTS)
            content = target.numpy().tobytes()
            wanted = request(f"sprite {name}", content, generator, weights[part.suffix], how, None, part.drawn)
            yield _Item(number, name, target, part, output / f"{name}{part.suffix}.png", wanted)


def _answer(job: tuple[torch.Tensor, DrawnOptions | None, str, SearchOptions]) -> Result:
    """One answer; runs in a process of its own."""
    target, drawn, generator, options = job
    if drawn is None:
        return search(_network(generator), target, options, finish="network")
    return search(generator, target, finish="drawn", seed=options.seed, **vars(drawn))


@cache
def _network(generator: str) -> Any:
    return load_generator(generator)


def _card(rows: dict[tuple[int, str], SheetRow], number: int, parts: Sequence[_Part]) -> SheetRow:
    """The card of one sprite: its first answer, and beside it the others that are done."""
    first = rows[number, ""]
    others = [(part.label, rows[number, part.suffix]) for part in parts[1:] if (number, part.suffix) in rows]
    return replace(first, beside=tuple(Beside(row.image, label, row.loss) for label, row in others))
