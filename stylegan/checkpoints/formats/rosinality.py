"""rosinality's stylegan2-pytorch: a dictionary with `g_ema`, perhaps `g`, `d`, `latent_avg`, written by torch.save."""

import re
from collections.abc import Mapping
from typing import Any

import torch

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.assemble import (
    FIRST,
    FIRST_MAP,
    FLAT,
    NUMBER,
    Entry,
    Reading,
    assemble,
    filter_option,
    ignored_names,
    taps,
    widths,
)
from stylegan.checkpoints.formats.source import Source, StoredTensor, describe, printable
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator

_KEYS = {"G": "g", "D": "d", "G_ema": "g_ema"}
# Which generator replaces a missing one.
_ALSO = {"G": "G_ema", "G_ema": "G"}
# How many latents give the mean style that replaces a missing `latent_avg`; fewer for a mapping network so wide that
# they would take seconds (multiplications) or much memory (numbers).
_AVERAGED = 4096
_MULTIPLICATIONS = 2**34
_NUMBERS = 2**22
_MAX_NAME = 100


def recognises(value: Any) -> bool:
    """Whether a value of torch.save holds such a generator or discriminator."""
    return isinstance(value, dict) and any(_is_network(value.get(key)) for key in _KEYS.values())


def _is_network(state: Any) -> bool:
    # "module." stands before every name in files that were saved from several GPUs.
    signs = ("input.input", "final_linear.0.weight")
    return isinstance(state, dict) and any(f"{prefix}{sign}" in state for prefix in ("", "module.") for sign in signs)


def load(source: Source, value: dict[str, Any], which: str) -> Reading:
    """The network `which` of a value of torch.save.

    A generator alone stands for both `G_ema` and `G`. Where the file has no `latent_avg`, the average style is that of
    latents of a fixed seed: 4096, or fewer for very wide networks.

    Raises:
        CheckpointError: if it is missing or does not fit this format.
    """
    key = _KEYS[which]
    if not _is_network(value.get(key)) and which in _ALSO and _is_network(value.get(_KEYS[_ALSO[which]])):
        key = _KEYS[_ALSO[which]]
    if not _is_network(value.get(key)):
        present = [name for name in _KEYS.values() if _is_network(value.get(name))]
        raise CheckpointError(f"{source.name} holds no network {key}, for {which}; it has {', '.join(present)}.")
    with source.making_sense(f"holds a {key} that is no StyleGAN2 in rosinality's form"):
        state = _state(source, value[key])
        network = _discriminator(source, state) if which == "D" else _generator(source, state, value.get("latent_avg"))
    used = {key} | ({"latent_avg"} if which != "D" else set())
    ignored = ignored_names(name for name in value if name not in used)
    if which != "D" and "latent_avg" not in value:
        ignored.append("no latent_avg: an average of styles is used")
    return Reading(network, "rosinality stylegan2-pytorch", ignored)


def _state(source: Source, tensors: dict[Any, Any]) -> dict[str, StoredTensor]:
    source.budget.spend(len(tensors))
    state = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or len(name) > _MAX_NAME or not isinstance(tensor, StoredTensor):
            raise ValueError("something other than tensors by name")
        state[name.removeprefix("module.")] = tensor
    return state


def _generator(source: Source, state: Mapping[str, StoredTensor], average: Any) -> Generator:
    entries: dict[str, Entry] = {}
    kernel: StoredTensor | None = None
    for name, tensor in state.items():
        if name.endswith(".kernel"):
            kernel = tensor
        elif match := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
            entries[f"mapping.fc{int(match[1]) - 1}.{match[2]}"] = Entry(tensor)
        elif name == "input.input":
            entries["synthesis.b4.const"] = Entry(tensor, FIRST)
        elif match := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
            entries[f"{_layer(int(match[1]))}.noise_const"] = Entry(tensor, FIRST_MAP)
        elif match := re.fullmatch(r"(conv1|convs\.(\d{1,2}))\.(.+)", name):
            module = _layer(0 if match[2] is None else int(match[2]) + 1)
            entries |= _modulated(module, match[3], tensor)
        elif match := re.fullmatch(r"(to_rgb1|to_rgbs\.(\d{1,2}))\.(.+)", name):
            module = f"synthesis.b{4 if match[2] is None else 8 << int(match[2])}.torgb"
            entries |= _modulated(module, match[3], tensor)
        else:
            raise ValueError(f"the tensor {printable(name)}")
    layers = sum(name.startswith("mapping.fc") and name.endswith("weight") for name in entries)
    counts = _widths(entries, r"synthesis\.b(\d+)\.conv1\.weight")
    synthesis = widths(counts)
    if kernel is not None:
        # The blur after an up-sampling by two has a gain of four.
        synthesis |= filter_option(taps(kernel, gain=4))
    if isinstance(average, StoredTensor):
        entries["mapping.w_avg"] = Entry(average, FLAT)
    first, last = entries["mapping.fc0.weight"].shape, entries[f"mapping.fc{layers - 1}.weight"].shape
    mapping: dict[str, Any] = {"num_layers": layers}
    if layers > 1:
        mapping["layer_features"] = first[0]
    config = {
        "z_dim": first[1],
        "c_dim": 0,
        "w_dim": last[0],
        "img_resolution": max(counts),
        "img_channels": entries["synthesis.b4.torgb.weight"].shape[0],
        "mapping_kwargs": mapping,
        "synthesis_kwargs": synthesis,
    }
    noises = [f"{_layer(i)}.noise_const" for i in range(2 * len(counts) - 1)]
    network = assemble(source.path, Generator, config, entries, ["mapping.w_avg", *noises])
    if "mapping.w_avg" not in entries:
        network.mapping.w_avg.copy_(_average(network))
    # Early files have no noise maps; a fixed seed makes every load the same network.
    maps = torch.Generator().manual_seed(0)
    for name, buffer in network.named_buffers():
        if name.endswith("noise_const") and name not in entries:
            buffer.normal_(generator=maps)
    return network


