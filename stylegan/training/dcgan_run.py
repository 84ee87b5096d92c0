"""What `pulse aimoji train` does: reads the pictures, settles the options, and trains or continues a DCGAN."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from stylegan.common.files import write_text
from stylegan.training import dataset as datasets
from stylegan.training import distributed, state
from stylegan.training.dataset import Dataset
from stylegan.training.dcgan import Dcgan
from stylegan.training.dcgan_options import DcganOptions
from stylegan.training.grids import write_grid
from stylegan.training.launch import report, tell_of
from stylegan.training.options import PictureOptions, Schedule
from stylegan.training.run import train

REELS = "film"
_EPOCH = re.compile(r"epoch-(\d+)")
# Emoji are drawn for a white page.
_READING = {"background": "white"}
_METRIC_PICTURES = 512


@dataclass(frozen=True)
class DcganRequest:
    """What the command line asks for.

    Attributes:
        data: a folder or a zip of pictures.
        folder: of the run.
        device: "cpu" or "cuda".
        epochs: length of the whole run.
        given: the options of `DcganOptions` that were given.
        reading: the options of `PictureOptions` that were given.
        snapshot: a snapshot of another run to continue from: its file, or RUN/epoch-12.
        minutes: stop this call after so many.
        film: keep pictures for a film.
    """

    data: Path
    folder: Path
    device: str
    epochs: float = 25.0
    given: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    snapshot: Path | None = None
    minutes: float | None = None
    film: bool = True


def launch(request: DcganRequest) -> int:
    """Trains as requested; returns the exit code: 0, or 128 + n if signal n ended the run.

    Raises:
        ValueError: if the request cannot be carried out.
        DiskFullError: if the disk has no room for the run.
    """
    distributed.check_device(request.device)
    if not 0 < request.epochs < 1e6:
        raise ValueError(f"A run cannot take {request.epochs} epochs; give a number above 0, such as 25.")
    begin_with = None if request.snapshot is None else state.state_beside(snapshot_of(request.snapshot))
    options, pictures = _prepare(request, begin_with)
    tell_of(pictures)
    task = Dcgan(pictures, options, request.device, request.folder / REELS if request.film else None)
    write_grid(request.folder / "reals.png", task.examples())
    epoch = kimg_of_epochs(1, len(pictures), options.batch_size)
    schedule = Schedule(
        kimg=kimg_of_epochs(request.epochs, len(pictures), options.batch_size),
        minutes=request.minutes,
        snapshot_kimg=epoch,
        log_steps=10,
        grid_kimg=epoch,
        metric_kimg=epoch,
        metric_pictures=_METRIC_PICTURES,
    )
    return report(request.folder, pictures, train(task, request.folder, schedule, begin_with=begin_with))


def kimg_of_epochs(epochs: float, pictures: int, batch_size: int) -> float:
    """Thousands of pictures that so many epochs take; an epoch is the nearest whole number of steps.

    >>> kimg_of_epochs(25, 3145, 128)
    80.0
    """
    return round(epochs * _steps(pictures, batch_size)) * batch_size / 1000


def steps_of_epoch(run: Path) -> int:
    """How many steps an epoch of the run in a folder has."""
    return _steps(len(_kept(run)), read_options(run).batch_size)


def _steps(pictures: int, batch_size: int) -> int:
    return max(1, round(pictures / batch_size))


def snapshot_of(path: Path) -> Path:
    """The snapshot that a path names: itself, or for RUN/epoch-12 that of the run's twelfth epoch.

    Raises:
        ValueError: if the run has no such snapshot.
    """
    match = _EPOCH.fullmatch(path.name)
    if path.exists() or match is None:
        return path
    run = path.parent
    options, count = _told(run)["options"], len(_kept(run))
    wanted = kimg_of_epochs(int(match[1]), count, options["batch_size"])
    there = state.snapshots(run)
    if wanted not in there:
        epoch = kimg_of_epochs(1, count, options["batch_size"])
        epochs = [f"{kimg / epoch:g}" for kimg in there]
        raise ValueError(f"{run} has no snapshot of epoch {match[1]}; it has those of {', '.join(epochs) or 'none'}.")
    return there[wanted]


def read_options(run: Path) -> DcganOptions:
    """The options of the run in a folder.

    Raises:
        ValueError: if it holds no run of a DCGAN.
    """
    return DcganOptions(**_told(run)["options"])


def has_bfloat16(device: str) -> bool:
    """Whether a device computes in bfloat16 at full speed."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # PyTorch has no public name for this; a version without it computes in float32.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and bool(supported())


def _prepare(request: DcganRequest, begin_with: Path | None) -> tuple[DcganOptions, Dataset]:
    """The options and pictures of the run that the folder holds, or of a new one, which run.json then describes."""
    folder, data = request.folder, os.path.abspath(request.data)
    origin = None if request.snapshot is None else os.path.abspath(request.snapshot)
    if (folder / "run.json").exists():
        told = _told(folder)
        begun = asdict(PictureOptions(**(_READING | told["reading"]))) | told["options"]
        begun |= {"data": told["data"], "from": told["from"]}
        asked = {"data": data, **request.reading, **request.given, **({"from": origin} if origin else {})}
        for name, value in asked.items():
            if begun[name] != value:
                raise ValueError(
                    f"{folder} holds a run with {name}={begun[name]}, not {value}; continue it as it is or choose"
                    " another folder."
                )
        return DcganOptions(**told["options"]), _kept(folder)
    state.check_new(folder, Dcgan.name, ("reals.png", "fakes.png", REELS))
    before: dict[str, Any] = {"bfloat16": has_bfloat16(request.device)}
    if begin_with is not None:
        before = state.read_state(begin_with)["options"]
        if request.given.get("batch_size", before["batch_size"]) != before["batch_size"]:
            raise ValueError(f"A snapshot is continued with its batch_size of {before['batch_size']}; leave it out.")
    options = DcganOptions(**(before | dict(request.given)))
    pictures = None
    if begin_with is not None and not request.reading:
        source = state.run_folder_of(begin_with)
        if (source / "run.json").exists() and _told(source)["data"] == data:
            pictures = datasets.take_over(source, folder)
    if pictures is None:
        reading = PictureOptions(**(_READING | dict(request.reading)))
        pictures = datasets.read(request.data, folder, options.resolution, options=reading)
    if len(pictures) < options.batch_size:
        raise ValueError(
            f"{request.data} has {len(pictures)} pictures, fewer than the batch_size of {options.batch_size}; give more"
            " pictures, or a smaller batch_size."
        )
    told = {"data": data, "method": "dcgan", "from": origin, "reading": dict(request.reading)}
    write_text(folder / "run.json", json.dumps(told | {"options": asdict(options)}, indent=1))
    return options, pictures


def _told(run: Path) -> dict[str, Any]:
    try:
        told = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{run} holds no run that can be read; give the folder of `pulse aimoji train`.") from error
    if not isinstance(told, dict) or told.get("method") != "dcgan":
        raise ValueError(f"{run} holds a run of another kind; give the folder of `pulse aimoji train`.")
    return told


def _kept(run: Path) -> Dataset:
    pictures = datasets.kept(run)
    if pictures is None:
        raise ValueError(f"{run} has lost its pictures.json; begin a new run with --from and a snapshot of it.")
    return pictures
