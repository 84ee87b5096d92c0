"""What `stylegan train` does: finds the pictures, settles the options, and trains or continues."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.loading import load
from stylegan.common import console
from stylegan.common.files import megabytes, write_text
from stylegan.common.processes import cores
from stylegan.common.progress import progress
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator
from stylegan.training import dataset as datasets
from stylegan.training import distributed, pairs, state
from stylegan.training.dataset import Dataset
from stylegan.training.gan import Gan
from stylegan.training.grids import write_grid
from stylegan.training.growth import copy_weights
from stylegan.training.metrics import features_of
from stylegan.training.networks import options_of
from stylegan.training.options import METHODS, PictureOptions, Schedule, TrainingOptions, device_defaults
from stylegan.training.regress import Regression
from stylegan.training.run import Ended, train

PORTRAITS = "portraits"
_PORTRAITS_BY_DEFAULT = 4096
_NAMED_AT_MOST = 20
# A generator memorises a set as small as this.
_FEW = 100

Start = tuple[Generator, Discriminator | None]


@dataclass(frozen=True)
class Request:
    """What the command line asks for. None means the run's own value, or in a new run a default for the device.

    Attributes:
        data: a folder or a zip of pictures, a folder of `pairs.render_shards`, or "portraits".
        folder: of the run.
        device: "cpu" or "cuda".
        method: one of `options.METHODS`.
        given: the options of `TrainingOptions` that were given.
        reading: the options of `PictureOptions` that were given.
        schedule: of this call.
        start: checkpoints to begin with; the layers of each replace those of earlier ones.
        snapshot: a snapshot of a run to continue from in a new folder.
        portraits: how many portraits to render.
        warm_start_kimg: length of the regression on portraits before the GAN.
        features: "module:function", see `metrics.measure`.
        tensorboard: write curves; None writes them if TensorBoard is installed.
    """

    data: str
    folder: Path
    device: str
    method: str = "gan"
    given: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    start: Sequence[str] = ()
    snapshot: Path | None = None
    portraits: int | None = None
    warm_start_kimg: float = 0.0
    features: str | None = None
    tensorboard: bool | None = None


def launch(request: Request) -> int:
    """Trains as requested; returns the exit code: 0, or 128 + n if signal n ended the run (130 for Ctrl-C).

    Raises:
        ValueError: if the request cannot be carried out.
        DiskFullError: if the disk has no room for the run.
    """
    _check(request)
    features = None if request.features is None else features_of(request.features)
    torch.backends.cudnn.benchmark = request.device == "cuda"
    start = _start(request.start, request.method)
    with distributed.processes(request.device) as device:
        with distributed.rank_zero_first():
            options, pictures = _prepare(request, start)
        if distributed.rank() == 0:
            tell_of(pictures)
        if request.warm_start_kimg and not state.state_path(request.folder).exists():
            warm = Regression(pictures, options, device)
            ended = train(warm, request.folder / "warm_start", Schedule(kimg=request.warm_start_kimg))
            if ended.signal is not None:
                return report(request.folder, pictures, ended)
            start = (warm.G_ema, None)
        task: Gan | Regression
        if request.method == "regression":
            task = Regression(pictures, options, device, None if start is None else start[0])
        else:
            task = Gan(pictures, options, device, start, features)
        if distributed.rank() == 0:
            write_grid(request.folder / "reals.png", task.examples())
        begin_with = None if request.snapshot is None else state.state_beside(request.snapshot)
        curves = request.tensorboard
        if curves is None:
            curves = find_spec("tensorboard") is not None
        ended = train(task, request.folder, request.schedule, curves, begin_with)
        return report(request.folder, pictures, ended)


def _check(request: Request) -> None:
    """Raises ValueError for what cannot be done, and for options that would have no effect."""
    if request.method not in METHODS:
        raise ValueError(f"There is no method {request.method!r}; choose one of {', '.join(METHODS)}.")
    distributed.check_device(request.device)
    rendered = request.data == PORTRAITS or pairs.are_in(Path(request.data))
    if not request.warm_start_kimg >= 0:
        raise ValueError(f"A warm start cannot take {request.warm_start_kimg} kimg; give 0 or more.")
    if (request.warm_start_kimg > 0 or request.method == "regression") and not rendered:
        raise ValueError("A regression needs pictures whose latents are known; train on the data portraits.")
    if request.warm_start_kimg and request.method == "regression":
        raise ValueError("A warm start is a regression before a GAN; leave out one of the two.")
    if request.warm_start_kimg and (request.start or request.snapshot is not None):
        raise ValueError("A run begins with a warm start or with a checkpoint; leave out one of the two.")
    if request.start and request.snapshot is not None:
        raise ValueError("A run begins with --start or --from; leave out one of the two.")
    if request.portraits is not None and request.data != PORTRAITS:
        raise ValueError("A number of portraits has no effect on other pictures; leave it out.")
    if request.reading and rendered:
        raise ValueError(f"{next(iter(request.reading))} has no effect on rendered portraits; leave it out.")
    if request.features is not None and request.schedule.metric_kimg == 0:
        raise ValueError("Features are for the measurements; give metric_kimg above 0, or leave them out.")
    used = {None, request.method} | ({"regression"} if request.warm_start_kimg else set())
    for part in fields(TrainingOptions):
        if part.name in request.given and part.metadata.get("method") not in used:
            raise ValueError(f"{part.name} has no effect on the method {request.method}; leave it out.")
    ada = request.given.keys() & {"ada_kimg", "ada_target"}
    if ada and request.given.get("augment", "ada") != "ada":
        raise ValueError(f"{min(ada)} has no effect without the augmentation ada; leave it out.")


def _prepare(request: Request, start: Start | None) -> tuple[TrainingOptions, Dataset]:
    """The options and pictures of the run that the folder holds, or of a new one, which run.json then describes."""
    folder, data = request.folder, _absolute(request.data)
    path = folder / "run.json"
    if path.exists():
        told = _read_json(path)
        options = _options_of_run(request, told, data)
        request = replace(request, reading=told["reading"])
        return options, datasets.kept(folder) or _pictures(request, options.resolution)
    state.check_new(folder, "generator", ("reals.png", "fakes.png"))
    begun = {} if start is None else options_of(start[0])
    if request.snapshot is not None:
        begun = state.read_state(state.state_beside(request.snapshot))["options"]
        if request.given.get("batch_size", begun["batch_size"]) != begun["batch_size"]:
            raise ValueError(f"A snapshot is continued with its batch_size of {begun['batch_size']}; leave it out.")
    pictures = _pictures(request, request.given.get("resolution", begun.get("resolution")))
    of_pictures = {"resolution": pictures.resolution}
    if pictures.latents is not None:
        z_dim = pictures.latents.shape[1]
        if request.given.get("z_dim", z_dim) != z_dim:
            raise ValueError(f"The latents of these portraits have {z_dim} numbers; leave z_dim out.")
        of_pictures["z_dim"] = z_dim
    defaults = device_defaults(request.device == "cuda", pictures.resolution)
    options = TrainingOptions(**(defaults | begun | dict(request.given) | of_pictures))
    told = {
        "data": data,
        "method": request.method,
        "from": None if request.snapshot is None else os.path.abspath(request.snapshot),
        "reading": dict(request.reading),
        "options": asdict(options),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(told, indent=1))
    return options, pictures


def _options_of_run(request: Request, told: Mapping[str, Any], data: str) -> TrainingOptions:
    """The options of a run that is continued; ValueError if the request contradicts them."""
    folder = request.folder
    if told["data"] != data:
        raise ValueError(f"{folder} holds a run on {told['data']}; continue with that, or choose another folder.")
    options = TrainingOptions(**told["options"])
    free = {part.name for part in fields(TrainingOptions) if part.metadata.get("free", False)}
    begun = asdict(PictureOptions()) | told["reading"] | {"method": told["method"]} | asdict(options)
    asked = {"method": request.method, **request.reading, **request.given}
    if request.snapshot is not None:
        begun["from"], asked["from"] = told["from"], os.path.abspath(request.snapshot)
    for name, value in asked.items():
        if begun[name] != value and name not in free:
            raise ValueError(
                f"{folder} holds a run with {name}={begun[name]}, not {value}; continue it as it is or choose another"
                " folder."
            )
    return options


def _read_json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {"method": "gan", "reading": {}, "from": None, **told}
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path} cannot be read; choose another folder.") from error


def _pictures(request: Request, resolution: int | None) -> Dataset:
    """Reads or renders the pictures, or takes those of the snapshot's run if it is a run on the same data."""
    gpu = request.device == "cuda"
    if request.data == PORTRAITS:
        resolution = resolution or (128 if gpu else 64)
        folder = request.folder / PORTRAITS
        render(folder, request.portraits or _PORTRAITS_BY_DEFAULT, resolution, 0)
        return pairs.dataset_of(folder, resolution)
    source = Path(request.data)
    if pairs.are_in(source):
        return pairs.dataset_of(source, resolution)
    if request.snapshot is not None and not request.reading:
        origin = state.run_folder_of(state.state_beside(request.snapshot))
        if (origin / "run.json").exists() and _read_json(origin / "run.json")["data"] == _absolute(request.data):
            taken = datasets.take_over(origin, request.folder)
            if taken is not None:
                return taken
    return datasets.read(source, request.folder, resolution, 256 if gpu else 64, PictureOptions(**request.reading))


