"""Where the pictures of a training run come from: a folder with its sub-folders, or a zip file.

Nothing is unpacked to the disk, so absolute names, `..` and links in a zip have no effect.
"""

import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from stylegan.common.console import printable
from stylegan.common.pictures import PictureError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".tga")
# The largest member of a zip that is read, because it is unpacked whole. Few pictures of 67 megapixels are larger.
_MAX_BYTES = 256_000_000


@dataclass(frozen=True)
class PictureFile:
    """A file that may be a picture.

    Attributes:
        name: path within the source, with slashes.
        open: opens it for reading, seekable; raises PictureError, in one sentence, or OSError.
    """

    name: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        files: files that may be pictures, sorted by name.
        others: how many files have another ending, for each ending.
        unreadable: sub-folders that cannot be read, with the reason.
    """

    files: tuple[PictureFile, ...]
    others: dict[str, int]
    unreadable: tuple[str, ...] = ()


@contextmanager
def find(source: Path) -> Iterator[Found]:
    """The files of a source, which can be opened while the block runs. Hidden ones are left out.

    Raises:
        ValueError: if there is no such folder or file, or it is no zip file that can be read.
    """
    if source.is_dir():
        yield _in_folder(source)
        return
    if not source.is_file():
        raise ValueError(f"There is no folder or file {source}; check the path.")
    try:
        archive = zipfile.ZipFile(source)
    except PermissionError:
        raise ValueError(f"{source} may not be read; change its permissions.") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        # A name in another encoding than the zip says (UnicodeDecodeError), or a newer version of the format.
        damaged = zipfile.is_zipfile(source) and not isinstance(error, zipfile.BadZipFile)
        what = "a zip file that cannot be read" if damaged else "no folder and no zip file"
        raise ValueError(f"{source} is {what}; give a folder or a zip with pictures in it.") from error
    with archive:
        yield _in_zip(archive)


def _in_folder(source: Path) -> Found:
    unreadable: list[str] = []

    def note(error: OSError) -> None:
        where = Path(error.filename).relative_to(source) if error.filename else source
        unreadable.append(f"{where.as_posix()}/ cannot be read ({error.strerror}).")

    paths = sorted(Path(where) / name for where, _, names in os.walk(source, onerror=note) for name in names)
    named = [(path.relative_to(source).as_posix(), path) for path in paths]
    files = tuple(PictureFile(name, _opener(name, path)) for name, path in named if _is_picture(name))
    return Found(files, _others([name for name, _ in named]), tuple(unreadable))


def _in_zip(archive: zipfile.ZipFile) -> Found:
    members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda member: member.filename)
    files = tuple(PictureFile(m.filename, _member_opener(archive, m)) for m in members if _is_picture(m.filename))
    return Found(files, _others([m.filename for m in members]))


def _is_hidden(name: str) -> bool:
    parts = [part for part in PurePosixPath(name).parts if part != ".."]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in ENDINGS and not _is_hidden(name)


def _others(names: list[str]) -> dict[str, int]:
    endings = [PurePosixPath(name).suffix.lower() for name in names if not _is_picture(name) and not _is_hidden(name)]
    return dict(sorted(Counter(endings).items()))


def _opener(name: str, path: Path) -> Callable[[], BinaryIO]:
    def open_file() -> BinaryIO:
        if not path.is_file():
            what = "a link to nothing" if path.is_symlink() else "no regular file"
            raise PictureError(f"{printable(name)} is {what}.")
        return path.open("rb")

    return open_file


def _member_opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def open_member() -> BinaryIO:
        # zipfile stops reading at this size, whatever the data would unpack to.
        if member.file_size > _MAX_BYTES:
            raise PictureError(f"{printable(member.filename)} has more than {_MAX_BYTES // 1_000_000} MB.")
        if member.flag_bits & 1:
            raise PictureError(f"{printable(member.filename)} is encrypted.")
        # Unpacked whole: each seek in a member unpacks it again, and a hostile picture could cause any number of seeks.
        return io.BytesIO(archive.read(member))

    return open_member
