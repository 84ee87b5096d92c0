"""The TensorFlow-era pickles of StyleGAN2: a tuple (G, D, Gs) of networks, each with its variables by name."""

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.assemble import Entry, Reading, Record, assemble, filter_option, widths
from stylegan.checkpoints.formats.plain_values import PlainObject
from stylegan.checkpoints.formats.source import Source, StoredArray
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator

_KIND = "dnnlib.tflib.network.Network"
_PLACES = {"G": 0, "D": 1, "G_ema": 2}
_MAX_VARIABLES = 5000
_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "nonlinearity": ("lrelu",),
    "mapping_nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "structure": ("auto", "fixed"),
}


class _Number:
    """A variable that the pickle has as a plain number."""

    def __init__(self, value: float) -> None:
        self.shape: tuple[int, ...] = ()
        self._value = value

    def read(self) -> Tensor:
        return torch.tensor(float(self._value))


def recognises(value: Any) -> bool:
    """Whether a pickle's value is a tuple of TensorFlow-era networks."""
    return isinstance(value, tuple) and any(isinstance(part, PlainObject) and part.kind == _KIND for part in value)


def load(source: Source, value: tuple[Any, ...], which: str) -> Reading:
    """The network `which` of a pickle's value; Gs is `G_ema`.

    Raises:
        CheckpointError: if it is of StyleGAN1, has an option that is not supported, or is damaged.
    """
    network = value[_PLACES[which]] if len(value) == 3 else None
    if not isinstance(network, PlainObject) or network.kind != _KIND:
        raise CheckpointError(f"{source.path} is no tuple (G, D, Gs) of networks; give a StyleGAN2 pickle.")
    with source.making_sense(f"holds a {which} that is no StyleGAN2 that is known here"):
        variables, options = _flatten(source, network)
        _check(source, variables, options, network.state.get("version"))
        result = _discriminator(source, variables, options) if which == "D" else _generator(source, variables, options)
    others = [name for name, place in (("G", 0), ("D", 1), ("Gs", 2)) if place != _PLACES[which]]
    return Reading(result, "NVIDIA pickle (TensorFlow)", [*others, "build_module_src"])


def _flatten(source: Source, network: PlainObject) -> tuple[dict[str, Record], dict[str, Any]]:
    parts = network.state.get("components") or {}
    variables: dict[str, Record] = {}
    options: dict[str, Any] = {}
    inner = [parts[name] for name in ("synthesis", "mapping") if name in parts]
    for part in (*inner, network):
        if not isinstance(part, PlainObject):
            source.damaged("a component is no network")
        options |= part.state.get("static_kwargs") or {}
        for name, tensor in _variables(part):
            variables[name] = tensor
    return variables, options


def _variables(network: PlainObject) -> Iterator[tuple[str, Record]]:
    pairs = network.state["variables"]
    if len(pairs) > _MAX_VARIABLES:
        raise ValueError("too many variables")
    for name, tensor in pairs:
        if not isinstance(name, str) or not isinstance(tensor, StoredArray | float | int):
            raise TypeError("a variable that is no array")
        yield name, tensor if isinstance(tensor, StoredArray) else _Number(tensor)


def _check(source: Source, variables: dict[str, Record], options: dict[str, Any], version: Any) -> None:
    if any("_lod" in name or "StyleMod" in name for name in variables) or (isinstance(version, int) and version < 4):
        raise CheckpointError(
            f"{source.path} holds a StyleGAN1 or progressive GAN in TensorFlow's form, which is not supported;"
            " give a StyleGAN2, or a StyleGAN1 in PULSE's files."
        )
    for name, allowed in _SUPPORTED.items():
        if options.get(name, allowed[0]) not in allowed:
            raise ValueError(f"{name} is {options[name]}")


def _dense(w: Tensor) -> Tensor:
    return w.t()


def _conv(w: Tensor) -> Tensor:
    return w.permute(3, 2, 0, 1)


def _flipped(w: Tensor) -> Tensor:
    # Where only the shape is asked for, flipping changes nothing and takes torch half a second to prepare.
    return _conv(w) if w.is_meta else _conv(w).flip(2, 3)


_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}


