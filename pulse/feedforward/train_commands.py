"""The commands `pulse train-sr` and `pulse teach-landmarks`."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pulse.feedforward.options import LandmarkOptions, UpscalerOptions
from stylegan.common.options import with_options
from stylegan.training.options import PictureOptions


def train_sr_command(typer: Any) -> Any:
    """The function that typer calls."""
    argument, option = typer.Argument, typer.Option

    @with_options(PictureOptions, into="reading", only_given=True, leave_out=["labelled"])
    @with_options(UpscalerOptions, into="given", only_given=True)
    def train_sr(
        data: Annotated[
            str,
            argument(
                help="The word portraits, a folder of `stylegan render-pairs`, or a folder or a zip of faces.",
                show_default=False,
            ),
        ],
        output: Annotated[Path, option("--output", "-o", help="Folder of the run; continued if it holds one.")],
        given: Mapping[str, Any],
        reading: Mapping[str, Any],
        start: Annotated[
            str | None, option(help="An upscaler to begin with: default, a file, or a checkpoint of the authors.")
        ] = None,
        landmarks: Annotated[
            str, option(help="Landmark network of the losses: default, or a file of `pulse teach-landmarks`.")
        ] = "default",
        features: Annotated[
            str | None,
            option(
                help="package.module:function that gives the features of the perceptual loss.",
                show_default="those of the landmark network",
            ),
        ] = None,
        minutes: Annotated[
            float | None, option(help="Stop this call after this many minutes.", show_default="no limit")
        ] = None,
        save_minutes: Annotated[float, option(help="Minutes between two saves.", min=0)] = 5.0,
        device: Annotated[str | None, option(help="cpu or cuda.", show_default="cuda if there is one")] = None,
    ) -> int:
        """Trains an upscaler on faces, step by step; the same command continues a run that was ended.

        With several GPUs: torchrun --nproc-per-node 4 --no-python pulse train-sr ...
        """
        import torch

        from pulse.feedforward.launch import UpscalerRequest, launch

        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return launch(
            UpscalerRequest(data, output, where, given, reading, start, landmarks, features, minutes, save_minutes)
        )

    return train_sr


def teach_landmarks_command(typer: Any) -> Any:
    """The function that typer calls."""
    option = typer.Option

    @with_options(LandmarkOptions)
    def teach_landmarks(
        pairs: Annotated[Path, typer.Argument(help="Folder of `stylegan render-pairs`.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="Folder of the run; continued if it holds one.")],
        options: LandmarkOptions,
        start: Annotated[
            str | None, option(help="A landmark network to begin with: default for the one in the box, or a file.")
        ] = None,
        minutes: Annotated[
            float | None, option(help="Stop this call after this many minutes.", show_default="no limit")
        ] = None,
    ) -> int:
        """Teaches the network that finds the landmarks of faces; the same command continues a run."""
        from pulse.feedforward.teach_landmarks import teach_landmarks as teach

        return teach(pairs, output, options, start, minutes)

    return teach_landmarks