def render(folder: Path, count: int, resolution: int, seed: int, kind: str = "people") -> None:
    """Renders portraits with their latents into a folder, on all cores; existing ones are kept."""
    with progress("Rendering portraits", count) as advance:
        done = 0

        def move(rendered: int) -> None:
            nonlocal done
            advance(rendered - done)
            done = rendered

        pairs.render_shards(folder, count, resolution, seed, kind, progress=move, processes=cores())


def generator_of(source: str) -> Generator:
    """Loads a generator that can be trained.

    Raises:
        ValueError: if it is not a StyleGAN2 of the usual form, or there is none.
    """
    generator = load(source)
    options_of(generator)
    assert isinstance(generator, Generator)
    return generator


def _start(sources: Sequence[str], method: str) -> Start | None:
    """The generator to begin with, made of all checkpoints' layers; for a GAN also the last one's discriminator."""
    generator: Generator | None = None
    discriminator: Discriminator | None = None
    for source in sources:
        loaded = generator_of(source)
        if generator is None:
            generator = loaded
        else:
            copy_weights(loaded, generator)
        if method != "gan":
            continue
        try:
            discriminator = load(source, "D")
        except CheckpointError:
            discriminator = None
            if distributed.rank() == 0:
                console.say(f"{source} has no discriminator; a fresh one is trained")
    return None if generator is None else (generator, discriminator)


