"""Files of `torch.save`, read as data: today's zip format, the format before 2020, and storages in pickles.

Tensors stay in the file until `StoredTensor.read`. Compressed archives, which `torch.save` never writes, are refused:
a few kilobytes of them can unpack to gigabytes.
"""

import struct
import zipfile
from collections.abc import Mapping
from typing import Any

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats import budget, plain_values
from stylegan.checkpoints.formats.plain_pickle import read_pickle
from stylegan.checkpoints.formats.source import ITEM_SIZES, Source, Span, Storage, printable

_LEGACY_MARK = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_ZIP_MARK = b"PK\x03\x04"


def is_zip(source: Source) -> bool:
    """Whether the file is a zip archive."""
    source.file.seek(0)
    return source.file.read(4) == _ZIP_MARK


def is_legacy_mark(value: Any) -> bool:
    """Whether a pickle's value is the mark that begins a file of `torch.save` from before 2020."""
    return type(value) is int and value == _LEGACY_MARK


def read(source: Source) -> Any:
    """The value of a file of `torch.save` in either form, its tensors as `StoredTensor`.

    Raises:
        CheckpointError: if it is another kind of file, damaged, or names what is not data.
    """
    if is_zip(source):
        return read_zip(source)
    source.file.seek(0)
    if not is_legacy_mark(read_pickle(source)):
        raise CheckpointError(f"{source.name} is not a file of torch.save; give one.")
    source.file.seek(0)
    return read_legacy(source, source.size)


def read_zip(source: Source) -> Any:
    """The value that `torch.save` put into a zip archive, its tensors as `StoredTensor`.

    Raises:
        CheckpointError: if the archive is damaged, compressed, no archive of `torch.save`, or names what is not data.
    """
    _check_directory(source)
    try:
        with zipfile.ZipFile(source.file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            duplicated = len(entries) != len(archive.infolist())
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        OverflowError,
        RuntimeError,
        ValueError,
        struct.error,
    ) as error:
        source.damaged(f"its zip archive: {type(error).__name__}")
    source.budget.spend(len(entries))
    roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if duplicated or len(roots) != 1:
        holds = f"it holds {printable(next(iter(entries)), 60)!r}" if entries else "it is empty"
        raise CheckpointError(
            f"{source.name} is a zip archive, but none that torch.save wrote ({holds}); unpack it and give the"
            " checkpoint in it."
        )
    order = entries.get(f"{roots[0]}byteorder")
    if order is not None:
        source.file.seek(_locate(source, order).start)
        if source.file.read(6) != b"little":
            source.damaged("its numbers are in an order of bytes that is not read")
    pickle = _locate(source, entries[f"{roots[0]}data.pkl"])
    source.file.seek(pickle.start)
    storages: dict[str, Storage] = {}
    value = read_pickle(source, storages)
    if source.file.tell() > pickle.start + pickle.length:
        source.damaged("its pickle is longer than it says")
    for key, storage in storages.items():
        entry = entries.get(f"{roots[0]}data/{key}")
        span = Span(0, -1) if entry is None else _locate(source, entry)
        if span.length != storage.count * ITEM_SIZES[storage.dtype]:
            source.damaged("a tensor's data is missing or of the wrong length")
        storage.start = span.start
    return value


def read_legacy(source: Source, length: int, names: Mapping[str, str] = plain_values.NAMES) -> Any:
    """The value that `torch.save` put into a file of its old form.

    Args:
        source: the file, positioned where the old form begins.
        length: of the old form, in bytes.
        names: what its pickles may name, beside the types of storages.

    Raises:
        CheckpointError: as for `read_zip`.
    """
    end = source.file.tell() + length
    mark, version, system = (read_pickle(source, None, names) for _ in range(3))
    if not is_legacy_mark(mark) or type(version) is not int or version != _LEGACY_VERSION:
        source.damaged("it is none of torch.save's")
    if type(system) is not dict or system.get("little_endian") is not True:
        source.damaged("its numbers are in an order of bytes that is not read")
    storages: dict[str, Storage] = {}
    value = read_pickle(source, storages, names)
    keys = read_pickle(source, None, names)
    if type(keys) is not list or len(keys) != len(storages) or any(type(key) is not str for key in keys):
        source.damaged("its list of tensors does not fit its tensors")
    if set(keys) != storages.keys():
        source.damaged("its list of tensors does not fit its tensors")
    position = source.file.tell()
    for key in keys:
        storage = storages[key]
        source.file.seek(position)
        if source.file.read(8) != storage.count.to_bytes(8, "little"):
            source.damaged("a tensor's length is given in two ways")
        storage.start = position + 8
        position = storage.start + storage.count * ITEM_SIZES[storage.dtype]
        if position > end:
            source.damaged("it ends within a tensor")
    return value


def resolve_storages(source: Source) -> None:
    """Look into the bytes of every storage that a pickle held, so that its tensors can be read.

    The bytes are files of `torch.save`'s old form, each with one storage. Their pickles go through the same reader as
    the one around them, and may name nothing but types of storages.

    Raises:
        CheckpointError: if the bytes are anything else.
    """
    for storage in source.storages.values():
        source.file.seek(storage.data.start)
        inner = read_legacy(source, storage.data.length, names={})
        if type(inner) is not Storage:
            source.damaged("a tensor's data is not a plain row of numbers")
        storage.dtype, storage.start, storage.count = inner.dtype, inner.start, inner.count


def _check_directory(source: Source) -> None:
    # zipfile makes an object of every entry before it can be asked how many there are. Its versions look for a zip64
    # record in different places, so the record must be where all of them look.
    tail = max(source.size - 98, 0)
    source.file.seek(tail)
    end = source.file.read(98)[-98:]
    record, locator = end[-22:], end[-42:-22]
    if len(record) < 22 or record[:4] != b"PK\x05\x06":
        source.damaged("it is cut off: its zip archive has no end")
    size = int.from_bytes(record[12:16], "little")
    if locator[:4] == b"PK\x06\x07":
        size = max(0 if size == 0xFFFFFFFF else size, int.from_bytes(end[-98:-42][40:48], "little"))
        if int.from_bytes(locator[8:16], "little") != source.size - 98:
            source.damaged("its zip archive points nowhere")
    if size > budget.DIRECTORY:
        source.damaged("its zip archive lists too many files")


def _locate(source: Source, entry: zipfile.ZipInfo) -> Span:
    if not 0 <= entry.header_offset < source.size:
        source.damaged("its zip archive points nowhere")
    source.file.seek(entry.header_offset)
    header = source.file.read(30)
    if len(header) < 30 or header[:4] != _ZIP_MARK:
        source.damaged("its zip archive points nowhere")
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.file_size != entry.compress_size:
        source.damaged("its zip archive is compressed, as torch.save's never are")
    start = entry.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    if start + entry.file_size > source.size:
        source.damaged("its zip archive ends within a file")
    return Span(start, entry.file_size)
