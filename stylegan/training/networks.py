"""The networks of a run: fresh ones, grown ones, and the running average."""

import copy
from collections.abc import Collection

import torch
from torch import nn

from stylegan.checkpoints.loading import Generator as AnyGenerator
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.layers import SynthesisLayer, ToRGBLayer
from stylegan.networks.stylegan2 import Generator
from stylegan.training.options import TrainingOptions


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
    """The options of a run that goes on with a generator: its lengths, channels and layers.

    Raises:
        ValueError: if it is no StyleGAN2 of the usual form, or does not draw three colours.
    """
    synthesis = generator.config.get("synthesis_kwargs", {})
    if (
        not isinstance(generator, Generator)
        or generator.img_channels != 3
        or synthesis.get("architecture", "skip") != "skip"
        or synthesis.get("channels") is not None
    ):
        raise ValueError(
            f"The generator {generator.name} is no StyleGAN2 of form 'skip' in three colours with the usual channels,"
            " which is what is trained here; start from another one."
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


def grow_into(small: nn.Module, large: nn.Module) -> None:
    """Copy the weights that both networks have; new to-RGB layers start silent, so the picture does not jump.

    Raises:
        ValueError: if a weight that both have is of another shape in each.
    """
    copied = copy_weights(small, large)
    for name, tensor in large.state_dict().items():
        if name not in copied and name.endswith("torgb.weight"):
            tensor.zero_()
    if isinstance(large, Generator):
        centre_styles(large, except_for=copied)


def copy_weights(source: nn.Module, target: nn.Module) -> set[str]:
    """Copy the weights that both networks have, and leave the target's others; returns the names of those copied.

    Raises:
        ValueError: if a weight that both have is of another shape in each.
    """
    have, copied = source.state_dict(), set()
    for name, tensor in target.state_dict().items():
        if name in have:
            if have[name].shape != tensor.shape:
                raise ValueError(
                    f"The network to start with does not fit: its {name} is {tuple(have[name].shape)}, not"
                    f" {tuple(tensor.shape)}; train with its own options."
                )
            tensor.copy_(have[name])
            copied.add(name)
    return copied


@torch.no_grad()
def centre_styles(generator: Generator, except_for: Collection[str] = ()) -> None:
    """Set the biases of all styles so that the average w modulates every feature map by 1, as in a fresh network whose
    average w is 0; those named in `except_for`, as in a state dict, are left."""
    for name, module in generator.named_modules():
        if isinstance(module, SynthesisLayer | ToRGBLayer) and f"{name}.affine.bias" not in except_for:
            affine = module.affine
            shift = (affine.weight * affine.weight_gain) @ generator.mapping.w_avg
            affine.bias.copy_((1 - shift) / affine.bias_gain)


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
