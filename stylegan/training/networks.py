"""The networks of a run: fresh ones, their noise, and the running average."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from stylegan.checkpoints.formats import native
from stylegan.checkpoints.loading import Generator as AnyGenerator
from stylegan.common.pixels import signed_to_bytes
from stylegan.gaussian_fit import fit_gaussian
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator
from stylegan.training.options import TrainingOptions


@contextmanager
def weights_from(seed: int) -> Iterator[None]:
    """Networks built inside the block draw their first weights from `seed`.

    Their layers draw from PyTorch's global generator, as those of `torch.nn` do. The block restores its state.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def new_generator(options: TrainingOptions, c_dim: int = 0) -> Generator:
    """A generator with fresh weights, for labels of length `c_dim`."""
    return Generator(
        options.z_dim,
        c_dim,
        options.w_dim,
        options.resolution,
        mapping_kwargs={
            "num_layers": options.mapping_layers,
            "layer_features": options.mapping_features or None,
            "lr_multiplier": options.mapping_lr_multiplier,
        },
        synthesis_kwargs={
            "channel_base": options.channel_base,
            "channel_max": options.channel_max,
            "num_fp16_res": options.num_fp16_res,
            "conv_clamp": 256 if options.num_fp16_res else None,
        },
    )


def new_discriminator(options: TrainingOptions, c_dim: int = 0) -> Discriminator:
    """A discriminator with fresh weights, for labels of length `c_dim`."""
    return Discriminator(
        c_dim,
        options.resolution,
        channel_base=options.channel_base,
        channel_max=options.channel_max,
        num_fp16_res=options.num_fp16_res,
        conv_clamp=256 if options.num_fp16_res else None,
    )


def options_of(generator: AnyGenerator) -> dict[str, int | float]:
    """The options that describe a generator: its resolution, lengths, channels and layers.

    Raises:
        ValueError: if it is not a StyleGAN2 of the usual form, or does not have three image channels.
    """
    synthesis = generator.config.get("synthesis_kwargs", {})
    if (
        not isinstance(generator, Generator)
        or generator.img_channels != 3
        or synthesis.get("architecture", "skip") != "skip"
        or synthesis.get("channels") is not None
    ):
        raise ValueError(
            f"The generator {generator.name} is no StyleGAN2 with skip connections, three image channels and the usual"
            " feature maps, which is the form that can be trained here; start from another one."
        )
    mapping = generator.config["mapping_kwargs"]
    return {
        "resolution": generator.img_resolution,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "channel_base": synthesis.get("channel_base", 32768),
        "channel_max": synthesis.get("channel_max", 512),
        "mapping_layers": mapping.get("num_layers", 8),
        "mapping_features": mapping.get("layer_features") or 0,
        "mapping_lr_multiplier": mapping.get("lr_multiplier", 0.01),
    }


def copy_for_average(network: Generator) -> Generator:
    """A copy without gradients that holds the running average of the weights."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def update_average(ema: nn.Module, network: nn.Module, options: TrainingOptions, step: int) -> None:
    """One step of the exponential average of the weights; its half-life is at most a twentieth of the pictures seen."""
    images = options.batch_size
    half_life = min(options.ema_kimg * 1000, step * images * 0.05)
    beta = 0.5 ** (images / max(half_life, 1e-8))
    for average, value in zip(ema.parameters(), network.parameters(), strict=True):
        average.copy_(value.lerp(average, beta))
    for kept, current in zip(ema.buffers(), network.buffers(), strict=True):
        kept.copy_(current)


def finite_gradients(parameters: list[nn.Parameter]) -> None:
    """Makes the gradients finite, so that one overflow in half precision does not end a run."""
    for parameter in parameters:
        if parameter.grad is not None:
            torch.nan_to_num(parameter.grad, nan=0, posinf=1e5, neginf=-1e5, out=parameter.grad)


def half_dtype(device: torch.device) -> torch.dtype:
    """The sixteen-bit type that training uses on a device."""
    return torch.float16 if device.type == "cuda" else torch.bfloat16


def random_noise(generator: Generator, n: int, rng: torch.Generator) -> list[Tensor]:
    """Noise maps (n, 1, h, w) for all layers of a generator, on the device of `rng`."""
    return [torch.randn(n, 1, *shape, generator=rng, device=rng.device) for shape in generator.noise_shapes]


@torch.no_grad()
def draw(generator: AnyGenerator, z: Tensor, c: Tensor, batch: int = 32) -> Tensor:
    """Images (N, 3, R, R) of uint8, on the CPU, of latents (N, z_dim) and labels (N, c_dim), with constant noise."""
    device = next(generator.parameters()).device
    parts = [
        signed_to_bytes(generator(some.to(device), labels.to(device), noise_mode="const")).cpu()
        for some, labels in zip(z.split(batch), c.split(batch), strict=True)
    ]
    return torch.cat(parts)


def export_generator(generator: Generator, path: Path) -> None:
    """Writes a generator as safetensors, whole or not at all; an unconditional one with PULSE's gaussian fit."""
    if generator.c_dim == 0:
        # A tenth of the samples that `pulse fit` takes, which is enough while the generator still changes.
        fit_gaussian(generator, samples=100_000, show_progress=False)
    native.save(generator, path)
