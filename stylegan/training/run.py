"""What a training run keeps: networks, optimisers, progress; saved whole, resumed exactly.

No random state is saved: everything random in step k is drawn after seeding with (seed, k, process).
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylegan.checkpoints.formats import native
from stylegan.gaussian_fit import fit_gaussian
from stylegan.networks.stylegan2 import Generator
from stylegan.training import distributed
from stylegan.training.log import Log
from stylegan.training.muon import Muon
from stylegan.training.options import Schedule, TrainingOptions
from stylegan.training.snapshots import forget_grids

# Of these a run may have others each time that it is continued: they change nothing, or next to nothing.
_FREE = ("compile",)


class Run:
    """A run in a folder: `state.pt` to resume from, `log.jsonl`, and the averaged generator as safetensors.

    Args:
        folder: of the run; made where it is missing.
        options: of the run.
        schedule: of this call.
        modules: what is saved, by name, on the device of the run; "G_ema" is the averaged generator.
        trained: the names of those that are optimised.
        tensorboard: see `Log`.
    """

    def __init__(
        self,
        folder: Path,
        options: TrainingOptions,
        schedule: Schedule,
        modules: dict[str, nn.Module],
        trained: list[str],
        tensorboard: bool = False,
    ) -> None:
        self.folder = folder
        self.options = options
        self.schedule = schedule
        self.modules = modules
        self.optimizers = {name: self._optimizer(list(modules[name].parameters())) for name in trained}
        self.device = next(modules["G_ema"].parameters()).device
        self.step = 0
        self.pl_mean = torch.zeros([], device=self.device)
        self.seconds = 0.0
        self.sums: dict[str, Tensor] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = Log(folder, tensorboard)

    def _optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        parameters = [p for p in parameters if p.requires_grad]
        if "D" in self.modules:
            return torch.optim.Adam(parameters, lr=self.options.learning_rate, betas=(0.0, 0.99), eps=1e-8)
        optimizer = Muon if self.options.optimizer == "muon" else torch.optim.Adam
        return optimizer(parameters, lr=self.options.learning_rate, betas=(0.9, 0.99), eps=1e-8)

    @property
    def kimg(self) -> float:
        """Thousands of pictures seen."""
        return self.step * self.options.batch_size / 1000

    def due(self, steps: int) -> bool:
        """Whether the step in hand is the last of another `steps` steps, in the process that writes; 0 is never."""
        return steps > 0 and distributed.rank() == 0 and (self.step + 1) % steps == 0

    def save(self) -> None:
        """Write the state and the averaged generator, each whole or not at all."""
        if distributed.rank() > 0:
            return
        state: dict[str, Any] = {
            "options": asdict(self.options),
            "step": self.step,
            "pl_mean": self.pl_mean,
            "seconds": self.seconds,
            "sums": self.sums,
            "log_bytes": len(self.log_file),
            "modules": {k: m.state_dict() for k, m in self.modules.items()},
            "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()},
        }
        beside = self.folder / "state.pt.part"
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.folder / "state.pt")
        ema = self.modules["G_ema"]
        assert isinstance(ema, Generator)
        if ema.c_dim == 0:
            # A tenth of what `pulse fit` takes, and enough to search in a generator that is still changing.
            fit_gaussian(ema, samples=100_000, show_progress=False)
        native.save(ema, self.folder / "generator.safetensors")

    def resume(self) -> bool:
        """Continue from `state.pt` where there is one; says whether there was.

        What the log and the grids tell of later steps, which will be taken again, is removed.

        Raises:
            ValueError: if the saved run had other options.
        """
        path = self.folder / "state.pt"
        there = path.exists()
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True) if there else {}
        if there:
            self._load(state)
        if distributed.rank() == 0:
            # A state of before this was kept was saved with every line that it knew of.
            self.log_file.begin(state.get("log_bytes", len(self.log_file) if there else 0), self.step)
            forget_grids(self.folder, self.step)
        return there

    def _load(self, state: dict[str, Any]) -> None:
        mine, theirs = asdict(self.options), asdict(TrainingOptions()) | state["options"]
        different = [k for k in mine if k not in _FREE and mine[k] != theirs[k]]
        if different:
            raise ValueError(
                f"{self.folder} holds a run with {different[0]}={theirs[different[0]]}, not"
                f" {mine[different[0]]}; continue it with its own options or choose another folder."
            )
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.step, self.seconds = state["step"], state["seconds"]
        self.sums = {name: torch.as_tensor(value).to(self.device) for name, value in state["sums"].items()}
        self.pl_mean = state["pl_mean"].to(self.device)

    def note(self, name: str, value: Tensor) -> None:
        """Add to what the next line of the log tells; nothing waits for a GPU here."""
        self.sums[name] = self.sums.get(name, 0.0) + value.detach()

    def tell(self, numbers: dict[str, float]) -> None:
        """Write a line of the log after the step in hand; call it in the process that writes (`due`)."""
        kimg = round((self.step + 1) * self.options.batch_size / 1000, 3)
        self.log_file.write({"step": self.step + 1, "kimg": kimg} | numbers, self.step + 1)

    def log(self, **further: float) -> None:
        """Every `schedule.log_steps` steps: the means of what was noted, and `further`, as a line of the log.

        Of several processes, the first tells of its own part.
        """
        steps = self.schedule.log_steps
        if (self.step + 1) % steps:
            return
        if distributed.rank() == 0:
            means = {name: round(float(value) / steps, 5) for name, value in self.sums.items()}
            self.tell({"seconds": round(self.seconds, 1)} | means | further)
        self.sums = {}

    def steps(self) -> Iterator[int]:
        """Step numbers until the schedule's `kimg` or `minutes` are spent; saves now and then and at the end.

        SIGINT and SIGTERM end the run after the step in hand, so that what is saved is always a whole number of steps.
        """
        schedule = self.schedule
        begun = last_saved = time.monotonic()
        already = self.seconds
        limit = float("inf") if schedule.minutes is None else schedule.minutes * 60
        with _stop_requested() as stop:
            while self.kimg < schedule.kimg:
                ends = stop.is_set() or time.monotonic() - begun > limit
                if distributed.any_process(ends, self.device):
                    break
                torch.manual_seed((self.options.seed * 1_000_003 + self.step) * 1_009 + distributed.rank())
                yield self.step
                self.step += 1
                self.seconds = already + time.monotonic() - begun
                if time.monotonic() - last_saved > schedule.save_minutes * 60:
                    self.save()
                    last_saved = time.monotonic()
            self.save()


@contextmanager
def _stop_requested() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set while the block runs (in the main thread; elsewhere nothing sets it)."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