@torch.no_grad()
def _average(network: Generator) -> torch.Tensor:
    """The mean style (w_dim,) of latents of a fixed seed."""
    mapping = network.mapping
    widest = network.num_ws * max(network.z_dim, *(p.shape[0] for p in mapping.parameters()))
    weights = sum(p.numel() for p in mapping.parameters())
    count = max(16, min(_AVERAGED, _MULTIPLICATIONS // weights, _NUMBERS // network.z_dim))
    z = torch.randn(count, network.z_dim, generator=torch.Generator().manual_seed(0))
    parts = z.split(max(1, _NUMBERS // widest))
    return torch.stack([mapping(part)[:, 0].sum(dim=0) for part in parts]).sum(dim=0) / count


def _layer(i: int) -> str:
    return "synthesis.b4.conv1" if i == 0 else f"synthesis.b{8 << (i - 1) // 2}.conv{(i - 1) % 2}"


def _modulated(module: str, part: str, tensor: StoredTensor) -> dict[str, Entry]:
    if part == "conv.weight":
        return {f"{module}.weight": Entry(tensor, FIRST)}
    if part in ("conv.modulation.weight", "conv.modulation.bias"):
        return {f"{module}.affine.{part.rsplit('.', 1)[1]}": Entry(tensor)}
    if part == "noise.weight":
        return {f"{module}.noise_strength": Entry(tensor, NUMBER)}
    if part in ("bias", "activate.bias"):
        return {f"{module}.bias": Entry(tensor, FLAT)}
    raise ValueError(f"the tensor {printable(part)}")


def _discriminator(source: Source, state: Mapping[str, StoredTensor]) -> Discriminator:
    blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("convs."))
    if not 1 <= blocks <= 11:
        raise ValueError(f"{describe(blocks)} resolutions")
    resolution = 2 << blocks
    entries: dict[str, Entry] = {}
    kernel: StoredTensor | None = None
    inner = {"conv1.0": "conv0", "conv1.1": "conv0", "conv2.1": "conv1", "conv2.2": "conv1", "skip.1": "skip"}
    ends = {"final_conv.0": "conv", "final_conv.1": "conv", "final_linear.0": "fc", "final_linear.1": "out"}
    for name, tensor in state.items():
        if name.endswith(".kernel"):
            kernel = tensor
        elif match := re.fullmatch(r"convs\.0\.[01]\.(weight|bias)", name):
            entries[f"b{resolution}.fromrgb.{match[1]}"] = Entry(tensor)
        elif match := re.fullmatch(r"convs\.(\d{1,2})\.(\w+\.\d)\.(weight|bias)", name):
            entries[f"b{resolution >> (int(match[1]) - 1)}.{inner[match[2]]}.{match[3]}"] = Entry(tensor)
        elif match := re.fullmatch(r"(final_\w+\.\d)\.(weight|bias)", name):
            entries[f"b4.{ends[match[1]]}.{match[2]}"] = Entry(tensor)
        else:
            raise ValueError(f"the tensor {printable(name)}")
    counts = _widths(entries, r"b(\d+)\.conv0\.weight") | {4: entries["b4.conv.weight"].shape[0]}
    config: dict[str, Any] = {
        "c_dim": 0,
        "img_resolution": resolution,
        "img_channels": entries[f"b{resolution}.fromrgb.weight"].shape[1],
        "epilogue_kwargs": {"mbstd_num_channels": entries["b4.conv.weight"].shape[1] - counts[4]},
        **widths(counts),
    }
    if kernel is not None:
        config |= filter_option(taps(kernel))
    return assemble(source.path, Discriminator, config, entries)


def _widths(entries: Mapping[str, Entry], pattern: str) -> dict[int, int]:
    matches = ((re.fullmatch(pattern, name), entry) for name, entry in entries.items())
    return {int(match[1]): entry.shape[0] for match, entry in matches if match}
