"""`python -m stylegan.training`: render pairs, warm-start a generator on them, train it against a discriminator."""

import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import stylegan
from stylegan.common.processes import cores
from stylegan.networks.stylegan2 import Generator
from stylegan.training import gan, pairs, teach_mapping, warm_start
from stylegan.training.networks import copy_weights, new_generator, options_of
from stylegan.training.options import Schedule, TrainingOptions

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
_DEFAULTS = TrainingOptions()

Data = Annotated[Path, typer.Argument(help="Folder of rendered pairs.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder of the run; continued if it holds one.")]
Kimg = Annotated[float, typer.Option(help="Length of the run in thousands of pictures.")]
Minutes = Annotated[float | None, typer.Option(help="Stop after so many minutes of this call.")]
Start = Annotated[
    list[Path] | None,
    typer.Option(
        help="Generator to begin with; it may be of a smaller resolution. Given again, such a one whose layers replace"
        " those of the one before."
    ),
]
Sets = Annotated[list[str] | None, typer.Option("--set", help="An option of TrainingOptions, as name=value.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]


@app.command()
def render(
    out: Annotated[Path, typer.Argument(help="Folder for the pairs.")],
    count: Annotated[int, typer.Option(help="How many.")] = 20480,
    resolution: Annotated[int, typer.Option(help="Pixels a side.")] = 128,
    seed: Annotated[int, typer.Option(help="Of the latents.")] = 0,
) -> None:
    """Render portraits with the latents that stand for them; a killed run resumes."""
    pairs.render_shards(
        out, count, resolution, seed, progress=lambda n: print(f"{n} of {count}", flush=True), processes=cores()
    )


@app.command("teach-mapping")
def teach_mapping_command(
    out: Annotated[Path, typer.Argument(help="File for the generator, .safetensors.")],
    count: Annotated[int, typer.Option(help="Portraits to describe.")] = 65536,
    steps: Annotated[int, typer.Option(help="Steps of 512 portraits.")] = 6000,
    settings: Sets = None,
) -> None:
    """Teach a fresh generator's mapping network to describe portraits."""
    options = _options(settings or [])
    torch.manual_seed(options.seed)
    generator = new_generator(options)
    left = teach_mapping.teach_mapping(
        generator, count, steps, progress=lambda step, loss: print(f"step {step}: {loss:.4f}", flush=True)
    )
    print(f"{left:.1%} of the variance of unseen descriptions is not explained")
    stylegan.save(generator, out)


@app.command("warm-start")
def warm_start_command(
    data: Data,
    out: Out,
    kimg: Kimg = 40,
    minutes: Minutes = None,
    start: Start = None,
    settings: Sets = None,
    device: Device = "cpu",
) -> None:
    """Teach a generator the renderer by regression."""
    options, schedule, begin = _prepared(kimg, minutes, start, settings, device)
    dataset = pairs.dataset_of(data, options.resolution)
    warm_start.warm_start(dataset, out, options, schedule, begin, device)


@app.command("adversarial")
def adversarial_command(
    data: Data,
    out: Out,
    kimg: Kimg = 1000,
    minutes: Minutes = None,
    start: Start = None,
    settings: Sets = None,
    device: Device = "cpu",
) -> None:
    """Train a generator against a discriminator."""
    options, schedule, begin = _prepared(kimg, minutes, start, settings, device)
    dataset = pairs.dataset_of(data, options.resolution)
    gan.train(dataset, out, options, schedule, None if begin is None else (begin, None), device)


def _prepared(
    kimg: float, minutes: float | None, start: list[Path] | None, settings: list[str] | None, device: str
) -> tuple[TrainingOptions, Schedule, Generator | None]:
    torch.backends.cudnn.benchmark = device == "cuda"
    begin: Generator | None = None
    for path in start or []:
        generator = stylegan.load(path)
        # Says what cannot be continued.
        options_of(generator)
        assert isinstance(generator, Generator)
        if begin is None:
            begin = generator
        else:
            copy_weights(generator, begin)
    return _options(settings or []), Schedule(kimg=kimg, minutes=minutes), begin


def _options(settings: list[str]) -> TrainingOptions:
    """TrainingOptions from `name=value` strings."""
    values: dict[str, Any] = {}
    names = [f.name for f in fields(TrainingOptions)]
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in names:
            raise ValueError(f"There is no training option {name!r}; there are {', '.join(names)}.")
        default = getattr(_DEFAULTS, name)
        try:
            if isinstance(default, bool):
                values[name] = {"true": True, "1": True, "false": False, "0": False}[value.lower()]
            elif isinstance(default, str):
                values[name] = value
            else:
                values[name] = int(value) if isinstance(default, int) else float(value)
        except (KeyError, ValueError):
            raise ValueError(f"The training option {name} cannot be {value!r}; its default is {default}.") from None
    return TrainingOptions(**values)


def main() -> None:
    """Run the command line; errors are one sentence and exit code 2."""
    try:
        app()
    except ValueError as error:
        print(f"stylegan.training: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
