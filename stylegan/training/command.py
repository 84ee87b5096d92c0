"""What `stylegan train` does: finds the pictures, settles the options, and trains or continues."""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.loading import load
from stylegan.common.processes import cores
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator
from stylegan.training import dataset as datasets
from stylegan.training import distributed, pairs
from stylegan.training.dataset import Dataset
from stylegan.training.gan import train
from stylegan.training.metrics import features_of
from stylegan.training.networks import options_of
from stylegan.training.options import Schedule, TrainingOptions
from stylegan.training.warm_start import warm_start

PORTRAITS = "portraits"
_NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Request:
    """What the command line asks for; None is what the run has, or else what suits the device.

    Args:
        data: a folder or a zip of pictures, or "portraits".
        folder: of the run.
        device: "cpu" or "cuda".
        given: options of `TrainingOptions` that were asked for.
        kimg, minutes, save_minutes, log_steps, metric_pictures: see `Schedule`.
        grid_kimg, metric_kimg: thousands of pictures between two grids or measurements; 0 for none.
        start: a checkpoint to begin with.
        fit, background, labelled: see `dataset.read`.
        portraits: how many are rendered.
        warm_start_kimg: regression before the adversarial training, of portraits.
        features: "module:function", see `metrics.measure`.
        tensorboard: write curves.
    """

    data: str
    folder: Path
    device: str
    given: dict[str, Any]
    kimg: float = 5000.0
    minutes: float | None = None
    save_minutes: float = 5.0
    log_steps: int = 50
    grid_kimg: float = 4.0
    metric_kimg: float = 20.0
    metric_pictures: int = 2048
    start: str | None = None
    fit: str = "crop"
    background: str = "white"
    labelled: bool = False
    portraits: int = 4096
    warm_start_kimg: float = 0.0
    features: str | None = None
    tensorboard: bool = True


def run(request: Request) -> int:
    """Train as requested; returns the exit code 0.

    Raises:
        ValueError: if the request cannot be carried out.
    """
    if request.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("There is no GPU that PyTorch can use; train with --device cpu.")
    if request.warm_start_kimg < 0 or (request.warm_start_kimg > 0 and request.data != PORTRAITS):
        raise ValueError("A warm start needs pictures whose latents are known; ask for it with the data portraits.")
    features = None if request.features is None else features_of(request.features)
    torch.backends.cudnn.benchmark = request.device == "cuda"
    begin = None if request.start is None else _start(request.start)
    with distributed.processes(request.device) as device:
        with distributed.rank_zero_first():
            options, pictures = _prepare(request, begin)
        _say(f"{len(pictures)} pictures of {pictures.resolution} px" + _labels_told(pictures))
        batch = options.batch_size
        schedule = Schedule(
            request.kimg,
            request.minutes,
            request.save_minutes,
            request.log_steps,
            _steps(request.grid_kimg, batch),
            _steps(request.metric_kimg, batch),
            request.metric_pictures,
        )
        if request.warm_start_kimg and begin is None:
            warm = request.folder / "warm_start"
            if distributed.world_size() > 1:
                raise ValueError("A warm start runs in one process; do it first, without torchrun.")
            begin = (warm_start(pictures, warm, options, Schedule(request.warm_start_kimg), device=device), None)
        train(pictures, request.folder, options, schedule, begin, device, features, request.tensorboard)
        _say(f"{request.folder / 'generator.safetensors'}; the same command continues the run")
        if pictures.skipped and distributed.rank() == 0:
            _name_skipped(pictures.skipped)
    return 0


