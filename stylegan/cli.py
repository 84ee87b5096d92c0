"""The command `stylegan`: convert, look into, sample, list, fetch and train generators."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from stylegan.common import console
from stylegan.training.command import add_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with the given arguments (`sys.argv[1:]` by default) and returns its exit code.

    0: done. 2: it could not be done, with a sentence on stderr. 130: ended by Ctrl-C.
    """
    return console.run("stylegan", _app, arguments)


def _app() -> Any:
    import typer

    app = console.new_app("Converts, examines, samples, fetches and trains StyleGAN checkpoints.")
    option = typer.Option
    source_help = "A file, a folder with PULSE's files, a name of `stylegan models`, or an https URL."
    which_help = "The network of the checkpoint: G_ema, G or D."

    @app.command()
    def convert(
        source: Annotated[str, typer.Argument(help=source_help)],
        output: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
        which: Annotated[str, option(help=which_help)] = "G_ema",
        half: Annotated[bool, option("--half", help="Store sixteen bits a number.")] = False,
        overwrite: Annotated[bool, option("--overwrite", help="Replace a file that is there.")] = False,
    ) -> int:
        """Writes a network of any readable checkpoint as safetensors."""
        return _convert(source, output, which, half, overwrite)

    @app.command()
    def info(
        source: Annotated[str, typer.Argument(help=source_help)],
        which: Annotated[str, option(help=which_help)] = "G_ema",
    ) -> int:
        """Tells a checkpoint's format, network and size, and what in it is ignored."""
        return _info(source, which)

    @app.command()
    def sample(
        source: Annotated[str, typer.Argument(help=source_help)],
        output: Annotated[Path, option("--output", "-o", help="The PNG to write.")],
        which: Annotated[str, option(help="G_ema or G.")] = "G_ema",
        count: Annotated[int, option(help="How many pictures.", min=1, max=10_000)] = 16,
        columns: Annotated[int | None, option(help="Pictures in a row.", min=1, show_default="a square")] = None,
        seed: Annotated[int, option(help="The same seed gives the same pictures.")] = 0,
        truncation: Annotated[float, option("--truncation", "--psi", help="1 for all variety, 0 for the mean.")] = 0.7,
        label: Annotated[int | None, option(help="The class, of a conditional generator.", show_default="all")] = None,
        overwrite: Annotated[bool, option("--overwrite", help="Replace a file that is there.")] = False,
    ) -> int:
        """Draws pictures of a generator on one sheet."""
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


def _check_output(output: Path, overwrite: bool) -> None:
    if output.is_dir() or (output.exists() and not overwrite):
        raise ValueError(f"{output} is there already; choose another name, or replace it with --overwrite.")
    if not output.parent.is_dir():
        raise ValueError(f"{output.parent} is no folder; make it, or choose another place for {output.name}.")


def _convert(source: str, output: Path, which: Any, half: bool, overwrite: bool) -> int:
    import torch

    from stylegan.checkpoints.formats.native import save
    from stylegan.checkpoints.loading import load

    if output.suffix != ".safetensors":
        raise ValueError(f"{output} does not end in .safetensors, the one format that is written; name it so.")
    _check_output(output, overwrite)
    save(load(source, which), output, torch.float16 if half else torch.float32)
    print(output)
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
        ("resolution", f"{network.img_resolution} px, {network.img_channels} colours"),
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
        print(f"{name:13s} {value}")
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
    import torch
    from PIL import Image

    from stylegan.checkpoints.loading import load
    from stylegan.common.progress import progress
    from stylegan.networks.discriminator import Discriminator

    if output.suffix.lower() != ".png":
        raise ValueError(f"{output} does not end in .png, the one format that is written; name it so.")
    _check_output(output, overwrite)
    G = load(source, which)
    if isinstance(G, Discriminator):
        raise ValueError("A discriminator draws nothing; sample G_ema or G.")
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(G.img_channels)
    if mode is None:
        raise ValueError(f"{source} draws {G.img_channels} colours, which no PNG has; use G.synthesis in Python.")
    columns = min(columns or int(-(-(count**0.5) // 1)), count)
    rows, r = -(-count // columns), G.img_resolution
    if rows * columns * r * r > 400_000_000:
        raise ValueError(f"{count} pictures of {r} px make a sheet of {columns * r} by {rows * r}; ask for fewer.")
    z = torch.randn(count, G.z_dim, generator=torch.Generator().manual_seed(seed))
    c = _labels(G.c_dim, count, label)
    sheet = Image.new(mode, (columns * r, rows * r))
    with torch.no_grad(), progress("Drawing", count) as advance:
        for i in range(count):
            image = G(z[i : i + 1], c[i : i + 1], truncation_psi=truncation, noise_mode="const")[0]
            pixels = image.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
            sheet.paste(Image.fromarray(pixels.squeeze(2).numpy(), mode), (i % columns * r, i // columns * r))
            advance(1)
    beside = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        sheet.save(beside, format="PNG")
        os.replace(beside, output)
    finally:
        beside.unlink(missing_ok=True)
    print(output)
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
        print(f"{model.name:{width}s} {model.resolution:5d} px {model.megabytes:4d} MB  {model.licence}  ({state})")
    return 0


def _fetch(source: str) -> int:
    from stylegan.checkpoints import zoo

    path = zoo.path_of(source)
    if path is None:
        raise ValueError(f"There is no generator {source!r} to fetch; give an https URL, or one of `stylegan models`.")
    print(path)
    return 0