def _absolute(data: str) -> str:
    return data if data == PORTRAITS else os.path.abspath(data)


def tell_of(pictures: Dataset) -> None:
    """Says what the run learns from, and which files it leaves out."""
    labels = f", labels {', '.join(pictures.classes)}" if pictures.classes else ""
    count = "1 picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
    console.say(f"{count} of {pictures.resolution} px ({megabytes(pictures.pictures.nbytes)}){labels}")
    if pictures.others:
        endings = ", ".join(f"{number} {ending or 'without ending'}" for ending, number in pictures.others)
        console.warn(f"Files of other kinds are passed over: {endings}.")
    if pictures.skipped:
        console.warn(f"{_files(len(pictures.skipped))} cannot be read and will be missing:")
        for name in pictures.skipped[:_NAMED_AT_MOST]:
            console.warn(f"  {name}")
        if len(pictures.skipped) > _NAMED_AT_MOST:
            console.warn(f"  and {len(pictures.skipped) - _NAMED_AT_MOST} more, named in pictures.json")
    if len(pictures) < _FEW:
        console.warn(f"A generator memorises {count} and draws nothing new; give some hundred.")


def report(folder: Path, pictures: Dataset, ended: Ended) -> int:
    """Says how a call of `train` ended; returns its exit code."""
    if distributed.rank() == 0:
        how = "Ended" if ended.signal is None else f"Stopped by {ended.signal.name}"
        skipped = f"; {_files(len(pictures.skipped))} could not be read" if pictures.skipped else ""
        console.say(f"{how} at {ended.kimg:.3f} kimg{skipped}; the same command continues the run")
        console.say(str(folder / "generator.safetensors"))
    return 0 if ended.signal is None else 128 + ended.signal


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
