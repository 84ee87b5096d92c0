"""What `pulse train-sr` does: finds the faces, settles the options, and trains or continues an upscaler."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from pulse.feedforward.landmarks import load_landmark_net
from pulse.feedforward.losses import Features
from pulse.feedforward.network import SIDES, Upscaler
from pulse.feedforward.options import UpscalerOptions
from pulse.feedforward.training import SuperResolution
from pulse.feedforward.weights import NAME, load_upscaler
from stylegan.common import console
from stylegan.common.files import write_text
from stylegan.training import dataset as datasets
from stylegan.training import distributed, pairs, state
from stylegan.training.dataset import Dataset
from stylegan.training.launch import PORTRAITS, render, tell_of
from stylegan.training.metrics import features_of
from stylegan.training.muon import multiplies_bfloat16
from stylegan.training.options import PictureOptions, Schedule
from stylegan.training.run import train

_PORTRAITS_BY_DEFAULT = 4096
_SIDE = SIDES[-1]


@dataclass(frozen=True)
class UpscalerRequest:
    """What the command line asks for.

    Attributes:
        data: the word portraits, a folder of `stylegan render-pairs`, or a folder or a zip of faces.
        folder: of the run.
        device: "cpu" or "cuda".
        given: the options of `UpscalerOptions` that were given.
        reading: the options of `PictureOptions` that were given.
        start: an upscaler to begin with, as `load_upscaler` takes it.
        landmarks: the landmark network, as `load_landmark_net` takes it.
        features: "module:function" for the perceptual loss: from pictures (N, 3, S, S) in [-1, 1] to feature maps.
        minutes: stop this call after so many.
        save_minutes: between two saves.
    """

    data: str
    folder: Path
    device: str
    given: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    landmarks: str = "default"
    features: str | None = None
    minutes: float | None = None
    save_minutes: float = 5.0


def launch(request: UpscalerRequest) -> int:
    """Trains as requested; returns the exit code: 0, or 128 + n if signal n ended the run.

    Raises:
        ValueError: if the request cannot be carried out.
        DiskFullError: if the disk has no room for the run.
    """
    distributed.check_device(request.device)
    features: Features | None = None
    if request.features is not None:
        features = _differentiable(features_of(request.features), request.features)
    start = None if request.start is None else load_upscaler(request.start)
    with distributed.processes(request.device) as device:
        with distributed.rank_zero_first():
            options, faces = _prepare(request, start)
        needed = options.heatmap or options.attention or (options.perceptual and features is None)
        network = load_landmark_net(request.landmarks) if needed else None
        if distributed.rank() == 0:
            tell_of(faces)
        task = SuperResolution(faces, options, device, start, network, features)
        schedule = Schedule(
            kimg=options.kimg,
            minutes=request.minutes,
            save_minutes=request.save_minutes,
            snapshot_kimg=0,
            log_steps=20,
            grid_kimg=4,
            metric_kimg=2,
            metric_pictures=128,
        )
        ended = train(task, request.folder, schedule)
        if distributed.rank() == 0:
            how = "Ended" if ended.signal is None else f"Stopped by {ended.signal.name}"
            console.say(f"{how} at {ended.kimg:.3f} of {options.kimg:g} kimg; the same command continues the run")
            for name, decibels in task.measure(schedule.metric_pictures).items():
                console.say(f"{name} {decibels:.2f} dB of held-out faces")
            console.say(str(request.folder / f"{NAME}.safetensors"))
    return 0 if ended.signal is None else 128 + ended.signal


def _differentiable(function: Callable[..., Any], name: str) -> Features:
    """A function of the user's, checked on a picture, because its result decides what the gradient is."""
    picture = torch.zeros(1, 3, _SIDE, _SIDE, requires_grad=True)
    try:
        found = function(picture)
    except Exception as error:  # somebody else's function
        reason = console.printable(str(error)).rstrip(".")
        raise ValueError(f"{name} fails on a picture (1, 3, {_SIDE}, {_SIDE}), because {reason}.") from error
    found = [found] if isinstance(found, torch.Tensor) else found
    if not (isinstance(found, (list, tuple)) and all(isinstance(x, torch.Tensor) and x.requires_grad for x in found)):
        raise ValueError(
            f"{name} gives no tensors with a gradient for pictures (N, 3, S, S) in [-1, 1]; name a function that does."
        )
    return lambda pictures: [made] if isinstance(made := function(pictures), torch.Tensor) else made


def _prepare(request: UpscalerRequest, start: Upscaler | None) -> tuple[UpscalerOptions, Dataset]:
    """The options and faces of the run that the folder holds, or of a new one, which run.json then describes."""
    folder = request.folder
    data = request.data if request.data == PORTRAITS else os.path.abspath(request.data)
    rendered = data == PORTRAITS or pairs.are_in(Path(data))
    if request.reading and rendered:
        raise ValueError(f"{next(iter(request.reading))} has no effect on rendered portraits; leave it out.")
    # Networks that the losses take from outside, and what the weights began with.
    others = {"start": request.start, "landmarks": request.landmarks, "features": request.features}
    if (folder / "run.json").exists():
        told = _told(folder)
        begun = asdict(PictureOptions()) | told["reading"] | told["options"] | told["others"] | {"data": told["data"]}
        for name, value in {"data": data, **others, **request.reading, **request.given}.items():
            if begun[name] != value:
                raise ValueError(
                    f"{folder} holds a run with {name}={begun[name]}, not {value}; continue it as it is or choose"
                    " another folder."
                )
        faces = _faces(request) if rendered else datasets.kept(folder)
        return UpscalerOptions(**told["options"]), faces or _faces(request)
    state.check_new(folder, NAME, ("upscaled.png",))
    defaults: dict[str, Any] = {"bfloat16": multiplies_bfloat16(torch.device(request.device))}
    if start is not None:
        defaults["first_step"] = start.step
    options = UpscalerOptions(**(defaults | dict(request.given)))
    faces = _faces(request)
    folder.mkdir(parents=True, exist_ok=True)
    about = {"data": data, "method": NAME, "reading": dict(request.reading), "others": others}
    write_text(folder / "run.json", json.dumps(about | {"options": asdict(options)}, indent=1))
    return options, faces


def _faces(request: UpscalerRequest) -> Dataset:
    if request.data == PORTRAITS:
        folder = request.folder / PORTRAITS
        render(folder, _PORTRAITS_BY_DEFAULT, _SIDE, 0, "characters")
        return pairs.dataset_of(folder, _SIDE)
    source = Path(request.data)
    if pairs.are_in(source):
        return pairs.dataset_of(source, _SIDE)
    return datasets.read(source, request.folder, _SIDE, options=PictureOptions(**request.reading))


def _told(folder: Path) -> dict[str, Any]:
    try:
        told = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} holds no run that can be read; choose another folder.") from error
    if not isinstance(told, dict) or told.get("method") != NAME:
        raise ValueError(f"{folder} holds a run of another kind; choose another folder.")
    return told
