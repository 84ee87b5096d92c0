"""The command `stylegan`: convert, examine, sample, list, fetch and train generators."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from stylegan.common import console
from stylegan.common.ownership import check_replaceable
from stylegan.training.command import add_commands

# Of one sheet; a PNG of more is hard to open.
_MOST_PIXELS = 400_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with the given arguments (`sys.argv[1:]` by default) and returns its exit code.

    0: done. 2: it could not be done, with a sentence on stderr. 130: ended by Ctrl-C, 143: by SIGTERM.
    """
    return console.run("stylegan", _app, arguments)


def _app() -> Any:
    import typer

    app = console.new_app("Converts, examines, samples, fetches and trains StyleGAN checkpoints.")
    option = typer.Option
    source_help = "A file, a folder (of PULSE's files or of a training run), a name of `stylegan models`, or a URL."
    which_help = "The network of the checkpoint: G_ema, G or D."

    @app.command()
    def convert(
        source: Annotated[str, typer.Argument(help=source_help)],
        output: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
        which: Annotated[str, option(help=which_help)] = "G_ema",
        half: Annotated[bool, option("--half", help="Store weights in float16.")] = False,
        overwrite: Annotated[bool, option("--overwrite", help="Replace an earlier result of this program.")] = False,
    ) -> int:
        """Writes a network of any readable checkpoint as safetensors."""
        return _convert(source, output, which, half, overwrite)

    @app.command()
    def info(
        source: Annotated[str, typer.Argument(help=source_help)],
        which: Annotated[str, option(help=which_help)] = "G_ema",
    ) -> int:
        """Prints a checkpoint's format, network and size, and what in it is ignored."""
        return _info(source, which)

    @app.command()
    def sample(
        source: Annotated[str, typer.Argument(help=source_help)],
        output: Annotated[Path, option("--output", "-o", help="The PNG to write.")],
        which: Annotated[str, option(help="G_ema or G.")] = "G_ema",
        count: Annotated[int, option(help="How many pictures.", min=1, max=10_000)] = 16,
        columns: Annotated[int | None, option(help="Pictures in a row.", min=1, show_default="a square")] = None,
        seed: Annotated[int, option(help="Seed of the first picture; the next has the next seed.", min=0)] = 0,
        truncation: Annotated[
            float, option("--truncation", "--psi", help="1 for all variety, 0 for the average picture.")
        ] = 0.7,
        label: Annotated[int | None, option(help="The class, of a conditional generator.", show_default="all")] = None,
        overwrite: Annotated[bool, option("--overwrite", help="Replace an earlier result of this program.")] = False,
    ) -> int:
        """Draws pictures of a generator on one sheet, one for each seed (the latents of NVIDIA's repositories)."""
        return _sample(source, output, which, count, columns, seed, truncation, label, overwrite)

    add_commands(app)

    @app.command()
    def models() -> int:
        """Lists the generators that have names."""
        return _models()

    @app.command()
    def fetch(source: Annotated[str, typer.Argument(help="A name of `stylegan models`, or an https URL.")]) -> int:
        """Fetches a checkpoint into the cache (PULSE_CACHE) and prints where it is."""
        return _fetch(source)

    return app


def _check_output(output: Path, suffix: str, overwrite: bool) -> None:
    if output.suffix.lower() != suffix:
        raise ValueError(f"{output} does not end in {suffix}, the one format that is written; name it so.")
    check_replaceable(output, overwrite=overwrite)
    if not output.parent.is_dir():
        raise ValueError(f"{output.parent} is not a folder; make it, or choose another place for {output.name}.")


def _convert(source: str, output: Path, which: Any, half: bool, overwrite: bool) -> int:
    import torch

    from stylegan.checkpoints.formats.native import save
    from stylegan.checkpoints.loading import load

    _check_output(output, ".safetensors", overwrite)
    save(load(source, which), output, torch.float16 if half else torch.float32)
    console.say(str(output))
    return 0


