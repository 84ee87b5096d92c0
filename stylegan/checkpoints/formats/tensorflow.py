"""The TensorFlow-era pickles of StyleGAN2: a tuple (G, D, Gs) of networks, each with its variables by name.

A pickle of one of these networks, or of two, is read too.
"""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.assemble import (
    FIRST,
    FIRST_MAP,
    FLIPPED_FROM_TENSORFLOW,
    FROM_TENSORFLOW,
    PLUS_ONE,
    TRANSPOSED,
    Entry,
    Reading,
    Record,
    assemble,
    filter_option,
    widths,
)
from stylegan.checkpoints.formats.budget import WIDTH
from stylegan.checkpoints.formats.configs import whole_number
from stylegan.checkpoints.formats.plain_values import PlainObject
from stylegan.checkpoints.formats.source import Source, StoredArray, describe, printable
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator

_KIND = "dnnlib.tflib.network.Network"
_NAMES = ("G", "D", "Gs")
_TAKEN = {"G": ("G", "Gs"), "D": ("D",), "G_ema": ("Gs", "G")}
_MAX_NAME = 100
_MAX_TAPS = 32
_SUPPORTED: dict[str, tuple[str | bool, ...]] = {
    "nonlinearity": ("lrelu",),
    "mapping_nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "structure": ("auto", "fixed"),
}


class _Number:
    """A variable that the pickle has as a plain number."""

    def __init__(self, value: float) -> None:
        self.shape: tuple[int, ...] = ()
        self.floating = True
        self._value = value

    def read(self) -> Tensor:
        return torch.tensor(float(self._value))


def recognises(value: Any) -> bool:
    """Whether a pickle's value is a TensorFlow-era network, or a short tuple or list of such."""
    parts = value if isinstance(value, tuple | list) and len(value) <= len(_NAMES) else [value]
    return any(_is_network(part) for part in parts)


def load(source: Source, value: Any, which: str) -> Reading:
    """The network `which` of a pickle's value; Gs is `G_ema`, and a generator alone stands for both.

    Raises:
        CheckpointError: if it is of StyleGAN1, has an option that is not supported, or is damaged.
    """
    networks = _by_name(source, value if isinstance(value, tuple | list) else (value,))
    name = next((name for name in _TAKEN[which] if name in networks), None)
    if name is None:
        raise CheckpointError(
            f"{source.name} holds no network {which}; of NVIDIA's (G, D, Gs) it has {', '.join(networks)}."
        )
    with source.making_sense(f"holds a {name} that is no StyleGAN2 that is known here"):
        variables, options = _flatten(source, networks[name])
        _check(source, variables, options, networks[name].state.get("version"))
        result = _discriminator(source, variables, options) if which == "D" else _generator(source, variables, options)
    others = [other for other in networks if other != name]
    return Reading(result, "NVIDIA pickle (TensorFlow)", [*others, "build_module_src"])


def _is_network(value: Any) -> bool:
    return isinstance(value, PlainObject) and value.kind == _KIND


def _by_name(source: Source, parts: Sequence[Any]) -> dict[str, PlainObject]:
    """The networks of a pickle by the names G, D and Gs: by their places, or where some lack by what they are."""
    if len(parts) == len(_NAMES):
        return {name: part for name, part in zip(_NAMES, parts, strict=True) if _is_network(part)}
    networks: dict[str, PlainObject] = {}
    for part in parts:
        if not _is_network(part):
            source.damaged("it holds a network beside something else")
        # A generator has parts; of two, the second is the average, as it is of three.
        name = "Gs" if part.state.get("components") else "D"
        if name == "Gs" and "Gs" in networks:
            networks["G"] = networks["Gs"]
        networks[name] = part
    return networks


def _flatten(source: Source, network: PlainObject) -> tuple[dict[str, Record], dict[str, Any]]:
    parts = network.state.get("components")
    inner = [parts[name] for name in ("synthesis", "mapping") if name in parts] if isinstance(parts, dict) else []
    variables: dict[str, Record] = {}
    options: dict[str, Any] = {}
    for part in (*inner, network):
        if not _is_network(part):
            source.damaged("a component is no network")
        settings = part.state.get("static_kwargs")
        if isinstance(settings, dict):
            source.budget.spend(len(settings))
            options |= settings
        variables |= _variables(source, part)
    return variables, options


