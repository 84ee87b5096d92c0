"""The commands of training: `stylegan train`, `render-pairs`, `teach-mapping` and `teach-encoder`."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from stylegan.common.options import options_of, with_options
from stylegan.training.options import METHODS, EncoderOptions, PictureOptions, Schedule, TrainingOptions, shown_defaults

# The options that decide the shape of a generator.
_NETWORK = (
    "resolution",
    "w_dim",
    "channel_base",
    "channel_max",
    "mapping_layers",
    "mapping_features",
    "mapping_lr_multiplier",
    "num_fp16_res",
    "seed",
)


def add_commands(app: Any) -> None:
    """Adds the commands of training to a typer app."""
    import typer

    argument, option = typer.Argument, typer.Option

    @app.command()
    @with_options(PictureOptions, into="reading", only_given=True)
    @with_options(TrainingOptions, into="given", only_given=True, defaults=shown_defaults())
    @with_options(Schedule, into="schedule")
    def train(
        data: Annotated[
            str,
            argument(help="A folder or a zip of pictures, the word portraits, or a folder of `stylegan render-pairs`."),
        ],
        output: Annotated[Path, option("--output", "-o", help="Folder of the run; continued if it holds one.")],
        schedule: Schedule,
        given: Mapping[str, Any],
        reading: Mapping[str, Any],
        method: Annotated[
            str,
            option(
                help="gan trains against a discriminator; regression teaches portraits by their latents.",
                metavar=f"[{'|'.join(METHODS)}]",
            ),
        ] = "gan",
        start: Annotated[
            list[str] | None,
            option(
                help="A checkpoint to begin with, of another size too. Given again, the layers of the next replace"
                " those of the one before."
            ),
        ] = None,
        snapshot: Annotated[
            Path | None,
            option("--from", help="A snapshot of a run to continue from, in a new folder.", show_default=False),
        ] = None,
        portraits: Annotated[
            int | None, option(help="How many portraits are rendered.", min=1, show_default="4096")
        ] = None,
        warm_start: Annotated[
            float, option(help="Teach portraits by regression first, for this many thousand pictures.")
        ] = 0,
        device: Annotated[str | None, option(help="cpu or cuda.", show_default="cuda if there is one")] = None,
        features: Annotated[
            str | None, option(help="package.module:function that gives features, for FID and KID.")
        ] = None,
        tensorboard: Annotated[
            bool | None, option(help="Write curves for TensorBoard.", show_default="if it is installed")
        ] = None,
    ) -> int:
        """Trains a StyleGAN2 on your own pictures; the same command continues a run that was ended.

        With several GPUs: torchrun --nproc-per-node 4 --no-python stylegan train ...
        """
        import torch

        from stylegan.training.launch import Request, launch

        return launch(
            Request(
                data,
                output,
                device or ("cuda" if torch.cuda.is_available() else "cpu"),
                method,
                given,
                reading,
                schedule,
                start or (),
                snapshot,
                portraits,
                warm_start,
                features,
                tensorboard,
            )
        )

    @app.command()
    def render_pairs(
        output: Annotated[Path, argument(help="Folder for the pairs; existing ones are kept.")],
        count: Annotated[int, option(help="How many, rounded up to a multiple of 512.", min=1)] = 20480,
        resolution: Annotated[int, option(help="Pixels a side.", min=8)] = 128,
        seed: Annotated[int, option(help="Seed of the latents.")] = 0,
        kind: Annotated[
            str, option(help="people, or characters, of which half are people.", metavar="[people|characters]")
        ] = "people",
    ) -> int:
        """Renders portraits together with their latents, for `stylegan train`."""
        from stylegan.training.launch import render

        render(output, count, resolution, seed, kind)
        print(output)
        return 0

    @app.command()
    @with_options(
        TrainingOptions,
        into="given",
        only_given=True,
        leave_out=[each.name for each in options_of(TrainingOptions) if each.name not in _NETWORK],
    )
    def teach_mapping(
        output: Annotated[Path, argument(help="Safetensors file for the generator.")],
        given: Mapping[str, Any],
        count: Annotated[int, option(help="Portraits that are described.", min=1)] = 65536,
        steps: Annotated[int, option(help="Steps of 512 portraits.", min=1)] = 6000,
        kind: Annotated[str, option(help="people or characters.", metavar="[people|characters]")] = "people",
        start: Annotated[
            str | None,
            option(help="A checkpoint to grow out of; the numbers that its w gains describe what it does not know."),
        ] = None,
        overwrite: Annotated[bool, option("--overwrite", help="Replace an existing file.")] = False,
    ) -> int:
        """Teaches the mapping network of a generator to describe portraits, to begin `stylegan train` with."""
        from stylegan.training.launch import generator_of
        from stylegan.training.teach_mapping import teach_new_generator

        begin = None if start is None else generator_of(start)
        return teach_new_generator(output, given, count, steps, kind, begin, overwrite)

    @app.command()
    @with_options(EncoderOptions)
    def teach_encoder(
        pairs: Annotated[Path, argument(help="Folder of `stylegan render-pairs`: characters of 32 px.")],
        output: Annotated[Path, option("--output", "-o", help="Folder of the run; continued if it holds one.")],
        options: EncoderOptions,
        start: Annotated[
            str | None, option(help="An encoder.safetensors to begin with, or default for the one in the box.")
        ] = None,
        minutes: Annotated[
            float | None, option(help="Stop this call after this many minutes.", show_default="no limit")
        ] = None,
    ) -> int:
        """Teaches the network that reads portraits from small pictures; the same command continues a run."""
        from stylegan.training.teach_encoder import teach_encoder

        return teach_encoder(pairs, output, options, start, minutes)
