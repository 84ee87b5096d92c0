"""PULSE's three files (StyleGAN1): a folder with `synthesis.pt`, `mapping.pt` and `gaussian_fit.pt`."""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from stylegan import stylegan1
from stylegan.errors import CheckpointError

_SYNTHESIS, _MAPPING, _FIT = "synthesis.pt", "mapping.pt", "gaussian_fit.pt"


def recognises(path: Path) -> bool:
    """Whether the folder holds PULSE's `synthesis.pt`."""
    return path.is_dir() and (path / _SYNTHESIS).is_file()


def load(folder: Path) -> stylegan1.Generator:
    """The generator of a folder with `synthesis.pt`, `mapping.pt` and, where it is there, `gaussian_fit.pt`.

    The average style, which PULSE's files lack, is taken as `leaky_relu(mean, 0.2)` of its gaussian fit.

    Raises:
        CheckpointError: if a file is missing, holds anything but tensors, or does not fit.
    """
    synthesis = _read(folder / _SYNTHESIS)
    mapping = _read(folder / _MAPPING)
    state = _synthesis_state(folder / _SYNTHESIS, synthesis) | _mapping_state(folder / _MAPPING, mapping)
    w_dim = mapping["dense0.weight"].shape[0]
    resolutions = sorted({int(key.split(".")[1].split("x")[0]) for key in synthesis if key.startswith("blocks.")})
    channels = [synthesis[f"blocks.{r}x{r}.conv1.bias" if r > 4 else "blocks.4x4.bias"].shape[0] for r in resolutions]
    try:
        generator = stylegan1.Generator(
            z_dim=mapping["dense0.weight"].shape[1],
            w_dim=w_dim,
            img_resolution=resolutions[-1],
            img_channels=synthesis["torgb.weight"].shape[0],
            mapping_kwargs={"num_layers": sum(key.endswith(".weight") for key in mapping)},
            synthesis_kwargs={"channels": channels},
        )
        # The noise maps are ours, since the files have none; a fixed seed makes every load the same network.
        maps = torch.Generator().manual_seed(0)
        for name, buffer in generator.named_buffers():
            if name.endswith("noise_const"):
                state[name] = torch.randn(buffer.shape, generator=maps)
        if (folder / _FIT).is_file():
            fit = _read(folder / _FIT)
            generator.gaussian_fit = {k: fit[k].reshape(w_dim).float() for k in ("mean", "std")}
            state["mapping.w_avg"] = torch.nn.functional.leaky_relu(generator.gaussian_fit["mean"], 0.2)
        missing, unexpected = generator.load_state_dict(state, strict=False)
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{folder} does not hold a StyleGAN1 in PULSE's format ({error}).") from error
    missing = [key for key in missing if not key.endswith(("resample_filter", "w_avg"))]
    if missing or unexpected:
        raise CheckpointError(f"{folder} lacks or does not know {(missing + unexpected)[0]} of a StyleGAN1.")
    generator.name = folder.name
    return generator.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; PULSE's format needs {_SYNTHESIS} and {_MAPPING} in one folder.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path} is not a file of plain tensors and was not read ({reason}).") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{path} is not a dictionary of tensors, so not one of PULSE's files.")
    return state


def _mapping_state(path: Path, mapping: dict[str, Tensor]) -> dict[str, Tensor]:
    if "dense0.weight" not in mapping:
        raise CheckpointError(f"{path} has no dense0.weight, so it is not PULSE's mapping network.")
    return {f"mapping.fc{key.removeprefix('dense')}": value.float() for key, value in mapping.items()}


def _synthesis_state(path: Path, synthesis: dict[str, Tensor]) -> dict[str, Tensor]:
    if "blocks.4x4.const" not in synthesis or "torgb.weight" not in synthesis:
        raise CheckpointError(
            f"{path} has no blocks.4x4.const and torgb.weight, so it is not PULSE's synthesis network."
        )
    state = {"synthesis.torgb_weight": synthesis["torgb.weight"], "synthesis.torgb_bias": synthesis["torgb.bias"]}
    for key, value in synthesis.items():
        if key.endswith("kernel") or key.startswith("torgb."):
            continue
        _, size, *rest = key.split(".")
        block = f"synthesis.b{size.split('x')[0]}"
        # At 4x4 the constant and its bias stand where other blocks have a first convolution.
        name = {
            "const": "const",
            "bias": "conv0.bias",
            "conv": f"conv1.{rest[-1]}",
            "conv0_up": f"conv0.{rest[-1]}",
            "conv1": f"conv1.{rest[-1]}",
            "epi1": f"conv0.{_EPILOGUE.get('.'.join(rest[1:]), '')}",
            "epi2": f"conv1.{_EPILOGUE.get('.'.join(rest[1:]), '')}",
        }.get(rest[0], key)
        state[f"{block}.{name}"] = value[0] if name == "const" else value
    return {key: value.float() for key, value in state.items()}


_EPILOGUE = {
    "noise.weight": "noise_strength",
    "style_mod.lin.weight": "affine.weight",
    "style_mod.lin.bias": "affine.bias",
}
