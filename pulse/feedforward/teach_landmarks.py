"""Teaching the landmark network from rendered portraits: `pulse teach-landmarks`."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pulse.feedforward.landmarks import (
    NAME,
    LandmarkNet,
    drawn,
    find_landmarks,
    load_landmark_net,
    normalised_error,
    places,
    seen,
    write_landmark_net,
)
from pulse.feedforward.options import LandmarkOptions
from stylegan import portraits
from stylegan.common.console import say
from stylegan.common.pixels import bytes_to_signed
from stylegan.common.progress import progress
from stylegan.portraits import COORDINATES
from stylegan.training import pairs, state
from stylegan.training.muon import Muon, multiplies_bfloat16
from stylegan.training.networks import weights_from
from stylegan.training.options import Schedule
from stylegan.training.run import train

_HELD_OUT = 512
_PART = 256
_WARM_UP = 0.05
# Of the distance between places beside that between heatmaps.
_PLACES = 20.0
# A picture is turned by up to so many radians, and its face made larger or smaller and moved by such shares.
_TURN, _ZOOM, _MOVE = 0.25, 0.2, 0.1
# Which landmark each becomes in a mirrored picture.
MIRRORED = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *range(67, 64, -1),
)


class Aligning:
    """A landmark network that learns where the landmarks of portraits are: a `task.Task` for one process.

    Args:
        pictures: portraits (N, 3, R, R), uint8. The first 512, or a sixteenth if that is less, are held out.
        landmarks: (N, 68, 2), as shares of the side.
        characters: (N,) bool, which of them are no people; these are measured apart.
        options: of the run.
        start: a network to begin with; None for fresh weights.
    """

    name = NAME

    def __init__(
        self,
        pictures: Tensor,
        landmarks: Tensor,
        characters: Tensor,
        options: LandmarkOptions,
        start: LandmarkNet | None = None,
    ) -> None:
        self.seen, self.landmarks, self.characters, self.options = pictures, landmarks, characters, options
        self.held_out = min(_HELD_OUT, len(pictures) // 16)
        with weights_from(options.seed):
            self.network = LandmarkNet()
        if start is not None:
            self.network.load_state_dict(start.state_dict())
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.modules: dict[str, nn.Module] = {"network": self.network}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"network": Muon(self.network.parameters(), lr=0.0)}

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One step towards the true heatmaps and places; the learning rate rises, and falls to 0 in the last step."""
        options = self.options
        rows = torch.randint(self.held_out, len(self.seen), (options.batch_size,), generator=rng)
        pictures, points = moved(bytes_to_signed(self.seen[rows]), self.landmarks[rows], rng)
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16(pictures.device)):
            log_maps = self.network(pictures.contiguous(memory_format=torch.channels_last))
        inside = ((points > 0) & (points < 1)).all(2).float()
        unlike = -(drawn(points) * log_maps).sum((2, 3))
        off = (places(log_maps) - points).norm(dim=2)
        loss = ((unlike + _PLACES * off) * inside).sum() / inside.sum().clamp(min=1)
        (optimizer,) = self.optimizers.values()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        done = step / options.steps
        rate = options.learning_rate * min(done / _WARM_UP + 1e-3, (1 - done) / (1 - _WARM_UP), 1.0)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        return {"loss": loss.detach(), "off": (off.detach() * inside).sum() / inside.sum().clamp(min=1)}

    def pictures(self) -> dict[str, Tensor]:
        """None: the network draws nothing."""
        return {}

    def measure(self, count: int) -> dict[str, float]:
        """The mean normalised errors, in per cent, of held-out portraits of people and of other characters."""
        rows = torch.arange(min(count, self.held_out))
        if len(rows) == 0:
            return {}
        self.network.eval()
        pictures = self.seen[rows]
        side = pictures.shape[-1]
        found = find_landmarks(pictures.float() / 255, self.network)
        errors = 100 * normalised_error(found, self.landmarks[rows] * side - 0.5)
        groups = {"error_people": ~self.characters[rows], "error_others": self.characters[rows]}
        return {name: round(float(errors[group].mean()), 3) for name, group in groups.items() if bool(group.any())}

    def export(self, path: Path) -> None:
        """Writes the weights in float16."""
        write_landmark_net(self.network, path)


