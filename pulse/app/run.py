"""`python -m pulse.run`: the flags and files of PULSE's own script (Menon et al., CVPR 2020).

Every *.png of `-input_dir` is a target at its own size; its face is written to `-output_dir` under the same name. Where
PULSE writes nothing because no face came within `-eps`, this script writes the best face and says so.
"""

# Nothing heavy at the top: until `console.guarded` runs, Ctrl-C is Python's, and torch must come after it.

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from stylegan.common import console, ending

if TYPE_CHECKING:
    from torch import Tensor

    from pulse.batch.here import Report
    from pulse.batch.plan import Request
    from pulse.options import SearchOptions
    from pulse.result import Result
    from pulse.state import SearchState


@dataclass(frozen=True)
class _Item:
    """One face to find: the picture, its target (1, 3, h, w), the result's name, its request, and its number.

    Its seed is the run's seed plus the number, so the batch size does not change the result.
    """

    source: Path
    target: "Tensor"
    name: str
    request: "Request"
    number: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs with the given arguments (`sys.argv[1:]` by default) and returns the exit code.

    0: all done. 2: something could not be done, with a sentence on stderr for each thing. 130: ended by Ctrl-C, 143: by
    SIGTERM, with the best found so far written.
    """
    return console.guarded(lambda: _run(_parser().parse_args(arguments)), whole_process=arguments is None)


def _run(args: argparse.Namespace) -> int:
    from pulse import pictures
    from pulse.batch.here import Report
    from pulse.batch.plan import members_of, passed_over, weights_digest
    from pulse.options import SearchOptions
    from stylegan.common.options import from_arguments
    from stylegan.common.progress import progress

    options = replace(from_arguments(SearchOptions, args, _not_flags()), method="pulse")
    if args.duplicates < 1:
        raise ValueError(f"The option duplicates is {args.duplicates}; give a whole number of at least 1.")
    folder, output = Path(args.input_dir), Path(args.output_dir)
    if not os.path.isdir(folder):
        raise ValueError(f"There is no input folder {folder}; make it, or name another with -input_dir.")
    paths, others = members_of(folder, lambda path: path.suffix == ".png")
    if others:
        console.warn(passed_over(folder, others, "the *.png (as by PULSE; `pulse search` takes every kind)"))
    if not paths:
        raise ValueError(f"The input folder {folder} holds no .png file; put pictures there, or name another folder.")
    if os.path.realpath(output) == os.path.realpath(folder):
        raise ValueError(f"The results would replace the pictures in {folder}; name another -output_dir.")
    pictures.check_folder(output)

    G, generator = _generator(Path(args.cache_dir))
    report = Report()
    each = _items(paths, args, options, G, generator, weights_digest(G), report)
    with progress("Searching", len(paths) * args.duplicates * args.steps) as advance:
        for items in _batches(each, args.batch_size):
            if not _search(items, G, generator, options, args, output, report, advance):
                report.left = paths[paths.index(items[-1].source) + 1 :]
                break
    return report.tell()


def _search(
    items: Sequence[_Item],
    G: Any,
    generator: str,
    options: "SearchOptions",
    args: argparse.Namespace,
    output: Path,
    report: "Report",
    advance: Any,
) -> bool:
    """Searches one batch and writes what it found; returns whether to go on."""
    import torch

    from pulse.batch.here import sentence
    from pulse.engine import search
    from stylegan.common.files import is_full

    with ending.steps() as check:

        def each_step(step: int, state: "SearchState") -> None:
            if step < args.steps:
                if args.save_intermediate:
                    _write_intermediate(output, items, state, args.overwrite)
                advance(len(items) / state.batches)
            check()

        seed = None if options.seed is None else options.seed + items[0].number
        targets = torch.cat([item.target for item in items])
        try:
            result = search(G, targets, replace(options, seed=seed), finish="network", callback=each_step)
            for row, item in enumerate(items):
                _write(output / f"{item.name}.png", item, result, row, generator, args.verbose)
                report.written.append(output / f"{item.name}.png")
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            report.failures.append(sentence(error, items[0].source))
            return not (isinstance(error, OSError) and is_full(error))
    report.interrupted = result.interrupted or ending.exit_code() is not None
    return not report.interrupted


def _generator(cache: Path) -> tuple[Any, str]:
    import torch

    from pulse.generators import load_generator

    if (cache / "synthesis.pt").is_file() and (cache / "mapping.pt").is_file():
        found = load_generator(cache), str(cache)
    else:
        found = load_generator("default"), "default"
        console.say(f"There are no synthesis.pt and mapping.pt in {cache}: the generator in the box is used.")
    if not torch.cuda.is_available():
        console.say("CUDA is not available, and not needed: the search runs on the CPU.")
    return found


def _items(
    paths: Sequence[Path],
    args: argparse.Namespace,
    options: "SearchOptions",
    G: Any,
    generator: str,
    weights: str,
    report: "Report",
) -> Iterator[_Item]:
    """Yields the faces to search for; those already found and those that cannot be searched go into the report."""
    from pulse import pictures
    from pulse.batch.here import sentence
    from pulse.batch.plan import answer, file_digest, request, short_stem

    for index, path in enumerate(paths):
        notes: list[str] = []
        try:
            target = pictures.read_picture(path, notes=notes)
            h, w = target.shape[-2:]
            if max(h, w) > G.img_resolution:
                raise ValueError(
                    f"{path} is {w}x{h} pixels, larger than the generator's {G.img_resolution}; make it smaller first."
                )
            content = file_digest(path)
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            report.failures.append(sentence(error, path))
            continue
        for note in notes:
            console.warn(f"{path}: {note}")
        for duplicate in range(args.duplicates):
            stem, number = short_stem(path), index * args.duplicates + duplicate
            name = stem if args.duplicates == 1 else f"{stem}_{duplicate + 1}"
            wanted = request(f"{os.path.realpath(path)}#{number}", content, generator, weights, options, None)
            file = Path(args.output_dir) / f"{name}.png"
            if not args.overwrite and answer(file, wanted, int(G.img_resolution)) is not None:
                report.skipped.append(file)
                continue
            try:
                pictures.check_replaceable(file, overwrite=args.overwrite, request=wanted.asked)
            except ValueError as error:
                report.failures.append(str(error))
                continue
            yield _Item(path, target, name, wanted, number)


def _batches(items: Iterator[_Item], size: int) -> Iterator[list[_Item]]:
    """Up to `size` neighbours with targets of one size and consecutive numbers."""
    batch: list[_Item] = []
    for item in items:
        last = batch[-1] if batch else item
        fits = item.target.shape == last.target.shape and item.number - last.number <= 1
        if batch and (len(batch) == size or not fits):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _write_intermediate(output: Path, items: Sequence[_Item], state: "SearchState", overwrite: bool) -> None:
    from pulse import pictures

    digits = math.ceil(math.log10(state.steps))
    for row, index in enumerate(state.image.tolist()):
        name, wanted = items[index].name, items[index].request
        text = {"Software": pictures.software(), "synthetic": "true", **wanted.text()}
        for kind, image in (("HR", state.images[row]), ("LR", state.downsampled[row])):
            path = output / name / kind / f"{name}_{state.step:0{digits}}.png"
            pictures.check_replaceable(path, overwrite=overwrite, request=wanted.asked)
            pictures.write_picture(path, image, text)


def _write(path: Path, item: _Item, result: "Result", row: int, generator: str, verbose: bool) -> None:
    from pulse import pictures
    from pulse.batch.here import say_found

    text = pictures.story(result, row, generator, source=console.printable(item.source.name), **item.request.text())
    pictures.write_picture(path, result.images[row], text)
    say_found(path, result, row, verbose)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # One sentence, where argparse would print the usage as well.
        console.warn(f"{message}; see python -m pulse.run -h.")
        raise SystemExit(2)


def _not_flags() -> list[str]:
    """The options of a search that PULSE's script does not have."""
    from pulse.options import SearchOptions

    return [field.name for field in fields(SearchOptions) if not field.metadata["pulse_flag"]]


def _parser() -> argparse.ArgumentParser:
    from pulse.options import SearchOptions
    from stylegan.common.distribution import software
    from stylegan.common.options import add_arguments

    parser = _Parser(prog="python -m pulse.run", description="Finds faces as PULSE's run.py does.")
    add = parser.add_argument
    add("--version", action="version", version=software())
    add("-input_dir", default="input", help="folder with the *.png to search for (default: input)")
    add("-output_dir", default="runs", help="folder for the results (default: runs)")
    add("-cache_dir", default="cache", help="folder with PULSE's weight files, if there are any (default: cache)")
    add("-duplicates", type=int, default=1, help="faces for each picture (default: 1)")
    add("-save_intermediate", action="store_true", help="also write what every step saw")
    add("-overwrite", action="store_true", help="do again what is done, and replace results of other requests")
    add("-v", "-verbose", dest="verbose", action="store_true", help="also say in words what each result is worth")
    add_arguments(parser, SearchOptions, leave_out=_not_flags(), defaults={"batch_size": 1})
    return parser
