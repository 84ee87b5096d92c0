"""Teaching the reader of portraits: the network of `stylegan.portraits.encoder`, from rendered pairs.

A pair's picture of 32 px is made as small as a target may be, in one of several ways, and gets a little noise. The
network learns the normal coordinates of its portrait, the pair's normalised z, and how far off its answer may be: the
negative logarithm of a normal density is what it minimises (Nix and Weigend 1994, Estimating the Mean and Variance of
the Target Probability Distribution, equation 5).
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stylegan.common.console import say
from stylegan.common.files import write_tensors
from stylegan.networks.layers import normalize_2nd_moment
from stylegan.portraits import COORDINATES
from stylegan.portraits.encoder import FORMAT, SIDE, Encoder, fitted, load
from stylegan.training import pairs, state
from stylegan.training.muon import Muon, multiplies_bfloat16
from stylegan.training.options import EncoderOptions, Schedule
from stylegan.training.run import train

# Sizes of the targets, the usual one twice.
_SIDES = (8, 12, SIDE, SIDE, 24)
# Deviation of the noise, at most.
_NOISE = 0.02
_HELD_OUT = 1024
_WARM_UP = 0.05


class Reading:
    """An encoder that learns to read rendered characters: a `task.Task`.

    Args:
        z: latents (N, 128) of characters.
        pictures: their pictures (N, 3, 32, 32), uint8. The first 1,024, or a sixteenth if that is less, are held out.
        options: of the run.
        start: a network to begin with, such as the one in the box; None for fresh weights.

    Raises:
        ValueError: if the latents are those of people, or the pictures smaller than the targets.
    """

    name = "encoder"

    def __init__(self, z: Tensor, pictures: Tensor, options: EncoderOptions, start: Encoder | None = None) -> None:
        if pairs.kind_of(z.shape[1]) != "characters":
            raise ValueError("The pairs are of people; render some with --kind characters.")
        if pictures.shape[-1] < max(_SIDES):
            raise ValueError(f"The pairs have {pictures.shape[-1]} px, too few to be made small; render some of 32 px.")
        self.options = options
        self.v = normalize_2nd_moment(z)
        self.seen = pictures
        self.held_out = min(_HELD_OUT, len(z) // 16)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(options.seed)
            self.encoder = Encoder()
        if start is not None:
            self.encoder.load_state_dict(start.state_dict())
        self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.modules: dict[str, nn.Module] = {"encoder": self.encoder}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"encoder": Muon(self.encoder.parameters(), lr=0.0)}

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One step towards likelier coordinates; the learning rate rises, and falls to 0 in the last step."""
        options = self.options
        rows = torch.randint(self.held_out, len(self.v), (options.batch_size,), generator=rng)
        small = made_small(self.seen[rows].float() / 255, rng).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16(small.device)):
            mean, log_deviation = (numbers.float() for numbers in self.encoder(small))
        error = (self.v[rows] - mean).square()
        loss = (log_deviation + 0.5 * error * (-2 * log_deviation).exp()).mean()
        (optimizer,) = self.optimizers.values()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        done = step / options.steps
        rate = options.learning_rate * min(done / _WARM_UP + 1e-3, (1 - done) / (1 - _WARM_UP), 1.0)
        with torch.no_grad():
            for parameter in self.encoder.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(1 - rate * options.weight_decay)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        return {"loss": loss.detach(), "error": error.detach().mean()}

    def pictures(self) -> dict[str, Tensor]:
        """None: an encoder draws nothing."""
        return {}

    @torch.no_grad()
    def measure(self, count: int) -> dict[str, float]:
        """Mean squared errors of held-out portraits at 16 px: of the coordinates of people, and of the others."""
        rows = slice(min(count, self.held_out))
        if rows.stop == 0:
            return {}
        small = F.interpolate(self.seen[rows].float() / 255, size=(SIDE, SIDE), mode="bicubic", antialias=True)
        mean, _ = self.encoder(small.clamp(0, 1))
        error = (self.v[rows] - mean).square().mean(0)
        people = len(COORDINATES)
        return {
            "error_people": round(float(error[:people].mean()), 5),
            "error_others": round(float(error[people:].mean()), 5),
        }

    def export(self, path: Path) -> None:
        """Writes the weights in float16, as they lie in the box."""
        tensors = {name: tensor.half() for name, tensor in self.encoder.state_dict().items()}
        write_tensors(path, tensors, {"format": FORMAT})


def made_small(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures (N, 3, 32, 32) in [0, 1] as `encoder.read` shows its network small targets: (N, 3, 16, 16).

    Each part of the batch is made another size in another way, and each picture gets noise of another strength.
    """
    ways: list[Callable[[Tensor, int], Tensor]] = [_area, _bilinear, _bicubic, _nearest]
    parts = []
    for i, some in enumerate(pictures.tensor_split(len(ways))):
        side = _SIDES[int(torch.randint(len(_SIDES), (), generator=rng))]
        parts.append(fitted(ways[i](some, side)))
    small = torch.cat(parts)
    strength = _NOISE * torch.rand(len(small), 1, 1, 1, generator=rng)
    return (small + strength * torch.randn(small.shape, generator=rng)).clamp(0, 1)


def _area(pictures: Tensor, side: int) -> Tensor:
    return F.adaptive_avg_pool2d(pictures, side)


def _bilinear(pictures: Tensor, side: int) -> Tensor:
    return F.interpolate(pictures, size=(side, side), mode="bilinear", antialias=True)


def _bicubic(pictures: Tensor, side: int) -> Tensor:
    return F.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)


def _nearest(pictures: Tensor, side: int) -> Tensor:
    return F.interpolate(pictures, size=(side, side), mode="nearest-exact")


def teach_encoder(
    folder: Path, output: Path, options: EncoderOptions, start: str | None = None, minutes: float | None = None
) -> int:
    """Teaches an encoder in a folder, or goes on with the one that the folder holds: `stylegan teach-encoder`.

    Args:
        folder: of `pairs.render_shards`: characters of 32 px.
        output: folder of the run, which holds encoder.safetensors.
        options: of the run.
        start: a file to begin with, or "default" for the network in the box.
        minutes: stop this call after so many.

    Returns:
        The exit code: 0, or 128 + n if signal n ended it.

    Raises:
        ValueError: if the pairs do not fit, or the folder holds another run.
    """
    schedule = Schedule(
        kimg=options.steps * options.batch_size / 1000,
        minutes=minutes,
        snapshot_kimg=0,
        grid_kimg=0,
        metric_kimg=200 * options.batch_size / 1000,
    )
    if not state.state_path(output).exists():
        state.check_new(output, Reading.name)
    begin = None if start is None else load(None if start == "default" else Path(start))
    task = Reading(*pairs.read_shards(folder), options, begin)
    ended = train(task, output, schedule)
    how = "Ended" if ended.signal is None else f"Stopped by {ended.signal.name}"
    say(f"{how} after {ended.step} of {options.steps} steps; the same command continues the run")
    for name, error in task.measure(_HELD_OUT).items():
        say(f"{name} {error:.3f} of held-out portraits")
    say(str(output / "encoder.safetensors"))
    return 0 if ended.signal is None else 128 + ended.signal
