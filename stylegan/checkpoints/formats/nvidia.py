"""NVIDIA's pickles of the stylegan2-ada-pytorch and stylegan3 repositories: StyleGAN2's networks.

Each network is a tree of modules with their attributes. The source code beside them is not even read.
"""

from collections.abc import Iterator
from typing import Any

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats import torch_archive
from stylegan.checkpoints.formats.assemble import (
    DERIVED,
    Entry,
    Reading,
    assemble,
    filter_option,
    ignored_names,
    taps,
    widths,
)
from stylegan.checkpoints.formats.budget import RESOLUTION
from stylegan.checkpoints.formats.configs import whole_number
from stylegan.checkpoints.formats.plain_values import PlainObject
from stylegan.checkpoints.formats.source import Source, StoredTensor, describe
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator, block_resolutions

_MAX_MODULES = 2000
_NETWORKS = ("G", "D", "G_ema")
# Which generator replaces a missing one.
_ALSO = {"G": "G_ema", "G_ema": "G"}
_USUAL_BETA = 0.998
# Of a name within a network, and of the longest path to a module: generator, synthesis, block, layer, affine.
_MAX_NAME = 64
_MAX_PATH = 8


def recognises(value: Any) -> bool:
    """Whether a pickle's value is a network, or a dictionary of which one value at least is a network."""
    return _is_network(value) or (isinstance(value, dict) and any(_is_network(value.get(name)) for name in _NETWORKS))


def load(source: Source, value: Any, which: str) -> Reading:
    """The network `which` of a pickle's value; a generator alone stands for both `G_ema` and `G`.

    Raises:
        CheckpointError: if it is missing, of StyleGAN3, has an option that is not supported, or is damaged.
    """
    torch_archive.resolve_storages(source)
    if _is_network(value):
        modules = value.state["_modules"]
        value = {"G_ema" if isinstance(modules, dict) and "synthesis" in modules else "D": value}
    trees = {name: dict(_modules(source, value[name])) for name in _NETWORKS if _is_network(value.get(name))}
    for name, tree in trees.items():
        if _is_stylegan3(tree):
            raise CheckpointError(
                f"{source.name} holds a StyleGAN3 (alias-free) {name}, which is not supported; give a StyleGAN2."
            )
    found = which if which in trees else _ALSO.get(which, which)
    if found not in trees:
        raise CheckpointError(f"{source.name} holds no network {which}; it has {', '.join(trees)}.")
    tree = trees[found]
    with source.making_sense(f"holds a {found} that is no StyleGAN2 that is known here"):
        _check_options(tree)
        entries = {name: Entry(tensor) for name, tensor in _tensors(source, tree) if not name.endswith(DERIVED)}
        config = _discriminator_config(tree) if which == "D" else _generator_config(tree)
        network: Generator | Discriminator
        if which == "D":
            network = assemble(source.path, Discriminator, config, entries)
        else:
            optional = [] if "mapping.w_avg" in entries else ["mapping.w_avg"]
            optional += _without_noise(tree)
            network = assemble(source.path, Generator, config, entries, optional)
    ignored = ignored_names(key for key, part in value.items() if key != found and part is not None)
    return Reading(network, "NVIDIA pickle (PyTorch)", [*ignored, "module_src"])


def _is_network(value: Any) -> bool:
    return isinstance(value, PlainObject) and "_modules" in value.state


def _modules(source: Source, root: PlainObject) -> Iterator[tuple[str, PlainObject]]:
    # A module or a list of modules that hangs in several places, as in no network here, could hang in exponentially
    # many.
    seen: set[int] = set()
    waiting = [("", root)]
    while waiting:
        name, module = waiting.pop()
        if id(module) in seen or len(seen) >= _MAX_MODULES:
            source.damaged("its network has a module twice, or too many")
        seen.add(id(module))
        yield name, module
        children = module.state.get("_modules")
        if not isinstance(children, dict):
            source.damaged("its network has no list of modules")
        source.budget.spend(len(children))
        for key, child in children.items():
            if child is None:
                continue
            if not _is_name(key) or not _is_network(child) or name.count(".") >= _MAX_PATH:
                source.damaged("its network holds a module that is none")
            waiting.append((f"{name}.{key}" if name else key, child))


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and 0 < len(key) <= _MAX_NAME


def _tensors(source: Source, tree: dict[str, PlainObject]) -> Iterator[tuple[str, StoredTensor]]:
    for path, module in tree.items():
        for kind in ("_parameters", "_buffers"):
            tensors = module.state[kind]
            if not isinstance(tensors, dict):
                raise ValueError(f"{path} has no {kind}")
            # One dictionary may hang in many modules, so each look at it is paid for.
            source.budget.spend(len(tensors))
            for key, tensor in tensors.items():
                if tensor is None:
                    continue
                if not isinstance(tensor, StoredTensor) or not _is_name(key):
                    raise ValueError("a parameter that is no tensor")
                yield f"{path}.{key}" if path else key, tensor


def _is_stylegan3(tree: dict[str, PlainObject]) -> bool:
    return any(name.startswith("synthesis.L") for name in tree) or "synthesis.input" in tree


