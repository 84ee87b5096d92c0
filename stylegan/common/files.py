"""Files that appear whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from stylegan.common import ending

if TYPE_CHECKING:
    from torch import Tensor

# EFBIG: the user may not write files of that size (ulimit -f).
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(OSError):
    """The disk, or the user's share of it, has no room left; whatever is written next will fail too."""

    def __str__(self) -> str:
        return str(self.args[-1])


def is_full(error: OSError) -> bool:
    """Whether an error means that a disk, or the user's share of it, has no room left."""
    return error.errno in _FULL


def check_room(folder: str | os.PathLike[str], needed: int, what: str) -> None:
    """Raises DiskFullError, in one sentence, if a folder has less room than is going to be written.

    Args:
        folder: must exist.
        needed: bytes.
        what: what they are for, in the plural, as the subject of the sentence.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFullError(
            errno.ENOSPC,
            f"{what} take {megabytes(needed)} and the disk of {folder} has {megabytes(free)} left; free some space or"
            " choose another folder",
        )


def megabytes(size: int) -> str:
    """A number of bytes in words.

    >>> megabytes(1_234_567), megabytes(345), megabytes(5_000_000_000)
    ('1.2 MB', '0.3 kB', '5.0 GB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"


@contextmanager
def whole_file(path: str | os.PathLike[str], durable: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path`; what the block writes there becomes `path` when the block ends.

    If the block raises, `path` stays as it was and the temporary file is removed.

        with whole_file("table.json") as part:
            part.write_text(text)

    Args:
        path: the file to make or replace; its folder must exist.
        durable: wait until the disk has the bytes, so that a power cut loses neither the old file nor the new one.

    Raises:
        DiskFullError: in one sentence, when there is no room.
        OSError: in one sentence, when the file cannot be written for another reason.
    """
    path = Path(path)
    # A short name of its own: the file's own name may already have the 255 bytes that are allowed.
    part = path.parent / f".{token_hex(8)}.part"
    with ending.unfinished(part):
        try:
            part.touch(exist_ok=False)
            yield part
            if durable:
                _sync(part)
            os.replace(part, path)
        except OSError as error:
            raise _told(error, path, part) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], data: bytes, durable: bool = False) -> None:
    """Writes a file whole or not at all; same arguments and errors as `whole_file`."""
    with whole_file(path, durable) as part:
        part.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str, durable: bool = False) -> None:
    """Writes a UTF-8 file whole or not at all; same arguments and errors as `whole_file`."""
    write_bytes(path, text.encode(), durable)


def write_tensors(path: str | os.PathLike[str], tensors: dict[str, "Tensor"], metadata: dict[str, str]) -> None:
    """Writes a safetensors file whole or not at all; same errors as `whole_file`."""
    from safetensors.torch import save

    # safetensors' own `save_file` makes files that only their owner may read, so the bytes are written here.
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata=metadata)
    write_bytes(path, data)


def _told(error: OSError, path: Path, part: Path) -> OSError:
    """The same error, naming the file that cannot be written; an error that names another file is kept."""
    if is_full(error):
        return DiskFullError(error.errno, f"{path} cannot be written because the disk is full; free some space")
    if error.errno is None or (
        error.filename is not None and str(error.filename) not in {str(path), str(path.parent), str(part)}
    ):
        return error
    # The constructor chooses the subclass by the number: PermissionError, FileNotFoundError and so on.
    return OSError(error.errno, error.strerror or "cannot be written", str(path))


def _sync(part: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
