"""Writes networks as NVIDIA's repositories do, for files of any size to read: the form alone, with no source in it."""

import contextlib
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

_ATTRIBUTES: tuple[str, ...] = (
    "activation",
    "up",
    "down",
    "conv_clamp",
    "bias_gain",
    "architecture",
    "group_size",
    "num_channels",
)
_ATTRIBUTES += (
    "z_dim",
    "c_dim",
    "w_dim",
    "img_resolution",
    "img_channels",
    "num_ws",
    "num_layers",
    "w_avg_beta",
    "use_noise",
)


def write_nvidia(path: Path, networks: dict[str, nn.Module | None], repository: str = "ada", **more: Any) -> None:
    """Write networks of this project under the names `G`, `D`, `G_ema` to a pickle.

    Args:
        path: the file.
        networks: what stands under each name.
        repository: "ada" or "stylegan3", which differ in where they keep the constructor's arguments.
        more: further values of the dictionary.
    """
    with _foreign_names() as easy_dict, path.open("wb") as file:
        value: dict[str, Any] = {name: None if n is None else _tree(n, repository) for name, n in networks.items()}
        value |= {"training_set_kwargs": easy_dict(path="faces.zip", resolution=64), "augment_pipe": None, **more}
        pickle.dump(value, file, protocol=4)


def _tree(module: nn.Module, repository: str) -> Any:
    network = sys.modules["torch_utils.persistence"].PersistentObject
    state: dict[str, Any] = {"training": False, "_forward_hooks": OrderedDict(), "_non_persistent_buffers_set": set()}
    state["_parameters"] = dict(module._parameters)
    state["_buffers"] = dict(module._buffers)
    state["_modules"] = {k: _tree(v, repository) for k, v in module._modules.items() if v is not None}
    state |= {key: getattr(module, key) for key in _ATTRIBUTES if isinstance(getattr(module, key, None), int | float)}
    state |= {key: getattr(module, key) for key in _ATTRIBUTES if isinstance(getattr(module, key, 0), str | type(None))}
    state["use_fp16"] = getattr(module, "low_precision", False)
    config = dict(getattr(module, "config", {}))
    if repository == "stylegan3":
        config |= config.pop("synthesis_kwargs", {})
    state |= {"_init_args": (), "_init_kwargs": config}
    return network(type(module).__name__, state)


@contextlib.contextmanager
def _foreign_names() -> Iterator[type[dict[str, Any]]]:
    """Modules of NVIDIA's names, empty but for what a pickle refers to, for as long as it is written."""
    persistence, dnnlib, util = (types.ModuleType(n) for n in ("torch_utils.persistence", "dnnlib", "dnnlib.util"))
    modules = {"torch_utils": types.ModuleType("torch_utils"), "dnnlib": dnnlib}
    modules |= {"torch_utils.persistence": persistence, "dnnlib.util": util}

    def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
        raise NotImplementedError

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    easy_dict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})

    class PersistentObject:
        def __init__(self, name: str, state: dict[str, Any]) -> None:
            meta = {"type": "class", "version": 6, "module_src": "raise SystemExit\n" * 500}
            self.meta = easy_dict(**meta, class_name=name, state=state)

        def __reduce__(self) -> tuple[Any, ...]:
            return _reconstruct_persistent_obj, (self.meta,)

    persistence.__dict__.update(
        _reconstruct_persistent_obj=_reconstruct_persistent_obj, PersistentObject=PersistentObject
    )
    util.__dict__["EasyDict"] = easy_dict
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield easy_dict
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
