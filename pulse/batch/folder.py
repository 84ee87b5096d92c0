"""search_folder(): a face for every picture of a folder, here or on many machines."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from pulse import pictures
from pulse.batch.here import search_pictures
from pulse.batch.order import Order, Report
from pulse.batch.plan import SECOND, TargetOptions, plan, sheet_request
from pulse.batch.ray import search_pictures as search_on_ray
from pulse.finishes import SHARED, choose_finish
from pulse.generators import load_generator
from pulse.options import STARTS, DrawnOptions, SearchOptions, given_options, merge_options
from stylegan.common import console
from stylegan.common.processes import with_threads
from stylegan.common.progress import progress

SHEET = "contact_sheet.png"

_Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def search_folder(
    inputs: _Paths,
    output: str | os.PathLike[str],
    *,
    generator: Any = "default",
    finish: str | None = None,
    ray: str | None = None,
    threads: int | None = None,
    sheet: bool = False,
    save_results: bool = False,
    overwrite: bool = False,
    quiet: bool = True,
    verbose: bool = False,
    options: SearchOptions | None = None,
    **overrides: Any,
) -> Report:
    """Finds a face for every picture of a folder and writes it as a PNG, as the command `pulse search` does.

        report = pulse.search_folder("sprites", "faces", seed=1)
        report = pulse.search_folder("sprites", "faces", seed=1, threads=1, ray="auto")     # each core a worker
        print("; ".join(report.failures))

    Each picture is answered on its own, so a result does not depend on its neighbours, nor on the machine that found
    it: with the same `seed` and `threads`, results are the same to the last bit with and without `ray`. (On machines of
    one kind: another processor, or another version of torch, rounds differently.)

    What an earlier run finished is kept, so the same call goes on where a run was killed. A picture that fails does not
    end the batch. Ctrl-C does: what is found by then is written, and the report says what is left.

    Args:
        inputs: a picture or a folder of pictures, or several of them.
        output: the folder for the results.
        generator: a generator, its name or its path, as for `pulse.depixelize`.
        finish: "drawn", "network", or "both": the network's picture is then written beside the drawn one. By default
            as for `pulse.depixelize`.
        ray: spread the pictures over a Ray cluster: the address of its head, as "10.0.0.5:6379", or "auto" to start
            one on this machine for as long as this call lasts. Needs the extra `ray`. None searches in this process.
        threads: of each search. By default as many as torch uses in this process, also on other machines.
        sheet: also write contact_sheet.png.
        save_results: also write each whole result (`pulse.Result.load`).
        overwrite: do again what is done, and replace results of other requests; other files are never replaced.
        quiet: print nothing.
        verbose: if not quiet, also print in words what each result is worth.
        options: how to search.
        overrides: fields of `SearchOptions` by name, in place of those in `options`; what a drawn answer is to be
            (`kind`, `resolution`, `fidelity`); and how a picture becomes small (`size`, `framing`, `background`,
            `grid`, as for `pulse.depixelize`).

    Returns:
        What was written, what was there already, and a sentence for each picture that failed.

    Raises:
        ValueError: in one sentence, for what is wrong for all pictures alike; nothing is written then.
    """
    target = TargetOptions(**_taken(TargetOptions, overrides))
    given_drawn = _taken(DrawnOptions, overrides)
    chosen, drawn = merge_options(options, overrides), DrawnOptions(**given_drawn)
    given = given_options(options, overrides)
    finishes, both = _finishes(finish, generator, given, given_drawn), finish == "both"
    if threads is not None and (type(threads) is not int or threads < 1):
        raise ValueError(f"The number of threads is {threads!r}; give a whole number of at least 1.")
    output = Path(output)
    pictures.check_folder(output)
    paths = [Path(inputs)] if isinstance(inputs, (str, os.PathLike)) else [Path(path) for path in inputs]
    planned = plan(paths, output, reserved=[Path(SHEET).stem] if sheet else [], suffixes=[SECOND] if both else [])
    pictures.parse_colour(target.background)
    name = _name(generator)
    asked = sheet_request(
        paths, f"{name} (both)" if both else name, chosen, target, drawn if "drawn" in finishes else None
    )
    if sheet:
        pictures.check_replaceable(output / SHEET, overwrite=overwrite, request=asked)
    if not quiet:
        for line in planned.passed_over:
            console.warn(line)
    report = Report()
    if planned.jobs:
        G = load_generator(generator) if "network" in finishes else None
        pictures.check_framing(1024 if G is None else G.img_resolution, target.size, target.framing)
        order = Order(
            name,
            chosen,
            target,
            finishes,
            drawn,
            chosen.starts if "starts" in given else STARTS,
            overwrite=overwrite,
            save_results=save_results,
            keep_rows=sheet,
            quiet=quiet,
            verbose=verbose,
        )
        # Both alike: what a search finds depends on its threads in the last bits.
        with progress("Searching", len(planned.jobs)) as advance, with_threads(threads):
            if ray is None:
                report = search_pictures(planned.jobs, order, G, advance)
            else:
                report = search_on_ray(planned.jobs, order, G, advance, ray)
    report.failures[:0] = planned.failures
    report.notes[:0] = planned.passed_over
    report.write_sheet(output / SHEET, asked)
    return report


def _taken(kind: type, overrides: dict[str, Any]) -> dict[str, Any]:
    """Takes the fields of a dataclass out of `overrides`."""
    return {field.name: overrides.pop(field.name) for field in fields(kind) if field.name in overrides}


def _name(generator: Any) -> str:
    """What results call a generator."""
    if isinstance(generator, (str, os.PathLike)):
        return os.fspath(generator)
    return str(getattr(generator, "source", None) or getattr(generator, "name", None) or type(generator).__name__)


def _finishes(finish: str | None, generator: Any, given: set[str], given_drawn: dict[str, Any]) -> tuple[str, ...]:
    """Who makes the answers, the first one first."""
    if finish == "both":
        return choose_finish("drawn", generator), "network"
    return (choose_finish(finish, generator, for_network=given - set(SHARED), for_drawn=given_drawn),)
