"""Training an upscaler step by step, as Progressive Face Super-Resolution does (Kim et al. 2019, section 3)."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pulse.feedforward import losses
from pulse.feedforward.critic import Critic
from pulse.feedforward.landmarks import LandmarkNet
from pulse.feedforward.network import SIDE, SIDES, EqualizedConv2d, Upscaler, reduced
from pulse.feedforward.options import UpscalerOptions
from pulse.feedforward.weights import NAME, write_upscaler
from stylegan.common.pixels import bytes_to_signed, signed_to_bytes
from stylegan.training import distributed
from stylegan.training.dataset import Dataset
from stylegan.training.muon import Muon
from stylegan.training.networks import finite_gradients, weights_from

# The first pictures are never trained on: this share of them, and at most so many.
_HELD_OUT, _HELD_OUT_AT_MOST = 1 / 16, 512
# Half-life of the averaged weights, in pictures; a twentieth of those seen while these are few.
_HALF_LIFE = 1000.0
_SHOWN = 16
_PART = 16


class Stage(nn.Module):
    """Which step of the upscaler is trained, and its alpha: kept with the state of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("values", torch.tensor([1.0, 1.0]))
        self.values: Tensor

    def set(self, step: int, alpha: float) -> None:
        """Notes the stage."""
        self.values.copy_(torch.tensor([float(step), alpha]))

    def get(self) -> tuple[int, float]:
        """The step and its alpha."""
        step, alpha = self.values.tolist()
        return int(step), alpha