def _variables(source: Source, network: PlainObject) -> dict[str, Record]:
    pairs = network.state["variables"]
    if not isinstance(pairs, list | tuple):
        raise ValueError("a network without a list of variables")
    source.budget.spend(len(pairs))
    variables: dict[str, Record] = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError("a variable that is no pair of name and array")
        name, value = pair
        if not isinstance(name, str) or len(name) > _MAX_NAME:
            raise ValueError(f"a variable whose name is {describe(name)}")
        if isinstance(value, StoredArray):
            variables[name] = value
        elif type(value) in (int, float) and abs(value) < float("inf"):
            variables[name] = _Number(value)
        else:
            raise ValueError(f"the variable {printable(name)} is no array")
    return variables


def _check(source: Source, variables: dict[str, Record], options: dict[str, Any], version: Any) -> None:
    if any("_lod" in name or "StyleMod" in name for name in variables) or (isinstance(version, int) and version < 4):
        raise CheckpointError(
            f"{source.name} holds a StyleGAN1 or progressive GAN in TensorFlow's form, which is not supported;"
            " give a StyleGAN2, or a StyleGAN1 in PULSE's files."
        )
    for name, allowed in _SUPPORTED.items():
        value = options.get(name, allowed[0])
        if type(value) not in (str, bool) or value not in allowed:
            raise ValueError(f"{name} is {describe(value)}")


_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}


def _generator(source: Source, variables: dict[str, Record], options: dict[str, Any]) -> Generator:
    entries: dict[str, Entry] = {}
    layers = 0
    label = whole_number("label_size", options.get("label_size", 0), 0, WIDTH)
    for name, record in variables.items():
        if name == "dlatent_avg":
            entries["mapping.w_avg"] = Entry(record)
        elif name == "4x4/Const/const":
            entries["synthesis.b4.const"] = Entry(record, FIRST)
        elif match := re.fullmatch(r"Dense(\d{1,2})/(weight|bias)", name):
            layers = max(layers, int(match[1]) + 1)
            entries[f"mapping.fc{match[1]}.{match[2]}"] = Entry(record, TRANSPOSED if match[2] == "weight" else None)
        elif match := re.fullmatch(r"LabelEmbed/(weight|bias)", name):
            entries[f"mapping.embed.{match[1]}"] = Entry(record, TRANSPOSED if match[1] == "weight" else None)
        elif match := re.fullmatch(r"noise(\d{1,2})", name):
            entries[f"{_noise_layer(int(match[1]))}.noise_const"] = Entry(record, FIRST_MAP)
        elif match := re.fullmatch(r"(\d{1,4})x\1/(Conv|Conv0_up|Conv1|ToRGB|Skip)/(\w+)", name):
            resolution, layer, part = match.groups()
            if layer == "Skip" and part == "weight":
                entries[f"synthesis.b{resolution}.skip.weight"] = Entry(record, FLIPPED_FROM_TENSORFLOW)
            else:
                entries |= _modulated(f"synthesis.b{resolution}.{_LAYERS[layer]}", layer, part, record)
        elif name != "lod":
            raise ValueError(f"the variable {printable(name)}")
    if label and "mapping.embed.weight" not in entries:
        raise ValueError("labels that are not embedded")
    sizes = sorted({int(name.split("x")[0]) for name in variables if re.match(r"\d+x", name)})
    embedded = entries["mapping.embed.weight"].shape[0] if label else 0
    synthesis = widths({r: entries[f"synthesis.b{r}.conv1.weight"].shape[0] for r in sizes})
    synthesis |= _filter(options)
    synthesis |= {
        "architecture": _architecture(entries, "synthesis.b{}.skip.weight", "synthesis.b{}.torgb.weight", sizes),
        "conv_clamp": options.get("conv_clamp"),
        "num_fp16_res": options.get("num_fp16_res", 0),
    }
    mapping: dict[str, Any] = {"num_layers": layers, "lr_multiplier": options.get("mapping_lrmul", 0.01)}
    if layers > 1:
        mapping["layer_features"] = entries["mapping.fc0.weight"].shape[0]
    if label:
        mapping["embed_features"] = embedded
    config = {
        "z_dim": entries["mapping.fc0.weight"].shape[1] - embedded,
        "c_dim": label,
        "w_dim": entries["synthesis.b4.conv1.affine.weight"].shape[1],
        "img_resolution": sizes[-1],
        "img_channels": entries[f"synthesis.b{sizes[-1]}.torgb.weight"].shape[0],
        "mapping_kwargs": mapping,
        "synthesis_kwargs": synthesis,
    }
    return assemble(source.path, Generator, config, entries, ["mapping.w_avg"])