def _check_options(tree: dict[str, PlainObject]) -> None:
    for name, module in tree.items():
        activation = module.state.get("activation", "linear")
        if not isinstance(activation, str) or activation not in ("linear", "lrelu"):
            raise ValueError(f"{name} has the activation {describe(activation)}")
        kernel = module.state["_parameters"].get("weight")
        if isinstance(kernel, StoredTensor) and len(kernel.shape) == 4 and kernel.shape[2:] not in ((1, 1), (3, 3)):
            raise ValueError(f"{name} has a kernel of {kernel.shape[2:]}")


def _setting(tree: dict[str, PlainObject], name: str, key: str, default: Any = None) -> Any:
    """An attribute of a module or, where it keeps none, what it was constructed with."""
    module = tree.get(name)
    if module is None:
        return default
    constructed = module.state.get("_init_kwargs")
    constructed = constructed if isinstance(constructed, dict) else {}
    return module.state.get(key, constructed.get(key, default))


def _generator_config(tree: dict[str, PlainObject]) -> dict[str, Any]:
    resolution = _setting(tree, "", "img_resolution")
    blocks = {r: f"synthesis.b{r}" for r in _resolutions(resolution)}
    synthesis = widths({r: _shape(tree, f"{block}.conv1", "weight")[0] for r, block in blocks.items()})
    synthesis |= _block_options(tree, blocks, clamped="conv1")
    synthesis["architecture"] = _setting(tree, blocks[resolution], "architecture", "skip")
    return {
        "z_dim": _setting(tree, "", "z_dim"),
        "c_dim": _setting(tree, "", "c_dim", 0),
        "w_dim": _setting(tree, "", "w_dim"),
        "img_resolution": resolution,
        "img_channels": _setting(tree, "", "img_channels", 3),
        "mapping_kwargs": _mapping_options(tree),
        "synthesis_kwargs": synthesis,
    }


def _discriminator_config(tree: dict[str, PlainObject]) -> dict[str, Any]:
    resolution = _setting(tree, "", "img_resolution")
    c_dim = _setting(tree, "", "c_dim", 0)
    blocks = {r: f"b{r}" for r in _resolutions(resolution)}
    counts = {r: _shape(tree, f"{block}.conv0", "weight")[0] for r, block in blocks.items() if r > 4}
    counts[4] = _shape(tree, "b4.conv", "weight")[0]
    added = _shape(tree, "b4.conv", "weight")[1] - counts[4]
    group = _setting(tree, "b4.mbstd", "group_size", 4)
    config = {
        "c_dim": c_dim,
        "img_resolution": resolution,
        "img_channels": _setting(tree, "", "img_channels", 3),
        "architecture": _setting(tree, blocks[resolution], "architecture", "resnet"),
        "epilogue_kwargs": {"mbstd_group_size": group, "mbstd_num_channels": added},
    }
    config |= widths(counts) | _block_options(tree, {r: b for r, b in blocks.items() if r > 4}, clamped="conv0")
    if c_dim:
        config["cmap_dim"] = _shape(tree, "b4.out", "weight")[0]
        config["mapping_kwargs"] = _mapping_options(tree)
        config["mapping_kwargs"].pop("w_avg_beta")
    return config


def _resolutions(resolution: Any) -> list[int]:
    return block_resolutions(whole_number("img_resolution", resolution, 4, RESOLUTION))


def _block_options(tree: dict[str, PlainObject], blocks: dict[int, str], clamped: str) -> dict[str, Any]:
    last = blocks[max(blocks)]
    options = {
        "num_fp16_res": sum(_setting(tree, block, "use_fp16", False) is True for block in blocks.values()),
        "conv_clamp": _setting(tree, f"{last}.{clamped}", "conv_clamp"),
    }
    kernel = tree[last].state["_buffers"].get(DERIVED)
    if isinstance(kernel, StoredTensor):
        options |= filter_option(taps(kernel))
    return options


def _mapping_options(tree: dict[str, PlainObject]) -> dict[str, Any]:
    layers = sum(name.startswith("mapping.fc") for name in tree)
    options: dict[str, Any] = {
        "num_layers": layers,
        "w_avg_beta": _setting(tree, "mapping", "w_avg_beta", _USUAL_BETA),
        "lr_multiplier": _setting(tree, "mapping.fc0", "bias_gain", 0.01),
    }
    if layers > 1:
        options["layer_features"] = _shape(tree, "mapping.fc0", "weight")[0]
    if "mapping.embed" in tree:
        options["embed_features"] = _shape(tree, "mapping.embed", "weight")[0]
    return options


def _without_noise(tree: dict[str, PlainObject]) -> list[str]:
    """The names that a network trained without noise lacks."""
    layers = [name for name in tree if _setting(tree, name, "use_noise") is False]
    return [f"{name}.{part}" for name in layers for part in ("noise_const", "noise_strength")]


def _shape(tree: dict[str, PlainObject], name: str, key: str) -> tuple[int, ...]:
    return tree[name].state["_parameters"][key].shape
