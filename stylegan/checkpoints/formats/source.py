"""An open checkpoint file, the values that stay in it, and the errors for a file that is refused."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import torch
from torch import Tensor

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.budget import Budget
from stylegan.common import console

_TORCH_TYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "bool": torch.bool,
}
FLOATING = ("float64", "float32", "float16", "bfloat16")
ITEM_SIZES = {name: torch.empty(0, dtype=dtype).element_size() for name, dtype in _TORCH_TYPES.items()}
MAX_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that were left in the file."""

    start: int
    length: int


# The generated `__repr__` and `__eq__` of a dataclass walk through what a file built, so these classes have none.
@dataclass(slots=True, repr=False, eq=False)
class Storage:
    """A row of numbers of one type; `start` is None until the bytes that hold it have been looked into."""

    data: Span
    dtype: str = ""
    start: int | None = None
    count: int = 0


class Source:
    """A checkpoint file that is open for reading, with the budget that it may spend.

    Args:
        path: the file.
        file: the same, open for reading in binary mode and seekable.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.name = shown(path)
        self.file = file
        self.size = file.seek(0, 2)
        self.budget = Budget(self.name, self.size)
        # Storages that a pickle holds as bytes, by their place in the file: many tensors may share one.
        self.storages: dict[int, Storage] = {}
        self._readable = self.size
        file.seek(0)

    def damaged(self, what: str) -> NoReturn:
        """Raise CheckpointError for a file that contradicts itself."""
        raise CheckpointError(f"{self.name} is damaged ({what}); fetch it again.")

    def refuse(self, name: str) -> NoReturn:
        """Raise CheckpointError for a file that asks for something other than data."""
        raise CheckpointError(
            f"{self.name} wants to call `{printable(name)}`, so it is not a file of plain tensors; nothing in it was"
            " run, and it was not loaded."
        )

    def unsupported(self, what: str) -> NoReturn:
        """Raise CheckpointError for a file that uses a part of the pickle format that is not for data."""
        raise CheckpointError(
            f"{self.name} uses {what}, as no StyleGAN checkpoint does, so it is not a file of plain tensors; nothing in"
            " it was run, and it was not loaded."
        )

    @contextmanager
    def making_sense(self, otherwise: str) -> Iterator[None]:
        """Inside this block, Python's errors about a description become a CheckpointError "FILE `otherwise` (why)."."""
        try:
            yield
        except CheckpointError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.name} {otherwise} ({explain(error)}).") from error

    def read_into(self, start: int, target: Tensor) -> None:
        """Fill a one-dimensional uint8 tensor with the bytes from `start` on.

        Each byte of the file pays for one byte of memory: tensors that all share the same bytes would otherwise grow
        without limit.
        """
        length = target.numel()
        self._readable -= length
        if self._readable < 0:
            self.damaged("its tensors together are larger than the file")
        self.file.seek(start)
        if length and self.file.readinto(target.numpy()) != length:  # type: ignore[attr-defined]
            self.damaged("it ends within a tensor")


def open_file(path: Path) -> BinaryIO:
    """A file opened for reading, if it is a regular file; CheckpointError if it is a pipe, device, socket or folder."""
    if stat.S_ISREG(os.stat(path).st_mode):
        # O_NONBLOCK: a pipe that has just replaced the file would wait for a writer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return os.fdopen(handle, "rb")
        os.close(handle)
    raise CheckpointError(f"{shown(path)} is not a regular file; give a checkpoint's file.")


def printable(text: str, longest: int = 100) -> str:
    """Text out of a file as it stands between backticks in an error: short, in one line, without backticks."""
    return console.printable(text[: 2 * longest], longest).replace("`", "?")


def shown(path: str | os.PathLike[str]) -> str:
    """A path for a message; `printable`, with room for folders."""
    return printable(os.fspath(path), 300)


def describe(value: object) -> str:
    """A value out of a file for a message: a number or a short text, else only its type."""
    if value is None or type(value) in (bool, float):
        return str(value)
    if type(value) is int:
        # Longer numbers take Python quadratic time to print.
        return str(value) if abs(value) < 10**18 else "a number of over 18 digits"
    if type(value) is str:
        return printable(value, 40)
    return f"a value of type {type(value).__name__}"


def explain(error: Exception) -> str:
    """What an error of Python's says about a file, for a sentence in brackets."""
    if isinstance(error, KeyError) and error.args:
        return f"it lacks {describe(error.args[0])}"
    return printable(" ".join(str(error).split())) if isinstance(error, ValueError) else type(error).__name__


@dataclass(slots=True, repr=False, eq=False)
class StoredTensor:
    """A tensor in the file: a view into a storage. `read` fetches it."""

    source: Source
    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def floating(self) -> bool:
        """Whether its numbers are floating-point numbers."""
        return self.storage.dtype in FLOATING

    def read(self) -> Tensor:
        """The tensor, in the type that the file has it in."""
        storage = self.storage
        if storage.start is None:
            self.source.damaged("a tensor has no data")
        count = numel(self.shape)
        extent = 1 + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True)) if count else 0
        if extent < count or self.offset + extent > storage.count:
            self.source.damaged("a tensor reaches beyond its data")
        item = ITEM_SIZES[storage.dtype]
        raw = _bytes(extent * item)
        self.source.read_into(storage.start + self.offset * item, raw)
        return raw.view(_TORCH_TYPES[storage.dtype]).as_strided(self.shape, self.stride)


@dataclass(slots=True, repr=False, eq=False)
class StoredArray:
    """A numpy array in the file; its fields are filled while the pickle is read.

    `dtype` is the order of the bytes, '<', '>', '|' or '=', followed by the name of the type.
    """

    source: Source
    dtype: str = ""
    shape: tuple[int, ...] = ()
    fortran: bool = False
    data: Span | bytes = b""

    @property
    def floating(self) -> bool:
        """Whether its numbers are floating-point numbers."""
        return self.dtype[1:] in FLOATING

    def read(self) -> Tensor:
        """The array as a tensor."""
        if not self.dtype:
            self.source.damaged("an array has no data")
        swap, name = self.dtype[0] == ">", self.dtype[1:]
        raw = _bytes(numel(self.shape) * ITEM_SIZES[name])
        if isinstance(self.data, bytes):
            raw.copy_(torch.frombuffer(bytearray(self.data), dtype=torch.uint8) if self.data else raw)
        else:
            self.source.read_into(self.data.start, raw)
        if swap:
            raw = raw.reshape(-1, ITEM_SIZES[name]).flip(1).flatten()
        values = raw.view(_TORCH_TYPES[name])
        if self.fortran:
            return values.reshape(self.shape[::-1]).permute(tuple(reversed(range(len(self.shape)))))
        return values.reshape(self.shape)


def _bytes(count: int) -> Tensor:
    try:
        return torch.empty(count, dtype=torch.uint8)
    except RuntimeError as error:
        # torch's error when memory runs out.
        raise MemoryError from error


def numel(shape: Sequence[int]) -> int:
    """How many numbers a tensor of that shape has."""
    count = 1
    for n in shape:
        count *= n
    return count
