"""Reading safetensors files that are not trusted.

The format: eight bytes with the header's length (little endian), a JSON header, and the bytes of all tensors one after
another. The header maps each name to `{"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}`, and
`__metadata__` to an object of strings.

safetensors' own `safe_open` maps the file into memory: if the file is truncated meanwhile, SIGBUS kills the process. It
also allows headers of 100 MB, which take a gigabyte once parsed. This reader copies instead of mapping, and checks
every number of the header against the file's size before it allocates anything.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

# A generator of a thousand tensors has a header of 100 kB. Parsed JSON takes up to 25 times its length.
MAX_HEADER = 1_000_000
MAX_DIMENSIONS = 8

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_FIELDS = {"dtype", "shape", "data_offsets"}

Shapes = dict[str, tuple[int, ...]]


class TensorFileError(ValueError):
    """A file that is not whole and plain safetensors; `reason` says what is wrong with it, without the file's name."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read as a safetensors file ({reason}); fetch or write it again.")
        self.reason = reason


class _Damage(Exception):
    """What is wrong with the file being read."""


@torch.no_grad()
def digest(tensors: Mapping[str, Tensor], about: str = "") -> str:
    """The SHA-256, in hexadecimal, of `about` and of tensors: names in order, shapes, and values as float32.

    What follows from weights alone can be kept under such a name.
    """
    found = hashlib.sha256(about.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f" {name} {tuple(tensor.shape)} ".encode())
        found.update(tensor.float().cpu().contiguous().numpy().data)
    return found.hexdigest()


def read_tensors(
    path: str | os.PathLike[str],
    check: Callable[[Shapes, dict[str, str]], object] | None = None,
    max_bytes: int | None = None,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a safetensors file into memory.

    A hostile file costs at most its own size in memory, plus about 25 MB for its header, and no more time than reading
    it. The file may be cut or replaced meanwhile.

    Args:
        path: the file.
        check: called with the shapes by name and the metadata before any tensor is read, to refuse the file by raising
            its own error.
        max_bytes: refuses larger files before reading them; no limit by default.

    Returns:
        The tensors by name, each in its own memory on the CPU, with the file's types; and the metadata.

    Raises:
        TensorFileError: in one sentence, for a file that is damaged or cut, whose header has over `MAX_HEADER` bytes,
            or that holds types other than floating-point numbers (16 to 64 bits), integers and booleans.
        OSError: if the file cannot be opened or read.
    """
    path = Path(path)
    if not stat.S_ISREG(path.stat().st_mode):
        # Opening a pipe would wait for ever.
        raise TensorFileError(path, "it is not a regular file")
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if max_bytes is not None and size > max_bytes:
                raise _Damage(f"it has {size:,} bytes, and {max_bytes:,} is the limit")
            header, data = _header(file, size)
            metadata = _metadata(header.pop("__metadata__", {}))
            entries = _entries(header, size - data)
            if check is not None:
                check({name: shape for name, (_, shape, _) in entries.items()}, metadata)
            return {name: _tensor(file, *entry) for name, entry in entries.items()}, metadata
    except _Damage as damage:
        raise TensorFileError(path, str(damage)) from None
    except MemoryError:
        raise TensorFileError(path, f"its {size:,} bytes do not fit into memory") from None


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The parsed header, and where the tensors begin."""
    if size < 8:
        raise _Damage("it is shorter than a header")
    length = int.from_bytes(_read(file, 8), "little")
    if length > size - 8:
        raise _Damage("its header is cut, or it is another kind of file")
    if length > MAX_HEADER:
        raise _Damage(f"its header has {length:,} bytes, and {MAX_HEADER:,} is the limit")
    try:
        header = json.loads(_read(file, length).decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _Damage("its header is not JSON") from None
    if not isinstance(header, dict):
        raise _Damage("its header is not a JSON object")
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Damage("its header has a name twice")
    return found


def _no_constant(name: str) -> None:
    raise _Damage(f"its header contains {name}")


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _Damage("its metadata is not an object of strings")
    return value


def _entries(header: dict[str, Any], length: int) -> dict[str, tuple[torch.dtype, tuple[int, ...], int]]:
    """Type, shape and number of bytes of each tensor, in the order of their bytes, which fill `length` exactly."""
    found = []
    for name, fields in header.items():
        # `repr` makes control characters visible, and the name may be long.
        shown = repr(name[:60])
        if not isinstance(fields, dict) or set(fields) != _FIELDS:
            raise _Damage(f"the entry {shown} of its header lacks a type, a shape or offsets, or has more")
        dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise _Damage(f"the type of tensor {shown} is not among {', '.join(_DTYPES)}")
        # A dimension larger than the file is wrong, or stands beside a 0. Code that allocates a tensor like it would
        # fail.
        if not _are_sizes(shape, length) or len(shape) > MAX_DIMENSIONS:
            raise _Damage(f"the shape of tensor {shown} is not one that the file can hold")
        if not _are_sizes(offsets, length) or len(offsets) != 2:
            raise _Damage(f"the bytes of tensor {shown} are not in the file")
        begin, end = offsets
        if math.prod(shape) * _DTYPES[dtype].itemsize != end - begin:
            raise _Damage(f"the shape of tensor {shown} does not fit the number of its bytes")
        found.append((begin, end, name, _DTYPES[dtype], tuple(shape)))
    found.sort(key=lambda entry: entry[:2])
    position = 0
    for begin, end, *_ in found:
        if begin != position:
            raise _Damage("its tensors overlap or leave gaps")
        position = end
    if position != length:
        raise _Damage(f"{length - position:,} of its bytes belong to no tensor")
    return {name: (dtype, shape, end - begin) for begin, end, name, dtype, shape in found}


def _are_sizes(values: Any, largest: int) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n <= largest for n in values)


def _tensor(file: BinaryIO, dtype: torch.dtype, shape: tuple[int, ...], count: int) -> Tensor:
    # A separate allocation, because offsets in the file need not be aligned to the type.
    raw = torch.empty(count, dtype=torch.uint8)
    _fill(file, raw.numpy().data)
    if dtype == torch.bool and bool((raw > 1).any()):
        raise _Damage("one of its booleans is neither 0 nor 1")
    return raw.view(dtype).reshape(shape)


def _read(file: BinaryIO, count: int) -> bytes:
    data = bytearray(count)
    _fill(file, memoryview(data))
    return bytes(data)


def _fill(file: BinaryIO, view: memoryview) -> None:
    while view:
        got = file.readinto(view)  # type: ignore[attr-defined]
        if not got:
            raise _Damage("it was cut while it was read")
        view = view[got:]
