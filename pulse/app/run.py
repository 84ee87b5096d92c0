"""`python -m pulse.run`: the flags and files of PULSE's own script (Menon et al., CVPR 2020).

Every *.png of `-input_dir` is a target at its own size; its face is written to `-output_dir` under the same name. Where
PULSE leaves a picture out because `-eps` was missed, the best that was found is written, with a sentence that says so.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from pulse import pictures
from pulse.depixelizer import load_generator, result_text
from pulse.engine import SearchState, search
from pulse.options import SearchOptions
from pulse.result import Result
from stylegan.common.progress import progress

_SEARCH = (
    "steps",
    "learning_rate",
    "lr_schedule",
    "opt_name",
    "eps",
    "loss_str",
    "noise_type",
    "num_trainable_noise_layers",
    "bad_noise_layers",
    "tile_latent",
)


@dataclass(frozen=True)
class _Item:
    """One face to find: the target (1, 3, h, w), the output's name, and its number, which counts its seed on."""

    name: str
    target: torch.Tensor
    number: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs with the given arguments (`sys.argv[1:]` by default) and returns the exit code.

    0: all done. 2: something could not be done, with a sentence on stderr for each thing. 130: ended by Ctrl-C, with
    the best found so far written.
    """
    try:
        return _run(_parser().parse_args(arguments))
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    options = {name: getattr(args, name) for name in _SEARCH}
    SearchOptions(seed=args.seed, batch_size=args.batch_size, **options)
    if args.duplicates < 1:
        raise ValueError(f"The option duplicates is {args.duplicates}; give a whole number of at least 1.")
    folder, output = Path(args.input_dir), Path(args.output_dir)
    if not folder.is_dir():
        raise ValueError(f"There is no input folder {folder}; make it, or name another with -input_dir.")
    paths = sorted(path for path in folder.glob("*.png") if path.is_file())
    if not paths:
        raise ValueError(f"The input folder {folder} holds no .png file; put pictures there, or name another folder.")
    if output.resolve() == folder.resolve():
        raise ValueError(f"The results would replace the pictures in {folder}; name another -output_dir.")
    pictures.check_folder(output)

    G, generator = _generator(Path(args.cache_dir))
    if not torch.cuda.is_available():
        print("CUDA is not available, and not needed: the search runs on the CPU.")
    failures: list[str] = []
    faces = len(paths) * args.duplicates
    with progress("Searching", faces * args.steps) as advance:
        for items in _batches(_items(paths, args.duplicates, G, failures), args.batch_size):
            intermediates = output if args.save_intermediate else None

            def each_step(
                step: int,
                state: SearchState,
                items: Sequence[_Item] = items,
                intermediates: Path | None = intermediates,
            ) -> None:
                if step == args.steps:
                    return
                if intermediates is not None:
                    _write_intermediate(intermediates, items, state)
                advance(len(items) / state.batches)

            # A picture's seed depends on its number alone, so that the batch size changes nothing.
            seed = None if args.seed is None else args.seed + items[0].number
            targets = torch.cat([item.target for item in items])
            result = search(G, targets, seed=seed, batch_size=args.batch_size, callback=each_step, **options)
            _write(output, items, result, generator, args.eps)
            if result.interrupted:
                print("Interrupted: the best found so far is written.", file=sys.stderr)
                return 130
    for failure in failures:
        print(failure, file=sys.stderr)
    return 2 if failures else 0


def _generator(cache: Path) -> tuple[Any, str]:
    if (cache / "synthesis.pt").is_file() and (cache / "mapping.pt").is_file():
        return load_generator(cache), str(cache)
    G = load_generator("default")
    print(f"There are no synthesis.pt and mapping.pt in {cache}: the generator in the box is used.")
    return G, "default"


def _items(paths: Sequence[Path], duplicates: int, G: Any, failures: list[str]) -> Iterator[_Item]:
    for index, path in enumerate(paths):
        try:
            target = pictures.read_picture(path)
            h, w = target.shape[-2:]
            if max(h, w) > G.img_resolution:
                raise ValueError(
                    f"{path} is {w}x{h} pixels, larger than the generator's {G.img_resolution}; make it smaller first."
                )
        except (ValueError, OSError) as error:
            failures.append(" ".join(str(error).split()))
            continue
        for duplicate in range(duplicates):
            name = path.stem if duplicates == 1 else f"{path.stem}_{duplicate + 1}"
            yield _Item(name, target, index * duplicates + duplicate)


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


def _write_intermediate(output: Path, items: Sequence[_Item], state: SearchState) -> None:
    digits = math.ceil(math.log10(state.steps))
    for row, index in enumerate(state.image.tolist()):
        name = items[index].name
        for kind, image in (("HR", state.images[row]), ("LR", state.downsampled[row])):
            path = output / name / kind / f"{name}_{state.step:0{digits}}.png"
            pictures.write_picture(path, image, {"Software": pictures.software(), "synthetic": "true"})


def _write(output: Path, items: Sequence[_Item], result: Result, generator: str, eps: float) -> None:
    for row, item in enumerate(items):
        path = output / f"{item.name}.png"
        pictures.write_picture(path, result.images[row], result_text(result, row, generator))
        found = float(result.l2[row])
        print(f"{path}  L2 {found:.4g}", flush=True)
        if not bool(result.reached[row]):
            print(f"{item.name}: no face within eps {eps:g} was found; the best, at {found:.4g}, is written.")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # One sentence, where argparse would print the usage as well.
        print(f"{message}; see python -m pulse.run -h.", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m pulse.run", description="Finds faces as PULSE's run.py does.")
    add = parser.add_argument
    add("-input_dir", default="input", help="folder with the *.png to search for (default: input)")
    add("-output_dir", default="runs", help="folder for the results (default: runs)")
    add("-cache_dir", default="cache", help="folder with PULSE's weight files, if there are any (default: cache)")
    add("-duplicates", type=int, default=1, help="faces per picture")
    add("-batch_size", type=int, default=1, help="searched at once")
    add("-seed", type=int, help="the same seed gives the same faces")
    add("-loss_str", default="100*L2+0.05*GEOCROSS", help="what is minimised")
    add("-eps", type=float, default=2e-3, help="mean squared error that counts as reached")
    add("-noise_type", default="trainable", help="zero, fixed or trainable")
    add("-num_trainable_noise_layers", type=int, default=5, help="how many noise inputs are searched")
    add("-tile_latent", action="store_true", help="one latent for all styles")
    add("-bad_noise_layers", default="17", help="noise inputs kept at zero, as 16.17")
    add("-opt_name", default="adam", help="adam, sgd, sgdm or adamax")
    add("-learning_rate", type=float, default=0.4, help="learning rate")
    add("-steps", type=int, default=100, help="steps of the search")
    add("-lr_schedule", default="linear1cycledrop", help="fixed, linear1cycle or linear1cycledrop")
    add("-save_intermediate", action="store_true", help="also write what every step saw")
    return parser
