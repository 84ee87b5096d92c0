"""The folder of one fetched file in the cache, which other users of the machine may be able to write to.

Whatever another user may have put there is not trusted: no link is followed, no file truncated, and no folder or record
of theirs used.
"""

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from stylegan.checkpoints.errors import CheckpointError
from stylegan.common.console import printable
from stylegan.common.files import DiskFullError, is_full

# O_NONBLOCK: opening a pipe in place of a file must not wait. Windows has neither flag.
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_LONGEST_RECORD = 1 << 16


class NoRoomError(DiskFullError, CheckpointError):
    """A checkpoint that the disk has no room for: for `stylegan.load` a checkpoint's error, for others a full disk."""


def make_folder(folder: Path, private: bool) -> None:
    """Makes the folder of one file, and the cache above it, where they are missing; then as `check_folder`.

    Args:
        folder: of the file.
        private: whether no other user may read it.
    """
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700 if private else 0o755)
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Checks that nobody may have put something into a folder but this user, root and the owner of the whole cache.

    Raises:
        CheckpointError: if somebody may.
        FileNotFoundError: if there is no such folder.
    """
    cache, own = folder.parent.stat(), folder.lstat()
    if not stat.S_ISDIR(own.st_mode):
        raise CheckpointError(
            f"{printable(folder)} is a link or a file where a folder should be; delete it, or set PULSE_CACHE to a"
            " folder of your own."
        )
    if not hasattr(os, "geteuid"):
        return
    if cache.st_mode & stat.S_IWOTH and not cache.st_mode & stat.S_ISVTX:
        raise CheckpointError(
            f"{printable(folder.parent)} can be written to by every user, so its files are not trusted; run"
            f" chmod o-w on it, or set PULSE_CACHE to a folder of your own."
        )
    if own.st_uid not in (os.geteuid(), 0, cache.st_uid) or own.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CheckpointError(
            f"{printable(folder)} belongs to another user or can be written to by one, so it is not trusted; delete"
            " it, or set PULSE_CACHE to a folder of your own."
        )


def open_plain(path: Path, flags: int = os.O_RDONLY) -> IO[bytes]:
    """Opens a plain file: not a link, pipe or device, and without a second hard link.

    Args:
        path: of the file.
        flags: of os.open; os.O_CREAT | os.O_EXCL makes a new file.

    Raises:
        CheckpointError: if it is something else.
        OSError: as for os.open.
    """
    if path.is_symlink():
        raise _planted(path)
    handle = os.open(path, flags | _PLAIN, 0o644)
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
        os.close(handle)
        raise _planted(path)
    return os.fdopen(handle, "rb" if flags & 3 == os.O_RDONLY else "r+b")


def _planted(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{printable(path)} is a link, a pipe or another thing that is no plain file, so it was not touched; delete it."
    )


def size_of(path: Path) -> int:
    """The size of a plain file in bytes; 0 where there is none."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return 0
    return about.st_size if stat.S_ISREG(about.st_mode) and about.st_nlink == 1 else 0


def read_record(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} where there is no file.

    Raises:
        ValueError: if it holds something else; CheckpointError if it is no plain file.
        OSError: if it cannot be read.
    """
    try:
        with open_plain(path) as file:
            data = file.read(_LONGEST_RECORD)
    except FileNotFoundError:
        return {}
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict) or not value:
        raise ValueError("no record")
    return value


def checksum(path: Path) -> str:
    """The SHA-256 of a plain file; same errors as `open_plain`."""
    with open_plain(path) as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of a file's folder while the block runs.

    Raises:
        CheckpointError: if another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open_plain(path.parent / ".lock", os.O_RDWR | os.O_CREAT) as file:
        try:
            # The system frees it when its holder ends, for whatever reason.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointError(f"{path.name} is being fetched by another process; wait until it is done.") from error
        yield


def explained(error: OSError, folder: Path) -> CheckpointError:
    """A sentence for the user about a system error that came up while a file's folder was used."""
    if is_full(error):
        return NoRoomError(
            errno.ENOSPC,
            f"{printable(folder)} is full; make room and fetch again to go on, or set PULSE_CACHE to another folder.",
        )
    where = printable(folder if error.filename is None else os.fsdecode(error.filename))
    reason = printable(error.strerror or type(error).__name__)
    if isinstance(error, PermissionError):
        return CheckpointError(
            f"{where} in the cache may not be read or written by this user ({reason}); change its permissions, or set"
            " PULSE_CACHE to another folder."
        )
    return CheckpointError(f"{where} in the cache cannot be used ({reason}); set PULSE_CACHE to another folder.")