def _generator(source: Source, variables: dict[str, Record], options: dict[str, Any]) -> Generator:
    entries: dict[str, Entry] = {}
    layers = 0
    label = int(options.get("label_size", 0))
    for name, record in variables.items():
        if name == "dlatent_avg":
            entries["mapping.w_avg"] = Entry(record)
        elif name == "4x4/Const/const":
            entries["synthesis.b4.const"] = Entry(record, lambda t: t[0])
        elif match := re.fullmatch(r"Dense(\d{1,2})/(weight|bias)", name):
            layers = max(layers, int(match[1]) + 1)
            entries[f"mapping.fc{match[1]}.{match[2]}"] = Entry(record, _dense if match[2] == "weight" else None)
        elif match := re.fullmatch(r"LabelEmbed/(weight|bias)", name):
            entries[f"mapping.embed.{match[1]}"] = Entry(record, _dense if match[1] == "weight" else None)
        elif match := re.fullmatch(r"noise(\d{1,2})", name):
            entries[f"{_noise_layer(int(match[1]))}.noise_const"] = Entry(record, lambda t: t[0, 0])
        elif match := re.fullmatch(r"(\d{1,4})x\1/(Conv|Conv0_up|Conv1|ToRGB|Skip)/(\w+)", name):
            resolution, layer, part = match.groups()
            if layer == "Skip" and part == "weight":
                entries[f"synthesis.b{resolution}.skip.weight"] = Entry(record, _flipped)
            else:
                entries |= _modulated(f"synthesis.b{resolution}.{_LAYERS[layer]}", layer, part, record)
        elif name != "lod":
            raise ValueError(f"the variable {name}")
    if label and "mapping.embed.weight" not in entries:
        raise ValueError("labels that are not embedded")
    sizes = sorted({int(name.split("x")[0]) for name in variables if re.match(r"\d+x", name)})
    embedded = entries["mapping.embed.weight"].shape[0] if label else 0
    synthesis = widths({r: entries[f"synthesis.b{r}.conv1.weight"].shape[0] for r in sizes})
    synthesis |= filter_option(options.get("resample_kernel") or (1, 3, 3, 1))
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
        return {f"{module}.weight": Entry(record, _flipped if layer == "Conv0_up" else _conv)}
    if part == "mod_weight":
        return {f"{module}.affine.weight": Entry(record, _dense)}
    if part == "mod_bias":
        # The file has the deviation from a scale of one.
        return {f"{module}.affine.bias": Entry(record, lambda t: t + 1)}
    if part in ("bias", "noise_strength"):
        return {f"{module}.{part}": Entry(record)}
    raise ValueError(f"the variable {part} of {layer}")


def _discriminator(source: Source, variables: dict[str, Record], options: dict[str, Any]) -> Discriminator:
    if options.get("label_size", 0):
        raise ValueError("a conditional discriminator")
    names = {"Conv0": "conv0", "Conv1_down": "conv1", "Skip": "skip", "FromRGB": "fromrgb", "Conv": "conv"}
    entries: dict[str, Entry] = {}
    for name, record in variables.items():
        if match := re.fullmatch(r"(4x4/Dense0|Output)/(weight|bias)", name):
            module = "b4.fc" if match[1] == "4x4/Dense0" else "b4.out"
            entries[f"{module}.{match[2]}"] = Entry(record, _dense if match[2] == "weight" else None)
        elif match := re.fullmatch(r"(\d{1,4})x\1/(Conv0|Conv1_down|Skip|FromRGB|Conv)/(weight|bias)", name):
            turn = _flipped if match[2] == "Skip" else _conv
            target = f"b{match[1]}.{names[match[2]]}.{match[3]}"
            entries[target] = Entry(record, turn if match[3] == "weight" else None)
        elif name != "lod":
            raise ValueError(f"the variable {name}")
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
            "mbstd_group_size": options.get("mbstd_group_size", 4) or None,
            "mbstd_num_channels": epilogue[1] - epilogue[0],
        },
        **widths(counts),
        **filter_option(options.get("resample_kernel") or (1, 3, 3, 1)),
    }
    return assemble(source.path, Discriminator, config, entries)


def _architecture(entries: dict[str, Entry], skip: str, image: str, sizes: list[int]) -> str:
    if skip.format(sizes[-1]) in entries:
        return "resnet"
    return "skip" if len(sizes) > 1 and image.format(sizes[-2]) in entries else "orig"
