"""What a training run keeps: options, networks, optimisers, progress; saved whole, resumed exactly.

No random state is saved: everything random in step k is drawn after seeding with (seed, k).
"""

import copy
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylegan.discriminator import Discriminator
from stylegan.formats import native
from stylegan.stylegan2 import Generator


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a run.

    Args:
        resolution: of the generator, a power of two.
        w_dim: length of a style.
        channel_base: feature maps times resolution, of both networks.
        channel_max: most feature maps of a layer, of both networks.
        mapping_layers: dense layers of the mapping network.
        mapping_lr_multiplier: learning-rate multiplier of the mapping network.
        num_fp16_res: how many of the highest resolutions run in half precision: float16 on CUDA, bfloat16 on the CPU.
        batch_size: pictures a step.
        learning_rate: of Adam.
        ema_kimg: half-life of the averaged generator, in thousands of pictures.
        r1_gamma: weight of R1; None for 0.0002 * resolution^2 / batch_size.
        r1_interval: steps between two R1 penalties.
        pl_weight: weight of the path length penalty; 0 for none.
        pl_interval: steps between two path length penalties.
        style_mixing: share of generated pictures whose styles come from two latents.
        pair_weight: weight of the distance between G(z) and the portrait that z stands for; 0 for none.
        seed: of everything random.
        compile: run the networks through torch.compile.
    """

    resolution: int = 128
    w_dim: int = 256
    channel_base: int = 4096
    channel_max: int = 256
    mapping_layers: int = 4
    mapping_lr_multiplier: float = 0.1
    num_fp16_res: int = 0
    batch_size: int = 16
    learning_rate: float = 2e-3
    ema_kimg: float = 2.0
    r1_gamma: float | None = None
    r1_interval: int = 16
    pl_weight: float = 2.0
    pl_interval: int = 8
    style_mixing: float = 0.9
    pair_weight: float = 0.0
    seed: int = 0
    compile: bool = False

    @property
    def r1_weight(self) -> float:
        """R1's gamma, with the default of Karras et al. 2020 (ADA), appendix C."""
        return 0.0002 * self.resolution**2 / self.batch_size if self.r1_gamma is None else self.r1_gamma


def new_generator(options: TrainingOptions, z_dim: int) -> Generator:
    """A generator with fresh weights."""
    conv_clamp = 256 if options.num_fp16_res else None
    return Generator(
        z_dim,
        0,
        options.w_dim,
        options.resolution,
        mapping_kwargs={"num_layers": options.mapping_layers, "lr_multiplier": options.mapping_lr_multiplier},
        synthesis_kwargs={
            "channel_base": options.channel_base,
            "channel_max": options.channel_max,
            "num_fp16_res": options.num_fp16_res,
            "conv_clamp": conv_clamp,
        },
    )


def new_discriminator(options: TrainingOptions) -> Discriminator:
    """A discriminator with fresh weights."""
    return Discriminator(
        0,
        options.resolution,
        channel_base=options.channel_base,
        channel_max=options.channel_max,
        num_fp16_res=options.num_fp16_res,
        conv_clamp=256 if options.num_fp16_res else None,
    )


def grow_into(small: nn.Module, large: nn.Module) -> None:
    """Copy the weights that both networks have; new to-RGB layers start silent, so the picture does not jump."""
    have = small.state_dict()
    for name, tensor in large.state_dict().items():
        if name in have and have[name].shape == tensor.shape:
            tensor.copy_(have[name])
        elif name.endswith("torgb.weight"):
            tensor.zero_()


