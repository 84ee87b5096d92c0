"""The answers of methods in a folder: each is kept as it is made, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import inspect
import json
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import cuda_ops
import pulse
import stylegan
from benchmarks.super_resolution import measures, methods
from benchmarks.super_resolution.measures import Known, Row
from benchmarks.super_resolution.methods import Method, Task
from benchmarks.super_resolution.reader import read
from benchmarks.super_resolution.weighted import Metric
from stylegan.common.files import write_text
from stylegan.common.png import write_png

_TEXT = {
    "Description": "Synthetic face: a method under test invented it to fit a small picture; it shows no real person.",
    "synthetic": "true",
}
# Endings of files with code.
_SOURCES = (".py", ".cpp", ".h", ".cu")
# How many answers are measured at a time.
_PART = 16


@dataclass(frozen=True, eq=False)
class Asked:
    """Small pictures, and what is known of the large ones that they were made of.

    Args:
        questions: (N, 3, s, s) in [0, 1].
        known: of the truths; None where there are none, and only groups are read.
        task: for all of them; its seeds are one for each.
    """

    questions: Tensor
    known: Known | None
    task: Task


def answer(method: Method, asked: Asked, folder: Path, more: dict[str, Metric], tell: Callable[[str], None]) -> None:
    """Makes and measures those of a method's answers that are not in the folder yet.

    Each of `method.answers` gets a folder with a PNG for each picture and rows.json.

    Args:
        method: to ask.
        asked: what it is asked.
        folder: of this degradation.
        more: metrics with weights from elsewhere.
        tell: gets a line now and then.
    """
    places = {name: folder / slug(name) for name in method.answers}
    rows = {name: read_rows(place) for name, place in places.items()}
    weights = method.weights(asked.task)
    made = [_digest(method, weights, asked, i) for i in range(len(asked.questions))]

    def is_there(name: str, i: int) -> bool:
        return rows[name].get(i, {}).get("made") == made[i] and _png(places[name], i).exists()

    missing = [i for i in range(len(made)) if not all(is_there(name, i) for name in places)]
    done = len(made) - len(missing)
    for part in _batches(missing, method.at_once):
        task = replace(asked.task, seeds=tuple(asked.task.seeds[i] for i in part))
        images, cost = _timed(lambda p=part, t=task: method(asked.questions[p], t))  # type: ignore[misc]
        cost = {name: value / len(part) if name != "peak" else value for name, value in cost.items()}
        for name, answers in zip(method.answers, images, strict=True):
            places[name].mkdir(parents=True, exist_ok=True)
            for i, image in zip(part, answers, strict=True):
                write_png(_png(places[name], i), image, _TEXT)
                rows[name][i] = {"made": made[i], **cost}
            _write_rows(places[name], rows[name])
        done += len(part)
        tell(f"{method.key}: {done} of {len(made)}")
    for name, place in places.items():
        _measure(asked, place, rows[name], more)


def _batches(numbers: Sequence[int], most: int) -> list[list[int]]:
    """Numbers that follow one another, because a search counts its seeds on; at most so many together."""
    batches: list[list[int]] = []
    for i in numbers:
        if batches and len(batches[-1]) < most and batches[-1][-1] == i - 1:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _measure(asked: Asked, place: Path, rows: dict[int, Row], more: dict[str, Metric]) -> None:
    known = asked.known
    with_what = f"{measures.VERSION} {measures.sees_faces()} {measures.sees_landmarks()} {sorted(more)}"
    missing = [i for i in range(len(asked.questions)) if rows[i].get("measured") != with_what]
    for first in range(0, len(missing), _PART):
        part = missing[first : first + _PART]
        images = read_answers(place, part)
        if known is None:
            found: list[Row] = [{"groups": groups} for groups in read(images).tolist()]
        else:
            some = known.rows(part)
            operator = asked.task.operator(asked.questions.shape[-1])
            found = measures.measure(images, asked.questions[part], some, operator, asked.task.eps, more)
        for i, numbers in zip(part, found, strict=True):
            rows[i] |= {"measured": with_what, **numbers}
        _write_rows(place, rows)


def read_answers(place: Path, which: Sequence[int]) -> Tensor:
    """Answers (N, 3, R, R) in [0, 1] by their numbers."""
    images = []
    for i in which:
        with Image.open(_png(place, i)) as picture:
            images.append(torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1))
    return torch.stack(images).float() / 255


def read_rows(place: Path) -> dict[int, Row]:
    """What is known of the answers in a folder, by their numbers; nothing if there are none."""
    path = place / "rows.json"
    return {int(i): row for i, row in json.loads(path.read_text()).items()} if path.exists() else {}


def _write_rows(place: Path, rows: dict[int, Row]) -> None:
    write_text(place / "rows.json", json.dumps({i: rows[i] for i in sorted(rows)}))


def slug(name: str) -> str:
    """The name of an answer as that of a folder.

    >>> slug("search, bounded")
    'search-bounded'
    """
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())


def _png(place: Path, i: int) -> Path:
    return place / f"{i:05d}.png"


@cache
def _code() -> str:
    """A digest of the code that answers: another version's answers stand in no table of this one's."""
    digest = hashlib.sha256()
    for package in (pulse, stylegan, cuda_ops):
        folder = Path(package.__path__[0])
        for path in sorted(path for path in folder.rglob("*") if path.suffix in _SOURCES):
            digest.update(path.read_bytes())
    digest.update(Path(methods.__file__).read_bytes())
    return digest.hexdigest()


def _digest(method: Method, weights: str, asked: Asked, i: int) -> str:
    """What an answer depends on, as a number: the code, the pictures, the task, the weights."""
    task = asked.task
    facts: list[Any] = [_code(), method.key, method.answers, weights]
    facts += [task.resolution, task.steps, task.eps, task.seeds[i]]
    facts.append(repr(task.degradation))
    with suppress(TypeError, OSError):
        facts.append(inspect.getsource(inspect.unwrap(method.function)) if ":" in method.key else "")
    digest = hashlib.sha256(json.dumps(facts).encode())
    digest.update(asked.questions[i].contiguous().numpy().tobytes())
    if asked.known is not None:
        digest.update(asked.known.images[i].contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _timed(call: Callable[[], list[Tensor]]) -> tuple[list[Tensor], dict[str, float]]:
    """What a call returns; its seconds by the clock and of the processors; the most memory that it took, in bytes.

    The memory is a GPU's where there is one; else what the process grew by (Linux; 0 where that cannot be known).
    """
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.reset_peak_memory_stats()
        before = float(torch.cuda.memory_allocated())
    else:
        before = _restart_peak()
    clock, processors = time.perf_counter(), time.process_time()
    returned = call()
    cost = {"seconds": time.perf_counter() - clock, "cpu": time.process_time() - processors}
    after = float(torch.cuda.max_memory_allocated()) if gpu else _status("VmHWM")
    return returned, {**cost, "peak": max(0.0, after - before)}


def _restart_peak() -> float:
    """Lets Linux count the largest size of this process anew; returns its present size in bytes."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return _status("VmRSS")


def _status(name: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith(name)), 0.0)
