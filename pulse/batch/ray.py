"""Many pictures on many machines: a Ray cluster (P. Moritz et al., Ray, OSDI 2018).

This process plans, reads, writes and reports, as `pulse.batch.here` does; only the searches run elsewhere. A worker
gets a picture's bytes and gives back those of its results, so the machines need no disk in common. What all workers
need, the generator above all, lies in the cluster's object store once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import torch

from pulse import methods, pictures
from pulse.batch.cluster import connected, cores_of_machines
from pulse.batch.one import Task, done_before, makers, search_one, tasks
from pulse.batch.order import EXPECTED, Found, Order, Report, sentence
from pulse.batch.plan import Job
from pulse.batch.worker import Made, Shared, kind_of_machine, search
from pulse.generators import device_of
from pulse.operators import Downsampler
from stylegan.common import console, ending
from stylegan.common.files import is_full, write_bytes
from stylegan.gaussian_fit import fit_gaussian

# A picture whose worker is lost so often is given up: it may be what takes the memory.
_TRIES = 3
# Seconds between two looks for signals, and between two counts of the machines.
_LOOK, _COUNT = 0.2, 2.0
# Larger files are read here; a picture of the largest size allowed takes half of it without any compression.
_MOST_BYTES = 2**29


def search_pictures(
    jobs: Sequence[Job],
    order: Order,
    G: Any = None,
    on_share: Callable[[float], object] = lambda share: None,
    address: str = "auto",
) -> Report:
    """Does and says what `pulse.batch.here.search_pictures` does, with the pictures spread over a Ray cluster.

    Each search has as many threads as torch has in this process, so a result is the same to the last bit as it would
    be here, where the other machine has the same kind of processor and the same packages. A worker takes a core for
    each thread.

    A line is printed as soon as its result is there; in the report everything has the order of the jobs. A picture
    whose worker was lost is given to another one. After a signal, pictures that are still searched for are not begun.

    Args:
        jobs, order, G, on_share: as there.
        address: of the cluster's head, as 10.0.0.5:6379; "auto" starts a cluster of this machine's cores, which ends
            with this call. A cluster that this process is connected to is used in any case.

    Raises:
        ValueError: Ray is not installed, no cluster answers, or none of its machines has a core for each thread.
    """
    made_by = makers(order, G)
    study = _study(order, G)
    parts: dict[int, Report] = {}
    interrupted = False
    with ending.steps() as check:
        try:
            if address == "auto":
                # From here on a signal waits for the next look: Ray would hang if its processes were ended first.
                check()
            with connected(address) as ray:
                check()
                run = _Run(ray, jobs, order, G, study, lambda job: tasks(job, order, made_by), on_share, parts)
                run.follow(check)
        except KeyboardInterrupt:
            interrupted = True
        except _DiskFull:
            # The report says so.
            pass
    report = Report(quiet=order.quiet, interrupted=interrupted)
    for number, job in enumerate(jobs):
        if number in parts:
            report.join(parts[number])
        else:
            report.leave([job])
    return report


def _study(order: Order, G: Any) -> tuple[str, bytes] | None:
    """Computes what each worker would have to compute anew: the gaussian fit, and what the method "fast" has to know.

    Returns:
        The name and the bytes of the file that holds the second; None where there is none. The first is a part of G.
    """
    if G is None:
        return None
    options = order.options
    if getattr(G, "gaussian_fit", None) is None and options.space in ("gaussianized", "pulse") and _plain(G):
        fit_gaussian(G)
    if methods.named(options, G, own=False) != "fast":
        return None
    from pulse import fast

    size = min(order.target.size, int(G.img_resolution))
    file = fast.kept_study(G, Downsampler((int(G.img_resolution),) * 2, (size, size), options.kernel))
    return None if file is None else (file.name, file.read_bytes())


def _plain(G: Any) -> bool:
    """Whether a generator is not conditional; the fit of one that is depends on the labels."""
    return int(getattr(G, "c_dim", 0)) == 0


class _DiskFull(Exception):
    """Nothing more can be written."""


@dataclass(frozen=True)
class _Asked:
    """What a worker was asked for: the tasks of job `number`, and what is left of them from an earlier run."""

    number: int
    tasks: list[Task]
    before: list[Found | None]


class _Run:
    """A batch on its way: which pictures the workers have, and what came of the others."""

    def __init__(
        self,
        ray: Any,
        jobs: Sequence[Job],
        order: Order,
        G: Any,
        study: tuple[str, bytes] | None,
        tasks_of: Callable[[Job], list[Task]],
        on_share: Callable[[float], object],
        parts: dict[int, Report],
    ) -> None:
        self.ray, self.jobs, self.order, self.G = ray, jobs, order, G
        self.tasks_of, self.on_share, self.parts = tasks_of, on_share, parts
        self.threads = torch.get_num_threads()
        most = max(cores_of_machines(ray), default=0)
        if most < self.threads:
            raise ValueError(
                f"A search has {self.threads} threads here, and no machine of the cluster has more than {most} cores; "
                f"choose {max(most, 1)} threads."
            )
        device = "cpu" if G is None else device_of(G).type
        on_cpu = G if device == "cpu" else copy.deepcopy(G).cpu()
        self.shared = ray.put(Shared(order, on_cpu, device, study, self.threads, pictures.software()))
        self.search = ray.remote(search).options(
            num_cpus=self.threads,
            num_gpus=0 if device == "cpu" else 1,
            max_retries=_TRIES - 1,
            # By default the first machine is filled before the next one gets anything.
            scheduling_strategy="SPREAD",
        )
        self.waiting: dict[Any, _Asked] = {}
        self.warned: set[str] = set()

    def follow(self, check: Callable[[], None]) -> None:
        """Gives out all pictures, and takes in what comes back; `check` raises KeyboardInterrupt after a signal."""
        begun, at_once, counted = 0, 0, -_COUNT
        while begun < len(self.jobs) or self.waiting:
            if monotonic() - counted > _COUNT:
                # Machines come and go. Of twice as many pictures as workers, the next ones are there in time.
                workers = sum(cores // self.threads for cores in cores_of_machines(self.ray))
                at_once, counted = max(2, 2 * workers), monotonic()
            if begun < len(self.jobs) and len(self.waiting) < at_once:
                self._take_in(begun, self._begin, begun)
                begun += 1
            else:
                done, _ = self.ray.wait(list(self.waiting), timeout=_LOOK)
                for answer in done:
                    asked = self.waiting.pop(answer)
                    self._take_in(asked.number, self._end, answer, asked)
            check()

    def _take_in(self, number: int, act: Callable[..., list[Found] | None], *arguments: Any) -> None:
        """Reports what came of a picture, unless a worker has it now."""
        job, part = self.jobs[number], Report(quiet=self.order.quiet)
        full = False
        try:
            found = act(*arguments, part)
            if found is None:
                return
            for one in found:
                part.add(job, one)
        except EXPECTED as error:
            part.failures.append(sentence(error, job.source))
            full = isinstance(error, OSError) and is_full(error)
        self.parts[number] = part
        self.on_share(1)
        if full:
            raise _DiskFull

    def _begin(self, number: int, part: Report) -> list[Found] | None:
        """Gives a picture to a worker; where there is nothing to search for, returns what an earlier run left."""
        job = self.jobs[number]
        asked = self.tasks_of(job)
        before = [done_before(task, self.order) for task in asked]
        if None not in before:
            return [found for found in before if found is not None]
        data = None
        try:
            if job.source.stat().st_size <= _MOST_BYTES:
                data = job.source.read_bytes()
        except OSError:
            # Its reader will explain.
            pass
        if data is None:
            return [found or search_one(task, self.order, self.G) for task, found in zip(asked, before, strict=True)]
        left = [task for task, found in zip(asked, before, strict=True) if found is None]
        self.waiting[self.search.remote([self.shared], left, data)] = _Asked(number, asked, before)
        return None

    def _end(self, answer: Any, asked: _Asked, part: Report) -> list[Found]:
        """Writes what a worker made of a picture."""
        made = self._made(answer)
        self._compare(made, part)
        found = {one.output: one for one in asked.before if one is not None}
        for one, png, whole in made.found:
            task = next(task for task in asked.tasks if task.output == one.output)
            task.output.parent.mkdir(parents=True, exist_ok=True)
            if whole is not None:
                write_bytes(task.whole, whole)
            write_bytes(task.output, png)
            found[one.output] = one
        if made.failure is not None:
            part.failures.append(made.failure)
        return [found[task.output] for task in asked.tasks if task.output in found]

    def _made(self, answer: Any) -> Made:
        try:
            made: Made = self.ray.get(answer)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:
            raise RuntimeError(
                f"its worker was lost {_TRIES} times ({type(error).__name__}); check the memory of the machines, and "
                "run the same again"
            ) from error
        return made

    def _compare(self, made: Made, part: Report) -> None:
        """Says, once for each machine, that its results may differ from those of this one."""
        if made.kind == kind_of_machine() or made.machine in self.warned:
            return
        self.warned.add(made.machine)
        told = (
            f"The machine {made.machine} has {made.kind}, this one has {kind_of_machine()}; its results may differ "
            "from this one's in the last bits."
        )
        part.notes.append(told)
        if not self.order.quiet:
            console.warn(told)
