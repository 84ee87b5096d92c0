"""PULSE's files (StyleGAN1): a folder with `synthesis.pt`, `mapping.pt` and `gaussian_fit.pt`, or the first alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats import torch_archive
from stylegan.checkpoints.formats.assemble import FIRST, Entry, Reading, assemble
from stylegan.checkpoints.formats.source import Source, StoredTensor, explain, open_file, shown
from stylegan.networks import stylegan1

_SYNTHESIS, _MAPPING, _FIT = "synthesis.pt", "mapping.pt", "gaussian_fit.pt"
_FORMAT = "PULSE (StyleGAN1)"
_MAX_NAME = 100
_State = Mapping[str, StoredTensor]


def recognises(value: Any) -> bool:
    """Whether a value of torch.save is PULSE's synthesis network."""
    return isinstance(value, dict) and "blocks.4x4.const" in value and "torgb.weight" in value


def recognises_folder(path: Path) -> bool:
    """Whether the folder holds PULSE's `synthesis.pt`."""
    return (path / _SYNTHESIS).is_file()


def part_alone(value: Any) -> str | None:
    """The name of the file of PULSE's, other than `synthesis.pt`, that a value of torch.save comes from, or None."""
    if isinstance(value, dict) and "dense0.weight" in value and "dense0.bias" in value:
        return _MAPPING
    if isinstance(value, dict) and value.keys() == {"mean", "std"}:
        return _FIT
    return None


def load_folder(folder: Path) -> Reading:
    """The generator of a folder with `synthesis.pt` and, where they are there, `mapping.pt` and `gaussian_fit.pt`.

    The average style, which PULSE's files lack, is taken as `leaky_relu(mean, 0.2)` of its gaussian fit. Without
    `mapping.pt` the generator draws images of styles, and its mapping network says so when it is called.

    Raises:
        CheckpointError: if a file holds anything but tensors, or does not fit.
    """
    mapping_path, fit_path = folder / _MAPPING, folder / _FIT
    with open_file(folder / _SYNTHESIS) as file:
        source = Source(folder / _SYNTHESIS, file)
        synthesis = _read(source)
        if not mapping_path.is_file():
            return _with_fit(_assemble(source.path, synthesis, {}), fit_path)
        with open_file(mapping_path) as mapping_file:
            mapping = _read(Source(mapping_path, mapping_file))
            if "dense0.weight" not in mapping:
                raise CheckpointError(
                    f"{shown(mapping_path)} has no dense0.weight, so it is not PULSE's mapping network."
                )
            return _with_fit(_assemble(source.path, synthesis, mapping), fit_path)


def load(source: Source, value: dict[str, Any]) -> Reading:
    """The generator of a `synthesis.pt` alone: it has no mapping network.

    Raises:
        CheckpointError: as for `load_folder`.
    """
    return Reading(_assemble(source.path, _tensors(source, value), {}), _FORMAT, ["no mapping network"])


def _read(source: Source) -> _State:
    return _tensors(source, torch_archive.read(source))


def _tensors(source: Source, value: Any) -> _State:
    def fits(key: Any, tensor: Any) -> bool:
        return isinstance(key, str) and len(key) <= _MAX_NAME and isinstance(tensor, StoredTensor)

    if not isinstance(value, dict) or not all(fits(key, tensor) for key, tensor in value.items()):
        raise CheckpointError(f"{source.name} is not a dictionary of tensors, so not one of PULSE's files.")
    return value


def _with_fit(generator: stylegan1.Generator, path: Path) -> Reading:
    ignored = [] if generator.mapping.num_layers else [f"no {_MAPPING}: the generator has no mapping network"]
    if path.is_file():
        with open_file(path) as file:
            fit = _read(Source(path, file))
            if {"mean", "std"} - fit.keys() or any(
                fit[key].shape not in ((generator.w_dim,), (1, generator.w_dim)) for key in ("mean", "std")
            ):
                raise CheckpointError(f"{shown(path)} does not hold a mean and a std of length {generator.w_dim}.")
            values = {key: fit[key].read().flatten().float() for key in ("mean", "std")}
            if not all(bool(part.isfinite().all()) for part in values.values()):
                raise CheckpointError(f"{shown(path)} holds a gaussian fit that is not finite; fetch it again.")
            generator.gaussian_fit = values
        generator.mapping.w_avg = torch.nn.functional.leaky_relu(generator.gaussian_fit["mean"], 0.2)
    else:
        ignored.append(f"no {_FIT}")
    return Reading(generator, _FORMAT, ignored)


def _assemble(path: Path, synthesis: _State, mapping: _State) -> stylegan1.Generator:
    if not recognises(synthesis):
        raise CheckpointError(
            f"{shown(path)} has no blocks.4x4.const and torgb.weight, so it is not PULSE's synthesis network."
        )
    try:
        entries = _synthesis_entries(synthesis)
        entries |= {f"mapping.fc{name.removeprefix('dense')}": Entry(tensor) for name, tensor in mapping.items()}
        resolutions = sorted({int(key.split(".")[1].split("x")[0]) for key in synthesis if key.startswith("blocks.")})
        channels = [entries[f"synthesis.b{r}.conv1.bias"].shape[0] for r in resolutions]
        w_dim = entries["synthesis.b4.conv0.affine.weight"].shape[1]
        config = {
            "z_dim": mapping["dense0.weight"].shape[1] if mapping else w_dim,
            "w_dim": w_dim,
            "img_resolution": resolutions[-1],
            "img_channels": synthesis["torgb.weight"].shape[0],
            "mapping_kwargs": {"num_layers": sum(name.endswith(".weight") for name in mapping)},
            "synthesis_kwargs": {"channels": channels},
        }
    except (LookupError, ValueError) as error:
        raise CheckpointError(f"{shown(path)} is no StyleGAN1 in PULSE's form ({explain(error)}).") from error
    layers = [f"synthesis.b{r}.conv{i}.noise_const" for r in resolutions for i in (0, 1)]
    generator = assemble(path, stylegan1.Generator, config, entries, ["mapping.w_avg", *layers])
    # The noise maps are ours, since the files have none; a fixed seed makes every load the same network.
    maps = torch.Generator().manual_seed(0)
    for name, buffer in generator.named_buffers():
        if name.endswith("noise_const"):
            buffer.normal_(generator=maps)
    return generator


_EPILOGUE = {
    "noise.weight": "noise_strength",
    "style_mod.lin.weight": "affine.weight",
    "style_mod.lin.bias": "affine.bias",
}


def _synthesis_entries(synthesis: _State) -> dict[str, Entry]:
    entries = {f"synthesis.torgb_{part}": Entry(synthesis[f"torgb.{part}"]) for part in ("weight", "bias")}
    for key, tensor in synthesis.items():
        if key.endswith("kernel") or key.startswith("torgb."):
            continue
        _, size, first, *rest = key.split(".")
        # At 4x4 the constant and its bias stand where other blocks have a first convolution.
        name = {
            "const": "const",
            "bias": "conv0.bias",
            "conv": f"conv1.{rest[-1] if rest else ''}",
            "conv0_up": f"conv0.{rest[-1] if rest else ''}",
            "conv1": f"conv1.{rest[-1] if rest else ''}",
            "epi1": f"conv0.{_EPILOGUE.get('.'.join(rest), '')}",
            "epi2": f"conv1.{_EPILOGUE.get('.'.join(rest), '')}",
        }[first]
        entries[f"synthesis.b{size.split('x')[0]}.{name}"] = Entry(tensor, FIRST if name == "const" else None)
    return entries