def _info(source: str, which: Any) -> int:
    from stylegan.checkpoints.loading import locate, read
    from stylegan.networks.discriminator import Discriminator

    path = locate(source)
    reading = read(path, which)
    network = reading.network
    rows = [
        ("file", str(path)),
        ("format", reading.format),
        ("network", f"{which}, {network.architecture}"),
        ("resolution", f"{network.img_resolution} px, {network.img_channels} channels"),
        ("parameters", f"{sum(p.numel() for p in network.parameters()):,}"),
    ]
    if isinstance(network, Discriminator):
        rows.append(("label", str(network.c_dim)))
    else:
        rows.append(("z, label, w", f"{network.z_dim}, {network.c_dim}, {network.w_dim}"))
        rows.append(("styles", f"{network.num_ws}, by {network.mapping.num_layers} mapping layers"))
        rows.append(("gaussian fit", "yes" if network.gaussian_fit is not None else "no"))
    rows.append(("ignored", ", ".join(reading.ignored) or "nothing"))
    for name, value in rows:
        console.say(f"{name:13s} {value}")
    return 0


def _sample(
    source: str,
    output: Path,
    which: Any,
    count: int,
    columns: int | None,
    seed: int,
    truncation: float,
    label: int | None,
    overwrite: bool,
) -> int:
    import stylegan
    from stylegan.common.distribution import software
    from stylegan.common.grid import grid
    from stylegan.common.png import write_png
    from stylegan.common.progress import progress
    from stylegan.networks.discriminator import Discriminator

    _check_output(output, ".png", overwrite)
    G = stylegan.load(source, which)
    if isinstance(G, Discriminator):
        raise ValueError("A discriminator draws nothing; sample G_ema or G.")
    if G.img_channels not in (1, 3, 4):
        raise ValueError(f"{source} draws {G.img_channels} channels, which no PNG has; use G.synthesis in Python.")
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    height, width = -(-count // columns) * G.img_resolution, columns * G.img_resolution
    if height * width > _MOST_PIXELS:
        raise ValueError(
            f"{count} pictures of {G.img_resolution} px make a sheet of {width} by {height}; ask for fewer."
        )
    labels = _labels(G.c_dim, count, label) if G.c_dim or label is not None else None
    seeds = range(seed, seed + count)
    with progress("Drawing", count) as advance:
        images = stylegan.sample(G, seeds, truncation, labels=labels, on_batch=advance)
    text = {
        "Software": software(),
        "Description": "Synthetic pictures, drawn by a generator; they show nothing real.",
        "synthetic": "true",
        "generator": Path(source).name,
        "seeds": f"{seeds[0]}-{seeds[-1]}",
        "truncation_psi": str(truncation),
    }
    write_png(output, grid(images, columns), text)
    console.say(str(output))
    return 0


def _labels(c_dim: int, count: int, label: int | None) -> Any:
    import torch

    if label is not None and not 0 <= label < c_dim:
        known = f"0 to {c_dim - 1}" if c_dim else "none"
        raise ValueError(f"There is no class {label} in this generator: its classes are {known}.")
    classes = torch.arange(count) % max(c_dim, 1) if label is None else torch.full((count,), label)
    return torch.nn.functional.one_hot(classes, max(c_dim, 1)).float()[:, :c_dim]


def _models() -> int:
    from stylegan.checkpoints import zoo

    width = max(len(name) for name in zoo.list_models())
    for model in zoo.MODELS:
        here = model.here()
        state = ("missing from the box" if here is None else "in the box") if model.url is None else "not here"
        state = f"here: {here}" if model.url is not None and here is not None else state
        console.say(
            f"{model.name:{width}s} {model.resolution:5d} px {model.megabytes:4d} MB  {model.licence}  ({state})"
        )
    return 0


def _fetch(source: str) -> int:
    from stylegan.checkpoints import zoo

    path = zoo.path_of(source)
    if path is None:
        raise ValueError(f"There is no generator {source!r} to fetch; give an https URL, or one of `stylegan models`.")
    console.say(str(path))
    return 0
