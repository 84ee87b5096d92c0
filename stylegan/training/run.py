"""A training run: saves, resumes, logs, stops. It knows nothing of networks; what it trains is a `Task`.

No random state is saved. Everything random in a step is drawn from a generator that is seeded with the seed of the run,
the number of the step and the process, so a run that was stopped or killed continues as if it had never stopped.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan.common.files import DiskFullError, check_room, is_full
from stylegan.training import distributed, state
from stylegan.training.grids import grid_path, remove_grids_after, write_grid
from stylegan.training.log import Log, duration
from stylegan.training.options import Schedule
from stylegan.training.task import Task


@dataclass(frozen=True)
class Ended:
    """How a call of `train` ended.

    Attributes:
        step: steps that the run has taken in all.
        kimg: thousands of pictures that it has seen in all.
        signal: SIGINT, SIGTERM or SIGHUP if one of them ended it, else None.
    """

    step: int
    kimg: float
    signal: signal.Signals | None


def train(
    task: Task, folder: Path, schedule: Schedule, tensorboard: bool = False, begin_with: Path | None = None
) -> Ended:
    """Trains a task in a folder, or continues the run that the folder holds.

    The first SIGINT, SIGTERM or SIGHUP saves the run and ends it after the current step; the second ends it at once.

    Args:
        task: what is trained; changed in place.
        folder: of the run; made if it is missing.
        schedule: of this call.
        tensorboard: write curves for TensorBoard.
        begin_with: the state of a snapshot, for a new run to begin with.

    Raises:
        ValueError: if the folder holds a run with other options or networks, or is in use by another process.
        DiskFullError: if there is no room for what a run keeps, at the beginning or later. The last save is intact.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        run = _Run(task, folder, schedule, tensorboard, begin_with)
        try:
            return run.go_on()
        except OSError as error:
            if isinstance(error, DiskFullError) or not is_full(error):
                raise
            raise DiskFullError(
                error.errno, f"The disk is full; {folder} keeps the last save: free some space and continue from it"
            ) from error
        finally:
            # On a full disk this fails again.
            with suppress(OSError):
                run.log.close()