def moved(pictures: Tensor, points: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures as the network sees them, each turned, zoomed, moved, lit and perhaps mirrored, with their landmarks.

    Args:
        pictures: (N, 3, R, R) in [-1, 1].
        points: landmarks (N, 68, 2) as shares of the side.
        rng: what is drawn from.

    Returns:
        (N, 3, 64, 64) in [-1, 1], and (N, 68, 2).
    """
    n = len(pictures)
    small = seen(pictures)
    mirrored = torch.rand(n, generator=rng) < 0.5
    small = torch.where(mirrored[:, None, None, None], small.flip(3), small)
    flipped = (points * points.new_tensor([-1.0, 1.0]) + points.new_tensor([1.0, 0.0]))[:, list(MIRRORED)]
    points = torch.where(mirrored[:, None, None], flipped, points)
    angle, zoom, x, y = (2 * torch.rand(4, n, generator=rng) - 1) * torch.tensor([_TURN, _ZOOM, _MOVE, _MOVE])[:, None]
    scale = zoom.exp()
    cos, sin = angle.cos() * scale, angle.sin() * scale
    # Where each place of the new picture comes from, in coordinates from -1 to 1.
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    move = 2 * torch.stack([x, y], 1)
    grid = F.affine_grid(torch.cat([turn, move[:, :, None]], 2), list(small.shape), align_corners=False)
    small = F.grid_sample(small, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    came = 2 * points - 1 - move[:, None]
    points = (torch.linalg.solve(turn[:, None], came[..., None])[..., 0] + 1) / 2
    contrast, light = torch.rand(2, n, 1, 1, 1, generator=rng) * torch.tensor([0.6, 0.6]).view(2, 1, 1, 1, 1)
    return small * (0.7 + contrast) + (light - 0.3), points


def true_landmarks(z: Tensor) -> Tensor:
    """The landmarks (N, 68, 2) of the portraits of latents (N, K), as shares of the picture's side."""
    parts = []
    with progress("Placing landmarks", len(z)) as advance:
        for part in z.split(_PART):
            facts = portraits.truth(pairs.coordinates_of(part), _PART)
            parts.append((torch.stack([fact.landmarks for fact in facts]) + 0.5) / _PART)
            advance(len(part))
    return torch.cat(parts)


def teach_landmarks(
    folder: Path, output: Path, options: LandmarkOptions, start: str | None = None, minutes: float | None = None
) -> int:
    """Teaches a landmark network in a folder, or goes on with the one that it holds: `pulse teach-landmarks`.

    Args:
        folder: of `stylegan render-pairs`.
        output: folder of the run, which holds landmarks.safetensors.
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
        metric_kimg=250 * options.batch_size / 1000,
        metric_pictures=_HELD_OUT,
    )
    if not state.state_path(output).exists():
        state.check_new(output, NAME)
    begin = None if start is None else load_landmark_net(start)
    z, pictures = pairs.read_shards(folder)
    landmarks = true_landmarks(z)
    characters = z[:, len(COORDINATES)] > 0 if z.shape[1] > len(COORDINATES) else torch.zeros(len(z), dtype=torch.bool)
    task = Aligning(pictures, landmarks, characters, options, begin)
    ended = train(task, output, schedule)
    how = "Ended" if ended.signal is None else f"Stopped by {ended.signal.name}"
    say(f"{how} after {ended.step} of {options.steps} steps; the same command continues the run")
    for name, error in task.measure(_HELD_OUT).items():
        say(f"{name} {error:.2f} % of the distance between the outer eye corners, of held-out portraits")
    say(str(output / f"{NAME}.safetensors"))
    return 0 if ended.signal is None else 128 + ended.signal
