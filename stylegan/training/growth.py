"""Larger networks that begin as smaller ones: of more pixels, more channels, or longer z and w.

A grown generator draws what the smaller one drew. Weights that read a new input begin at 0, and old weights are scaled
by what the larger fan-in changes (the equalised learning rate of `stylegan.networks.layers` divides by its root).
"""

from math import sqrt

import torch
from torch import Tensor, nn

from stylegan.networks.layers import SynthesisLayer, ToRGBLayer
from stylegan.networks.stylegan2 import Generator

_FIXED = ("noise_const", "resample_filter")


@torch.no_grad()
def grow_into(small: nn.Module, large: nn.Module) -> None:
    """Begins `large` with the weights of `small`; new to-RGB layers start at 0, so that the picture does not jump.

    A generator may be longer in z and w, wider in every layer, and of more pixels. For a z whose first entries have the
    mean square of all, it then draws what `small` draws for those entries. Other networks may only be of more pixels.

    Raises:
        ValueError: if a weight of `large` is smaller than that of `small`, or a network other than a generator is
            wider.
    """
    if isinstance(small, Generator) and isinstance(large, Generator):
        copied = _copy_into_wider(small, large)
    else:
        copied = {name: slice(None) for name in copy_weights(small, large)}
    for name, tensor in large.state_dict().items():
        if name not in copied and name.endswith("torgb.weight"):
            tensor.zero_()
    if isinstance(large, Generator):
        centre_styles(large, except_for=copied)


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> set[str]:
    """Copies the weights that both networks have and returns their names; the target's others stay.

    Raises:
        ValueError: if a weight that both have is of another shape in each.
    """
    have, copied = source.state_dict(), set()
    for name, tensor in target.state_dict().items():
        if name in have:
            if have[name].shape != tensor.shape:
                raise _misfit(name, have[name], tensor)
            tensor.copy_(have[name])
            copied.add(name)
    return copied


def _copy_into_wider(small: Generator, large: Generator) -> dict[str, slice]:
    """Copies each weight of `small` into the first rows of the same weight of `large`; returns those rows by name."""
    have, copied = small.state_dict(), {}
    for name, tensor in large.state_dict().items():
        if name not in have:
            continue
        old = have[name].to(tensor)
        # How many dimensions are rows or inputs; the others are pixels or taps.
        can_grow = 0 if name.endswith(_FIXED) else 1 if name.endswith(".const") else 2
        longer = all(a <= b for a, b in zip(old.shape, tensor.shape, strict=False))
        if old.ndim != tensor.ndim or not longer or old.shape[can_grow:] != tensor.shape[can_grow:]:
            raise _misfit(name, old, tensor)
        rows = slice(len(old) if old.ndim else None)
        if old.ndim == 0:
            tensor.copy_(old)
        elif old.shape[1:] == tensor.shape[1:]:
            tensor[rows] = old
        else:
            tensor[rows] = 0
            tensor[rows, : old.shape[1]] = old * _gain(name, old.shape[1], tensor.shape[1])
        copied[name] = rows
    return copied


def _gain(name: str, inputs: int, more: int) -> float:
    """What old weights are multiplied by; a demodulated convolution has no gain that depends on its inputs."""
    demodulated = ".conv" in name and not name.endswith("affine.weight")
    return 1.0 if demodulated else sqrt(more / inputs)


def _misfit(name: str, old: Tensor, new: Tensor) -> ValueError:
    return ValueError(
        f"The network to start with does not fit: its {name} is {tuple(old.shape)}, not {tuple(new.shape)}; train with"
        " its own options."
    )


@torch.no_grad()
def centre_styles(generator: Generator, except_for: dict[str, slice] | None = None) -> None:
    """Sets the biases of all style layers so that the average w modulates every feature map by 1.

    A fresh network, whose average w is 0, is like that. The rows in `except_for`, by the name of a bias, stay.
    """
    kept = except_for or {}
    for name, module in generator.named_modules():
        if isinstance(module, SynthesisLayer | ToRGBLayer):
            affine = module.affine
            shift = (affine.weight * affine.weight_gain) @ generator.mapping.w_avg
            centred = (1 - shift) / affine.bias_gain
            rows = kept.get(f"{name}.affine.bias", slice(0))
            centred[rows] = affine.bias[rows]
            affine.bias.copy_(centred)