def _noise_layer(i: int) -> str:
    return "synthesis.b4.conv1" if i == 0 else f"synthesis.b{8 << (i - 1) // 2}.conv{(i - 1) % 2}"


def _modulated(module: str, layer: str, part: str, record: Record) -> dict[str, Entry]:
    if part == "weight":
        return {f"{module}.weight": Entry(record, FLIPPED_FROM_TENSORFLOW if layer == "Conv0_up" else FROM_TENSORFLOW)}
    if part == "mod_weight":
        return {f"{module}.affine.weight": Entry(record, TRANSPOSED)}
    if part == "mod_bias":
        # The file has the deviation from a scale of one.
        return {f"{module}.affine.bias": Entry(record, PLUS_ONE)}
    if part in ("bias", "noise_strength"):
        return {f"{module}.{part}": Entry(record)}
    raise ValueError(f"the variable {printable(part)} of {layer}")


def _discriminator(source: Source, variables: dict[str, Record], options: dict[str, Any]) -> Discriminator:
    if whole_number("label_size", options.get("label_size", 0), 0, WIDTH):
        raise ValueError("a conditional discriminator")
    names = {"Conv0": "conv0", "Conv1_down": "conv1", "Skip": "skip", "FromRGB": "fromrgb", "Conv": "conv"}
    entries: dict[str, Entry] = {}
    for name, record in variables.items():
        if match := re.fullmatch(r"(4x4/Dense0|Output)/(weight|bias)", name):
            module = "b4.fc" if match[1] == "4x4/Dense0" else "b4.out"
            entries[f"{module}.{match[2]}"] = Entry(record, TRANSPOSED if match[2] == "weight" else None)
        elif match := re.fullmatch(r"(\d{1,4})x\1/(Conv0|Conv1_down|Skip|FromRGB|Conv)/(weight|bias)", name):
            turn = FLIPPED_FROM_TENSORFLOW if match[2] == "Skip" else FROM_TENSORFLOW
            target = f"b{match[1]}.{names[match[2]]}.{match[3]}"
            entries[target] = Entry(record, turn if match[3] == "weight" else None)
        elif name != "lod":
            raise ValueError(f"the variable {printable(name)}")
    sizes = sorted({int(name.split("x")[0]) for name in variables if re.match(r"\d+x", name)})
    epilogue = entries["b4.conv.weight"].shape
    counts = {r: entries[f"b{r}.conv0.weight"].shape[0] for r in sizes if r > 4} | {4: epilogue[0]}
    config = {
        "c_dim": 0,
        "img_resolution": sizes[-1],
        "img_channels": entries[f"b{sizes[-1]}.fromrgb.weight"].shape[1],
        "architecture": _architecture(entries, "b{}.skip.weight", "b{}.fromrgb.weight", sizes),
        "conv_clamp": options.get("conv_clamp"),
        "num_fp16_res": options.get("num_fp16_res", 0),
        "epilogue_kwargs": {
            # Zero stands for the whole batch.
            "mbstd_group_size": whole_number("mbstd_group_size", options.get("mbstd_group_size", 4), 0, WIDTH) or None,
            "mbstd_num_channels": epilogue[1] - epilogue[0],
        },
        **widths(counts),
        **_filter(options),
    }
    return assemble(source.path, Discriminator, config, entries)


def _filter(options: dict[str, Any]) -> dict[str, Any]:
    row = options.get("resample_kernel")
    if row is None:
        return {}
    if type(row) not in (list, tuple) or len(row) > _MAX_TAPS or any(type(tap) not in (int, float) for tap in row):
        raise ValueError(f"resample_kernel is {describe(row)}")
    return filter_option(row)


def _architecture(entries: dict[str, Entry], skip: str, image: str, sizes: list[int]) -> str:
    if skip.format(sizes[-1]) in entries:
        return "resnet"
    return "skip" if len(sizes) > 1 and image.format(sizes[-2]) in entries else "orig"