class _Run:
    def __init__(
        self, task: Task, folder: Path, schedule: Schedule, tensorboard: bool, begin_with: Path | None
    ) -> None:
        self.task = task
        self.folder = folder
        self.schedule = schedule
        self.device = next(tensor.device for module in task.modules.values() for tensor in module.state_dict().values())
        self.log = Log(folder, tensorboard)
        self.progress = self._resumed(begin_with)
        if distributed.rank() == 0:
            # The previous save stays until the new one is complete.
            check_room(folder, 2 * state.size(task), "The saves of the run")
            self.log.begin(self.progress.log_bytes, self.progress.step)
            remove_grids_after(folder, self.progress.step)

    def _resumed(self, begin_with: Path | None) -> state.Progress:
        path = state.state_path(self.folder)
        begins = not path.exists()
        if begins and begin_with is None:
            return state.Progress()
        path = begin_with if begins and begin_with is not None else path
        saved = state.read_state(path)
        changed = [] if begins else state.options_changed(self.task.options, saved["options"])
        if changed:
            raise ValueError(
                f"{self.folder} holds a run with {changed[0]}={saved['options'].get(changed[0])}, not"
                f" {getattr(self.task.options, changed[0])}; continue it with its own options or choose another folder."
            )
        progress = state.restore(self.task, saved, path)
        progress.sums = {name: value.to(self.device) for name, value in progress.sums.items()}
        if begins:
            progress.log_bytes = 0
        return progress

    @property
    def batch(self) -> int:
        return self.task.options.batch_size

    @property
    def kimg(self) -> float:
        return self.progress.step * self.batch / 1000

    def go_on(self) -> Ended:
        """Takes steps until the schedule's `kimg` or `minutes` are spent, or a signal comes."""
        begun = saved = time.monotonic()
        before = self.progress.seconds
        if self.progress.step and self._due(self.schedule.snapshot_kimg) and not self._has_snapshot():
            # The run was killed between its save and the snapshot of it.
            self._save(snapshot=True)
        told = _Told(self.kimg, begun)
        limit = float("inf") if self.schedule.minutes is None else self.schedule.minutes * 60
        took_steps = False
        with _stop_requested() as stop:
            while self.kimg < self.schedule.kimg:
                ends = bool(stop) or time.monotonic() - begun > limit
                if distributed.any_process(ends, self.device):
                    break
                numbers = self.task.step(self.progress.step, self._rng())
                self.progress.step += 1
                self.progress.seconds = before + time.monotonic() - begun
                took_steps = True
                self._look(numbers, told, begun + limit)
                if self._due(self.schedule.snapshot_kimg) or time.monotonic() - saved > self.schedule.save_minutes * 60:
                    self._save(snapshot=self._due(self.schedule.snapshot_kimg))
                    saved = time.monotonic()
            self._save(snapshot=took_steps and self.schedule.snapshot_kimg > 0)
            if distributed.rank() == 0:
                for name, pictures in self.task.pictures().items():
                    write_grid(self.folder / f"{name}.png", pictures)
        return Ended(self.progress.step, self.kimg, stop[0] if stop else None)

    def _rng(self) -> torch.Generator:
        seed = (self.task.options.seed * 1_000_003 + self.progress.step) * 1_009 + distributed.rank()
        return torch.Generator(self.device).manual_seed(seed)

    def _due(self, kimg: float) -> bool:
        """Whether the step just taken completes another `kimg` thousand pictures; 0 is never."""
        return kimg > 0 and self.progress.step % max(1, round(kimg * 1000 / self.batch)) == 0

    def _look(self, numbers: Mapping[str, Tensor], told: "_Told", end: float) -> None:
        """Writes what is due after a step: a measurement, a log line (with the numbers of process 0), a grid."""
        writes = distributed.rank() == 0
        for name, value in numbers.items():
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value.detach()
        if writes and self._due(self.schedule.metric_kimg):
            measured = dict(self.task.measure(self.schedule.metric_pictures))
            self._write(measured)
            print(f"{self.kimg:9.3f} kimg  {_shown(measured)}", flush=True)
        if self.progress.step % self.schedule.log_steps == 0:
            if writes:
                steps = self.schedule.log_steps
                means = {name: round(float(value) / steps, 5) for name, value in self.progress.sums.items()}
                self._write({"seconds": round(self.progress.seconds, 1)} | means)
                print(f"{told.line(self.kimg, self.schedule.kimg, end)}  {_shown(means)}", flush=True)
            self.progress.sums = {}
        if writes and self._due(self.schedule.grid_kimg):
            for name, pictures in self.task.pictures().items():
                write_grid(grid_path(self.folder, name, self.progress.step), pictures)

    def _write(self, numbers: Mapping[str, float]) -> None:
        self.log.write({"step": self.progress.step, "kimg": round(self.kimg, 3), **numbers}, self.progress.step)

    def _has_snapshot(self) -> bool:
        kept = state.snapshots(self.folder, self.task.name)
        return any(abs(kimg - self.kimg) < 5e-4 for kimg in kept)

    def _save(self, snapshot: bool) -> None:
        if distributed.rank() > 0:
            return
        self.progress.log_bytes = len(self.log)
        state.save(self.task, self.folder, self.progress)
        if snapshot:
            state.keep_snapshot(self.task, self.folder, self.kimg)


class _Told:
    """When the last line was printed, for the speed since then."""

    def __init__(self, kimg: float, now: float) -> None:
        self.kimg, self.then = kimg, now

    def line(self, kimg: float, length: float, end: float) -> str:
        """The progress at `kimg` of `length`, when the time of the call is up at `end`."""
        now = time.monotonic()
        pace = (now - self.then) / (kimg - self.kimg)
        self.kimg, self.then = kimg, now
        left = max(0.0, min((length - kimg) * pace, end - now))
        return f"{kimg:9.3f} kimg  {pace:.3g} s/kimg  {duration(left)} left"


def _shown(numbers: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Holds a folder against a second run; ValueError if another process has it."""
    if os.name != "posix" or distributed.rank() > 0:
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Another process trains in {folder}; wait until it has ended, or choose another folder."
            ) from None
        except OSError:
            pass  # some network file systems have no locks
        # Unfinished files of a killed process.
        for part in (*folder.glob(".*.part"), *folder.glob("snapshots/.*.part")):
            part.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


@contextmanager
def _stop_requested() -> Iterator[list[signal.Signals]]:
    """A list that holds the first signal to end while the block runs; the second one ends the process.

    Those signals are Ctrl-C (SIGINT), `kill` (SIGTERM) and a closed terminal (SIGHUP). One that the process ignores, as
    under nohup, stays ignored. Signals reach the main thread alone; in another one the list stays empty.
    """
    stop: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    # Windows has no SIGHUP.
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}

    def request(number: int, frame: Any) -> None:
        stop.append(signal.Signals(number))
        # The default action needs no Python, so it works in the middle of a step too.
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        if distributed.rank() == 0:
            # print would fail if the signal interrupted it, and the terminal may be gone.
            with suppress(OSError):
                os.write(2, b"The run ends after this step; the same signal again ends it at once.\n")

    for number in before:
        signal.signal(number, request)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
