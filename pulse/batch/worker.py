"""What a worker of a cluster does: one picture from its bytes to those of its results."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from pulse import fast, pictures
from pulse.batch.one import Task, search_one
from pulse.batch.order import EXPECTED, Found, Order, sentence
from stylegan.common.console import printable
from stylegan.common.processes import with_threads


@dataclass(frozen=True)
class Shared:
    """What all workers need, and what lies in the cluster's object store once.

    Attributes:
        order: what is wanted.
        G: the generator, on the CPU; None where none is needed.
        device: where it searches, "cpu" or "cuda".
        study: a file's name and bytes, for `pulse.fast.keep_study`; None where the method needs none.
        threads: of each search.
        software: the name and version of this program.
    """

    order: Order
    G: Any
    device: str
    study: tuple[str, bytes] | None
    threads: int
    software: str


@dataclass
class Made:
    """What a worker gives back for a picture.

    Attributes:
        found: what came of each task that was done, and the bytes of its PNG and of its whole result.
        failure: why the next one was not, in a sentence.
        machine: the worker's machine.
        kind: of that machine, as `kind_of_machine`.
    """

    found: list[tuple[Found, bytes, bytes | None]] = field(default_factory=list)
    failure: str | None = None
    machine: str = field(default_factory=platform.node)
    kind: str = field(default_factory=lambda: kind_of_machine())


def kind_of_machine() -> str:
    """What a machine's last bits depend on beside its threads: the version of torch, and which instructions it uses."""
    return f"torch {torch.__version__} with {torch.backends.cpu.get_cpu_capability()}"


# A worker's process searches for many pictures of one batch.
_received: dict[Any, Shared] = {}


def search(where: Sequence[Any], tasks: Sequence[Task], data: bytes) -> Made:
    """Searches for one picture; runs on a worker.

    Args:
        where: the reference to what is shared, in a list: Ray would fetch a plain one for every picture.
        tasks: what is to be done, all of one picture.
        data: the picture's bytes.
    """
    if where[0] not in _received:
        import ray

        _received.clear()
        shared = _received[where[0]] = ray.get(where[0])
        if shared.G is not None:
            shared.G.to(shared.device)
        if shared.study is not None:
            fast.keep_study(*shared.study)
    shared = _received[where[0]]
    if pictures.software() != shared.software:
        raise ImportError(
            f"The machine {platform.node()} has {pictures.software()} and this one {shared.software}; "
            "install the same version on both."
        )
    made = Made()
    with TemporaryDirectory(prefix="pulse-") as folder, with_threads(shared.threads):
        # The name of a picture is part of the text of its results.
        source = Path(folder) / "in" / tasks[0].source.name
        source.parent.mkdir()
        source.write_bytes(data)
        for task in tasks:
            here = replace(task, source=source, output=Path(folder) / "out" / task.output.name)
            try:
                found = search_one(here, shared.order, shared.G)
            except EXPECTED as error:
                told = sentence(error, source)
                for name in (printable, str):
                    told = told.replace(name(source), name(task.source))
                made.failure = told
                break
            whole = here.whole.read_bytes() if shared.order.save_results else None
            made.found.append((replace(found, output=task.output), here.output.read_bytes(), whole))
    return made