class SuperResolution:
    """An upscaler that learns to make faces large: a `task.Task`. Under torchrun each process takes part of a batch.

    Args:
        dataset: faces of 128 px. The first 512, or a sixteenth if that is less, are held out.
        options: of the run.
        device: "cpu", "cuda" or "cuda:N".
        start: an upscaler to begin with; None for fresh weights.
        landmarks: the network of the heatmap and attention losses, where one of them counts.
        features: of the perceptual loss; None for those of `landmarks`.

    Raises:
        ValueError: if the options do not fit the pictures or the processes, or a network is missing.
    """

    name = NAME

    def __init__(
        self,
        dataset: Dataset,
        options: UpscalerOptions,
        device: str = "cpu",
        start: Upscaler | None = None,
        landmarks: LandmarkNet | None = None,
        features: losses.Features | None = None,
    ) -> None:
        if dataset.resolution != SIDES[-1]:
            raise ValueError(f"The pictures have {dataset.resolution} px; an upscaler is trained on {SIDES[-1]} px.")
        self.share, rest = divmod(options.batch_size, distributed.world_size())
        if rest or self.share < 2:
            raise ValueError(
                f"A batch of {options.batch_size} pictures cannot be shared by {distributed.world_size()} processes, at"
                " least 2 for each; choose another size."
            )
        if landmarks is None and (options.heatmap or options.attention or (options.perceptual and features is None)):
            raise ValueError("Heatmap, attention and perceptual losses need a landmark network; give one.")
        self.dataset, self.options, self.device = dataset, options, torch.device(device)
        self.held_out = min(int(len(dataset) * _HELD_OUT), _HELD_OUT_AT_MOST)
        if len(dataset) - self.held_out < options.batch_size:
            raise ValueError(
                f"There are {len(dataset)} pictures, too few for batches of {options.batch_size}; give more."
            )
        with weights_from(options.seed):
            self.G, self.D = Upscaler(), Critic()
        if start is not None:
            self.G.load_state_dict(start.state_dict())
        self.G_ema = copy.deepcopy(self.G).eval().requires_grad_(False)
        self.stage = Stage()
        self.stage.set(*options.stage(0))
        self.modules: dict[str, nn.Module] = {"G": self.G, "G_ema": self.G_ema, "stage": self.stage}
        if options.adversarial:
            self.modules["D"] = self.D
        for module in self.modules.values():
            module.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers: dict[str, torch.optim.Optimizer] = {"G": Muon(_groups(self.G), lr=1.0)}
        if options.adversarial:
            # Adam's constants of Gulrajani et al. 2017 and Karras et al. 2018.
            self.optimizers["D"] = torch.optim.Adam(self.D.parameters(), options.critic_rate, betas=(0.0, 0.99))
        self._factors = [float(group["lr"]) for group in self.optimizers["G"].param_groups]
        self.landmarks = None if landmarks is None else landmarks.to(self.device).eval().requires_grad_(False)
        self.features = features
        if features is None and self.landmarks is not None:
            self.features = losses.landmark_features(self.landmarks)

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """The upscaler's turn and, where there is one, the critic's, on the same pictures."""
        options = self.options
        stage, alpha = options.stage(step)
        self.stage.set(stage, alpha)
        rows = torch.randint(self.held_out, len(self.dataset), (self.share,), generator=rng, device=rng.device).cpu()
        faces = bytes_to_signed(self.dataset.reals(rows).to(self.device))
        if options.mirror:
            mirrored = torch.rand(len(faces), 1, 1, 1, generator=rng, device=rng.device) < 0.5
            faces = torch.where(mirrored, faces.flip(3), faces)
        small, true = made_small(faces, options.chain, rng), at_step(faces, stage)
        self._set_rates(options.rate(step))
        with self._precision():
            made = self.G(small.contiguous(memory_format=torch.channels_last), stage, alpha)
        numbers = self._update_upscaler(made, true, stage, alpha)
        if options.adversarial:
            numbers |= self._update_critic(made.detach(), true, stage, alpha, rng)
        self._average(step)
        return numbers | {"stage": torch.tensor(stage - 1 + alpha)}

    def pictures(self) -> dict[str, Tensor]:
        """Held-out faces, four pictures each: what the network sees, bicubic, the averaged upscaler, and the truth."""
        faces = bytes_to_signed(self.dataset.reals(torch.arange(min(_SHOWN, len(self.dataset)))))
        shown = [reduced(faces), enlarged(reduced(faces)), self._made(faces), faces]
        large = [F.interpolate(some, size=SIDES[-1:] * 2, mode="nearest-exact") for some in shown]
        return {"upscaled": signed_to_bytes(torch.stack(large, 1).flatten(0, 1))}

    def measure(self, count: int) -> dict[str, float]:
        """The mean PSNR in dB of held-out faces at the present step, of the averaged upscaler and of bicubic."""
        rows = torch.arange(min(count, self.held_out))
        if len(rows) == 0:
            return {}
        faces = bytes_to_signed(self.dataset.reals(rows))
        made = self._made(faces)
        true = at_step(faces, self.stage.get()[0])
        bicubic = enlarged(reduced(faces), true.shape[-1])
        return {
            name: round(float(psnr((x + 1) / 2, (true + 1) / 2).mean()), 3)
            for name, x in {"psnr": made, "psnr_bicubic": bicubic}.items()
        }

    def export(self, path: Path) -> None:
        """Writes the averaged upscaler."""
        self.G_ema.step, self.G_ema.alpha = self.stage.get()
        write_upscaler(self.G_ema, path)

    def _update_upscaler(self, made: Tensor, true: Tensor, stage: int, alpha: float) -> dict[str, Tensor]:
        options = self.options
        numbers = {"pixel": losses.pixel_loss(made, true)}
        if options.perceptual:
            assert self.features is not None
            numbers["perceptual"] = losses.perceptual_loss(made, true, self.features)
        if options.heatmap:
            assert self.landmarks is not None
            numbers["heatmap"] = losses.heatmap_loss(made, true, self.landmarks)
        if options.attention:
            assert self.landmarks is not None
            numbers["attention"] = losses.attention_loss(made, true, self.landmarks)
        if options.adversarial:
            self.D.requires_grad_(False)
            with self._precision():
                numbers["adversarial"] = -self.D(made, stage, alpha).mean()
        loss = torch.stack([getattr(options, name) * value for name, value in numbers.items()]).sum()
        self._update("G", loss)
        return {name: value.detach() for name, value in numbers.items()}

    def _update_critic(
        self, made: Tensor, true: Tensor, stage: int, alpha: float, rng: torch.Generator
    ) -> dict[str, Tensor]:
        self.D.requires_grad_(True)
        with self._precision():
            true_scores, made_scores = self.D(true, stage, alpha), self.D(made, stage, alpha)
        judge = partial(self.D, step=stage, alpha=alpha)
        penalty = losses.gradient_penalty(judge, made.float(), true, rng)
        self._update("D", losses.critic_loss(true_scores, made_scores) + self.options.penalty * penalty)
        return {"distance": (true_scores.mean() - made_scores.mean()).detach(), "penalty": penalty.detach()}

    def _update(self, name: str, loss: Tensor) -> None:
        parameters = list(self.modules[name].parameters())
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(parameters)
        finite_gradients(parameters)
        self.optimizers[name].step()

    def _set_rates(self, factor: float) -> None:
        for group, own in zip(self.optimizers["G"].param_groups, self._factors, strict=True):
            group["lr"] = own * factor * self.options.learning_rate
        if self.options.adversarial:
            self.optimizers["D"].param_groups[0]["lr"] = factor * self.options.critic_rate

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Moves the averaged weights, and the averaged statistics of the normalisations, towards the present ones."""
        seen = step * self.options.batch_size
        kept = 0.5 ** (self.options.batch_size / max(min(_HALF_LIFE, seen * 0.05), 1e-8))
        for average, value in zip(self.G_ema.state_dict().values(), self.G.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(distributed.average(value), 1 - kept)

    @torch.no_grad()
    def _made(self, faces: Tensor) -> Tensor:
        stage, alpha = self.stage.get()
        parts = []
        for part in reduced(faces).split(_PART):
            with self._precision():
                parts.append(self.G_ema(part.to(self.device), stage, alpha).float().cpu())
        return torch.cat(parts).clamp(-1, 1)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.bfloat16)


def made_small(faces: Tensor, chain: float, rng: torch.Generator) -> Tensor:
    """Faces (N, 3, 128, 128) made small as pictures are that people have: (N, 3, 16, 16).

    A share `chain` of them goes by way of 64 and 32 px, as in the paper, and half of the others each by one bicubic
    and by one area reduction.
    """
    way = torch.rand(len(faces), 1, 1, 1, generator=rng, device=rng.device)
    bicubic = F.interpolate(faces, size=(SIDE, SIDE), mode="bicubic", antialias=True).clamp(-1, 1)
    other = torch.where(way < (1 + chain) / 2, bicubic, F.adaptive_avg_pool2d(faces, SIDE))
    return torch.where(way < chain, reduced(faces), other)


def at_step(faces: Tensor, step: int) -> Tensor:
    """Faces (N, 3, 128, 128) as a step of the upscaler should draw them: by way of 64 px, as its inputs are made."""
    for side in SIDES[1::-1][: 3 - step]:
        faces = F.interpolate(faces, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return faces


def enlarged(small: Tensor, side: int = SIDES[-1]) -> Tensor:
    """Pictures (N, 3, 16, 16) in [-1, 1] made large without a network, bicubic: (N, 3, side, side)."""
    return F.interpolate(small, size=(side, side), mode="bicubic", align_corners=False).clamp(-1, 1)


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """The peak signal-to-noise ratio (N,) in dB of pictures (N, 3, S, S) in [0, 1]."""
    return -10 * (x - y).square().mean((1, 2, 3)).clamp(min=1e-10).log10()


def _groups(network: Upscaler) -> list[dict[str, Any]]:
    """Parameters with factors on the learning rate, so that all weights move by the same share of their size.

    A stored weight of an equalised convolution is 1 / scale times as large as the one in use.
    """
    scales = {id(m.conv.weight_orig): m.scale for m in network.modules() if isinstance(m, EqualizedConv2d)}
    stored = [p for p in network.parameters() if id(p) in scales]
    rest = [p for p in network.parameters() if id(p) not in scales]
    return [{"params": rest, "lr": 1.0}, *({"params": [p], "lr": 1 / scales[id(p)]} for p in stored)]