class Run:
    """A run in a folder: `state.pt` to resume from, `log.jsonl`, and the averaged generator as safetensors."""

    def __init__(self, folder: Path, options: TrainingOptions, modules: dict[str, nn.Module], trained: list[str]):
        self.folder = folder
        self.options = options
        self.modules = modules
        self.optimizers = {
            name: torch.optim.Adam(
                [p for p in modules[name].parameters() if p.requires_grad],
                lr=options.learning_rate,
                betas=(0.0, 0.99) if "D" in modules else (0.9, 0.99),
                eps=1e-8,
            )
            for name in trained
        }
        self.step = 0
        self.pl_mean = torch.zeros([])
        self.seconds = 0.0
        self.sums: dict[str, float] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def kimg(self) -> float:
        """Thousands of pictures seen."""
        return self.step * self.options.batch_size / 1000

    def save(self) -> None:
        """Write the state and the averaged generator, each whole or not at all."""
        state: dict[str, Any] = {
            "options": asdict(self.options),
            "step": self.step,
            "pl_mean": self.pl_mean,
            "seconds": self.seconds,
            "sums": self.sums,
            "modules": {k: m.state_dict() for k, m in self.modules.items()},
            "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()},
        }
        beside = self.folder / "state.pt.part"
        torch.save(state, beside)
        os.replace(beside, self.folder / "state.pt")
        ema = self.modules["G_ema"]
        assert isinstance(ema, Generator)
        native.save(ema, self.folder / "generator.safetensors")

    def resume(self) -> bool:
        """Continue from `state.pt` where there is one; says whether there was.

        Raises:
            ValueError: if the saved run had other options.
        """
        path = self.folder / "state.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location="cpu", weights_only=True)
        mine, theirs = asdict(self.options), state["options"]
        different = [k for k in mine if k != "compile" and mine[k] != theirs.get(k)]
        if different:
            raise ValueError(
                f"{self.folder} holds a run with {different[0]}={theirs.get(different[0])}, not"
                f" {mine[different[0]]}; continue it with its own options or choose another folder."
            )
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.step, self.seconds, self.sums = state["step"], state["seconds"], state["sums"]
        self.pl_mean = state["pl_mean"].to(self.pl_mean.device)
        return True

    def note(self, name: str, value: Tensor) -> None:
        """Add to what the next line of the log tells."""
        self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())

    def log(self, log_steps: int) -> None:
        """Every `log_steps` steps: the means of what was noted, as a line of JSON in `log.jsonl` and on screen."""
        if (self.step + 1) % log_steps:
            return
        line = {"kimg": round(self.kimg, 3), "seconds": round(self.seconds, 1)}
        text = json.dumps(line | {name: round(value / log_steps, 5) for name, value in self.sums.items()})
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(text + "\n")
        print(text, flush=True)
        self.sums = {}

    def steps(self, kimg: float, minutes: float | None, save_minutes: float) -> Iterator[int]:
        """Step numbers until `kimg` thousand pictures or `minutes` are spent; saves now and then and at the end.

        SIGINT and SIGTERM end the run after the step in hand, so that what is saved is always a whole number of steps.
        """
        begun = last_saved = time.monotonic()
        already = self.seconds
        with _stop_requested() as stop:
            while self.kimg < kimg and not stop.is_set():
                if minutes is not None and time.monotonic() - begun > minutes * 60:
                    break
                torch.manual_seed(self.options.seed * 1_000_003 + self.step)
                yield self.step
                self.step += 1
                self.seconds = already + time.monotonic() - begun
                if time.monotonic() - last_saved > save_minutes * 60:
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


def copy_for_average(network: Generator) -> Generator:
    """A copy that takes no gradients, to hold the running average of the weights."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def update_average(ema: nn.Module, network: nn.Module, options: TrainingOptions, step: int) -> None:
    """One step of the exponential average, with a half-life that starts short (a twentieth of what has been seen)."""
    images = options.batch_size
    half_life = min(options.ema_kimg * 1000, step * images * 0.05)
    beta = 0.5 ** (images / max(half_life, 1e-8))
    for average, value in zip(ema.parameters(), network.parameters(), strict=True):
        average.copy_(value.lerp(average, beta))
    for kept, current in zip(ema.buffers(), network.buffers(), strict=True):
        kept.copy_(current)


def finite_gradients(parameters: list[nn.Parameter]) -> None:
    """Replace what is not finite in the gradients, so that one bad half-precision step cannot end a run."""
    for parameter in parameters:
        if parameter.grad is not None:
            torch.nan_to_num(parameter.grad, nan=0, posinf=1e5, neginf=-1e5, out=parameter.grad)


def half_dtype(device: torch.device) -> torch.dtype:
    """The sixteen-bit type of training on a device."""
    return torch.float16 if device.type == "cuda" else torch.bfloat16