def _prepare(request: Request, begin: tuple[Generator, Discriminator | None] | None) -> tuple[TrainingOptions, Dataset]:
    """The options and pictures of the run that the folder holds, or of a new one, which the folder then tells of."""
    folder, data = request.folder, _absolute(request.data)
    path = folder / "run.json"
    if path.exists():
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["data"] != data:
            raise ValueError(f"{folder} holds a run on {told['data']}; continue with that, or choose another folder.")
        options = TrainingOptions(**told["options"])
        for name, value in request.given.items():
            if getattr(options, name) != value:
                raise ValueError(
                    f"{folder} holds a run with {name}={getattr(options, name)}, not {value}; continue it as it is or"
                    " choose another folder."
                )
        # The very pictures that the run began with.
        return options, datasets.kept(folder) or _pictures(request, options.resolution)
    started = {} if begin is None else options_of(begin[0])
    resolution = request.given.get("resolution", started.get("resolution"))
    pictures = _pictures(request, resolution)
    resolution = pictures.resolution
    defaults = _defaults(request.device.startswith("cuda"), resolution)
    options = TrainingOptions(**(defaults | started | request.given | {"resolution": resolution}))
    beside = folder / "run.json.part"
    beside.write_text(json.dumps({"data": data, "options": asdict(options)}, indent=1), encoding="utf-8")
    os.replace(beside, path)
    return options, pictures


def _defaults(gpu: bool, resolution: int) -> dict[str, Any]:
    """What suits a small set of pictures: on a GPU the sizes of Karras et al., on a CPU what learns in minutes."""
    if gpu:
        return {
            "w_dim": 512,
            "channel_base": 16384,
            "channel_max": 512,
            "mapping_layers": 2,
            "mapping_lr_multiplier": 0.01,
            "num_fp16_res": 4,
            "batch_size": 32,
            "ema_kimg": 10.0,
            "augment": "ada",
        }
    return {
        "w_dim": 128,
        "channel_base": 16 * resolution,
        "channel_max": 64,
        "mapping_layers": 2,
        "batch_size": 16,
        # So small a generator is held by a discriminator that is held more firmly.
        "r1_gamma": 0.0001 * resolution**2,
        # A third of the time, for smoothness that a short run does not get to; the same for mixing.
        "pl_weight": 0.0,
        "style_mixing": 0.0,
        "augment": "ada",
        # A run of some ten thousand pictures must find its p within a part of them.
        "ada_kimg": 50.0,
    }


def _pictures(request: Request, resolution: int | None) -> Dataset:
    gpu = request.device.startswith("cuda")
    largest = 256 if gpu else 64
    if request.data == PORTRAITS:
        resolution = resolution or (128 if gpu else 64)
        folder = request.folder / PORTRAITS
        pairs.render_shards(
            folder,
            request.portraits,
            resolution,
            progress=lambda n: _say(f"{n} portraits rendered"),
            processes=cores(),
        )
        return pairs.dataset_of(folder, resolution)
    return datasets.read(
        Path(request.data),
        request.folder,
        resolution,
        largest,
        request.fit,
        request.background,
        request.labelled,
    )


def _start(source: str) -> tuple[Generator, Discriminator | None]:
    """The generator of a checkpoint, as it is in training, and its discriminator where there is one."""
    generator = load(source)
    options_of(generator)
    assert isinstance(generator, Generator)
    try:
        return generator, load(source, "D")
    except CheckpointError:
        _say(f"{source} has no discriminator; a fresh one is trained")
        return generator, None


def _steps(kimg: float, batch: int) -> int:
    return 0 if kimg <= 0 else max(1, round(kimg * 1000 / batch))


def _absolute(data: str) -> str:
    return data if data == PORTRAITS else os.path.abspath(data)


def _labels_told(pictures: Dataset) -> str:
    return f", labels {', '.join(pictures.classes)}" if pictures.classes else ""


def _say(text: str) -> None:
    if distributed.rank() == 0:
        print(text, flush=True)


def _name_skipped(skipped: tuple[str, ...]) -> None:
    print(f"Skipped {len(skipped)} files that could not be read:", file=sys.stderr)
    for name in skipped[:_NAMED_AT_MOST]:
        print(f"  {name}", file=sys.stderr)
    if len(skipped) > _NAMED_AT_MOST:
        print(f"  and {len(skipped) - _NAMED_AT_MOST} more", file=sys.stderr)
