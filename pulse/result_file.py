"""The file of a result: safetensors, with everything but the tensors as JSON in its metadata.

Metadata: `format` ("pulse-result-1") and `result`, JSON of `seed`, `seeds`, `settings`, `interrupted`, `noise` (how
many), `history` (its names) and `all_starts` (the same once more, or null). Tensors: the fields of `pulse.Result` by
name (`paint` and `painted_at` if it has them), `noise.0`, `noise.1`, ..., `history.loss`, `history.l2`, and those of
`all_starts` with that prefix.

The file is not trusted: reading it ends in these fields with matching shapes and types, or in one ValueError.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

FORMAT = "pulse-result-1"
# Of a file: about 300 images at 1024 px with their noise.
MAX_BYTES = 8 * 2**30
# Far more than any search has, and few enough to print.
_MAX_SEED = 2**128

# Type and number of dimensions of each tensor; None for any number from two.
_TENSORS: dict[str, tuple[torch.dtype, int | None]] = {
    "images": (torch.float32, 4),
    "downsampled": (torch.float32, None),
    "target": (torch.float32, None),
    "loss": (torch.float32, 1),
    "l2": (torch.float32, 1),
    "reached": (torch.bool, 1),
    "reached_at": (torch.int64, 1),
    "best_at": (torch.int64, 1),
    "start": (torch.int64, 1),
    "latents": (torch.float32, 3),
    "ws": (torch.float32, 3),
}
# Of drawn answers, both or none: the dimensions.
_PAINT = {"paint": (7, 3, 16, 16), "painted_at": (128,)}
_HISTORY = ("loss", "l2", "accepted")


def write(path: str | os.PathLike[str], fields: dict[str, Any], text: Mapping[str, str]) -> None:
    """Writes the fields of a result, those of its `all_starts` in the same form; whole or not at all.

    `text` also goes into the metadata, which `read` passes over.
    """
    from stylegan.common.files import write_tensors

    tensors, facts = _parts(fields, "")
    write_tensors(path, tensors, {**text, "format": FORMAT, "result": json.dumps(facts)})


def read(path: str | os.PathLike[str], max_bytes: int | None = None) -> dict[str, Any]:
    """The fields that `write` wrote; same arguments and errors as `Result.load`."""
    from stylegan.common.tensors import TensorFileError, read_tensors

    shown = repr(str(path))
    try:
        tensors, metadata = read_tensors(path, _check_format, MAX_BYTES if max_bytes is None else max_bytes)
        return _fields(tensors, _json(metadata["result"]))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no result file {shown}; give the path of a file written by Result.save."
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(
            f"The result file {shown} cannot be read ({reason}); check the file and its folder."
        ) from None
    except TensorFileError as error:
        reason = error.reason
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"The file {shown} is not a search result ({reason}); give a file written by Result.save.")


def _parts(fields: dict[str, Any], prefix: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    found = {name: fields[name] for name in _TENSORS}
    found |= {name: fields[name] for name in _PAINT if fields[name] is not None}
    found |= {f"noise.{i}": x for i, x in enumerate(fields["noise"])}
    found |= {f"history.{name}": x for name, x in fields["history"].items()}
    # Rows that were expanded share memory, which the format refuses.
    tensors = {
        prefix + name: x.detach().cpu().clone(memory_format=torch.contiguous_format) for name, x in found.items()
    }
    facts: dict[str, Any] = {name: fields[name] for name in ("seed", "settings", "interrupted")}
    facts |= {"seeds": list(fields["seeds"]), "noise": len(fields["noise"]), "history": list(fields["history"])}
    facts["all_starts"] = None
    if fields["all_starts"] is not None:
        more, facts["all_starts"] = _parts(fields["all_starts"], "all_starts.")
        tensors |= more
    return tensors, facts


def _check_format(shapes: dict[str, tuple[int, ...]], metadata: dict[str, str]) -> None:
    if metadata.get("format") != FORMAT or "result" not in metadata:
        raise ValueError(f"its metadata lacks the format {FORMAT}")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("its metadata is not JSON") from None


def _fields(tensors: dict[str, Tensor], facts: Any) -> dict[str, Any]:
    rest = dict(tensors)
    fields = _of_one(rest, facts, "")
    inner = facts["all_starts"]
    if inner is not None:
        fields["all_starts"] = _of_one(rest, inner, "all_starts.")
        count, rows = len(fields["images"]), len(fields["all_starts"]["images"])
        if inner["all_starts"] is not None or count == 0 or rows % count:
            raise ValueError("its all_starts do not fit its images")
    if rest:
        raise ValueError(f"it has an unknown tensor {next(iter(rest))[:60]!r}")
    return fields


def _of_one(rest: dict[str, Tensor], facts: Any, prefix: str) -> dict[str, Any]:
    """The fields of one result, without its all_starts; takes its tensors out of `rest`."""
    facts = _checked(facts)

    def take(name: str, dtype: torch.dtype, dimensions: int | None) -> Tensor:
        tensor = rest.pop(prefix + name, None)
        if tensor is None:
            raise ValueError(f"the tensor {prefix + name} is missing")
        fits = tensor.dtype == dtype and (tensor.ndim >= 2 if dimensions is None else tensor.ndim == dimensions)
        if not fits or (count is not None and tensor.shape[0] != count):
            raise ValueError(f"the tensor {prefix + name} is {tuple(tensor.shape)}, {tensor.dtype}, which does not fit")
        return tensor

    count: int | None = None
    images = take("images", *_TENSORS["images"])
    count = images.shape[0]
    fields: dict[str, Any] = {"images": images}
    fields |= {name: take(name, *kind) for name, kind in _TENSORS.items() if name != "images"}
    there = any(prefix + name in rest for name in _PAINT)
    for name, shape in _PAINT.items():
        fields[name] = take(name, torch.float32, 1 + len(shape)) if there else None
        if there and fields[name].shape[1:] != shape:
            raise ValueError(f"the tensor {prefix + name} is {tuple(fields[name].shape)}, which does not fit")
    fields["noise"] = [take(f"noise.{i}", torch.float32, 4) for i in range(facts["noise"])]
    fields["history"] = {name: take(f"history.{name}", torch.float32, 2) for name in facts["history"]}
    fields |= {"seed": facts["seed"], "settings": facts["settings"], "interrupted": facts["interrupted"]}
    fields |= {"seeds": tuple(facts["seeds"]), "all_starts": None}
    if images.shape[1] != 3 or 0 in images.shape[2:] or fields["downsampled"].shape != fields["target"].shape:
        raise ValueError("its images or their targets have shapes that do not fit")
    if fields["seeds"] and len(fields["seeds"]) != count:
        raise ValueError(f"it has {len(fields['seeds'])} seeds for {count} images")
    return fields


def _checked(facts: Any) -> dict[str, Any]:
    """The fields that are not tensors, with every type checked."""
    if not isinstance(facts, dict):
        raise ValueError("its metadata is not an object")
    # Older files hold only the first image's seed.
    facts = {"seeds": [], **facts}
    checks = {
        "seed": _is_seed,
        "seeds": lambda x: isinstance(x, list) and all(map(_is_seed, x)),
        "settings": lambda x: isinstance(x, dict),
        "interrupted": lambda x: isinstance(x, bool),
        "noise": lambda x: type(x) is int and x >= 0,
        "history": lambda x: isinstance(x, list) and all(name in _HISTORY and x.count(name) == 1 for name in x),
        "all_starts": lambda x: x is None or isinstance(x, dict),
    }
    for name, is_right in checks.items():
        if name not in facts or not is_right(facts[name]):
            raise ValueError(f"its {name} is missing or of a wrong type")
    # The settings that a Result uses; the others are only kept.
    eps = facts["settings"].get("eps", 0.0)
    if type(eps) not in (int, float) or not 0 <= eps < 1e30:
        raise ValueError("its setting eps is not a number of at least 0")
    if not isinstance(facts["settings"].get("space", ""), str):
        raise ValueError("its setting space is not a name")
    return facts


def _is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MAX_SEED
