"""The files that a run continues from: its newest state, and the snapshots that it keeps.

    RUN/generator.safetensors                            what the run has made so far
    RUN/state.pt                                         everything that is needed to continue
    RUN/snapshots/generator-000100.000kimg.safetensors   the same after 100 kimg
    RUN/snapshots/state-000100.000kimg.pt

Each file appears whole or not at all. A snapshot is only ever replaced by itself: a killed run that repeats some steps
comes to the same weights.
"""

import io
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan.common.files import whole_file
from stylegan.training.task import Task

_SNAPSHOT = re.compile(r"(?P<name>\w+)-(?P<kimg>\d{6,}\.\d{3})kimg")
_VERSION = 2


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: steps taken.
        seconds: time that they took, over all calls.
        sums: sums of the numbers of each step since the last line of the log.
        log_bytes: length of log.jsonl at the last save.
    """

    step: int = 0
    seconds: float = 0.0
    sums: dict[str, Tensor] = field(default_factory=dict)
    log_bytes: int = 0


def product_path(folder: Path, name: str) -> Path:
    """The path of a run's newest result."""
    return folder / f"{name}.safetensors"


def state_path(folder: Path) -> Path:
    """The path of a run's newest state."""
    return folder / "state.pt"


def check_new(folder: Path, product: str, others: Iterable[str] = ()) -> None:
    """Raises ValueError if a new run in `folder` would overwrite something.

    Args:
        folder: of the run; it need not exist.
        product: name of the task.
        others: names of more files that the run will write.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder for the run.")
    names = [f"{product}.safetensors", "state.pt", "log.jsonl", "snapshots", *others]
    foreign = [name for name in names if (folder / name).exists()]
    if foreign:
        raise ValueError(f"{folder} holds a {foreign[0]} of something else; choose another folder.")


def save(task: Task, folder: Path, progress: Progress) -> None:
    """Writes the state and the result of a run, each whole or not at all.

    Raises:
        DiskFullError: when there is no room; the files of the last save are still there.
    """
    state = {
        "version": _VERSION,
        "options": asdict(task.options),
        "modules": {name: module.state_dict() for name, module in task.modules.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in task.optimizers.items()},
    } | {part.name: getattr(progress, part.name) for part in fields(Progress)}
    # Into memory first, because PyTorch's own writer reports a full disk as a RuntimeError that does not say so.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with whole_file(state_path(folder), durable=True) as part:
        part.write_bytes(buffer.getbuffer())
    task.export(product_path(folder, task.name))


def size(task: Task) -> int:
    """About how many bytes `save` writes: the networks, two averages for each trained weight, and the result."""
    networks = [tensor for module in task.modules.values() for tensor in module.state_dict().values()]
    trained = [p for o in task.optimizers.values() for group in o.param_groups for p in group["params"]]
    return sum(t.nbytes for t in networks) + 3 * sum(p.nbytes for p in trained)


def keep_snapshot(task: Task, folder: Path, kimg: float) -> None:
    """Keeps what `save` has just written as a snapshot."""
    snapshots = folder / "snapshots"
    snapshots.mkdir(exist_ok=True)
    for source in (state_path(folder), product_path(folder, task.name)):
        link(source, snapshots / f"{source.stem}-{kimg:010.3f}kimg{source.suffix}")


def snapshots(folder: Path, name: str = "generator") -> dict[float, Path]:
    """The snapshots that a run's folder keeps, by thousands of pictures, from the first to the last."""
    paths = sorted((folder / "snapshots").glob(f"{name}-*kimg.safetensors"))
    matches = [(path, _SNAPSHOT.fullmatch(path.stem)) for path in paths]
    return {float(match["kimg"]): path for path, match in matches if match}


def link(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`, or a copy where the file system has no links."""
    with whole_file(target) as part:
        part.unlink()
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)


def state_beside(source: Path) -> Path:
    """The state that belongs to a snapshot.

    Args:
        source: a snapshot's `generator-...kimg.safetensors`, a state itself, or the folder of a run, for its newest.

    Raises:
        ValueError: if there is no such state.
    """
    if source.is_dir():
        path = state_path(source)
    elif source.suffix == ".safetensors":
        match = _SNAPSHOT.fullmatch(source.stem)
        path = source.with_name(f"state-{match['kimg']}kimg.pt") if match else state_path(source.parent)
    else:
        path = source
    if not path.is_file():
        raise ValueError(
            f"There is no state {path} to continue from; give a snapshot of a run, such as"
            " RUN/snapshots/generator-000100.000kimg.safetensors."
        )
    return path


def run_folder_of(state: Path) -> Path:
    """The folder of the run that a state belongs to."""
    return state.parent.parent if state.parent.name == "snapshots" else state.parent


def read_state(path: Path) -> dict[str, Any]:
    """Reads a state as data, on the CPU; nothing in the file is run.

    Raises:
        ValueError: if the file cannot be read, or another version wrote it.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        version = state.get("version", 1)
    except Exception as error:  # a damaged file ends in errors of many types
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise ValueError(
            f"{path} cannot be read as the state of a run{reason}; continue from a snapshot with --from."
        ) from error
    if version != _VERSION:
        raise ValueError(
            f"{path} was written by another version of this program; begin a new run with --start and its"
            " generator.safetensors."
        )
    return state


def options_changed(mine: Any, theirs: dict[str, Any]) -> list[str]:
    """The names of the options in which `mine`, a dataclass, differs from those of a state; free ones do not count."""
    kept = [part for part in fields(mine) if not part.metadata.get("free", False)]
    return [part.name for part in kept if getattr(mine, part.name) != theirs.get(part.name, part.default)]


def restore(task: Task, state: dict[str, Any], path: Path) -> Progress:
    """Loads the weights of a state into a task, which keeps its own options, such as the learning rate.

    Raises:
        ValueError: if the state belongs to other networks.
    """
    try:
        if set(state["modules"]) != set(task.modules) or set(state["optimizers"]) != set(task.optimizers):
            raise KeyError(", ".join(state["modules"]))
        for name, module in task.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in task.optimizers.items():
            ours = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
            optimizer.load_state_dict(state["optimizers"][name])
            for group, values in zip(optimizer.param_groups, ours, strict=True):
                group.update(values)
    except (KeyError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{path} is the state of other networks than those of this run; continue it with its own options."
        ) from error
    return Progress(**{part.name: state[part.name] for part in fields(Progress)})
