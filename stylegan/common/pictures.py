"""The one reader of picture files: by content, within limits that hold before anything is decoded.

A file is opened as data. No program is run on it (Pillow would run Ghostscript on PostScript), it is not mapped into
memory (a file that shrinks while it is read would kill the process), and what it would decode to is known and bounded
before it is decoded.
"""

import contextlib
import errno
import functools
import logging
import os
import stat
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from stylegan.common import picture_headers as headers
from stylegan.common.console import printable
from stylegan.common.eight_bits import eight_bits
from stylegan.common.no_picture import HEAD, verdict

# Pillow logs what it then raises; without any handler Python would print that on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

PIXEL_LIMIT = 1 << 26
LIMIT_VARIABLE = "PULSE_MAX_PIXELS"
# Everything that Pillow decodes itself. Left out: EPS and WMF, which other programs draw; IPTC, which may hold any of
# these again; MPEG, BUFR, GRIB and HDF5, of which Pillow knows the name only.
FORMATS = (
    *("PNG", "JPEG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "AVIF", "ICO", "CUR", "ICNS", "TGA", "PPM", "PCX", "DCX"),
    *("PSD", "JPEG2000", "QOI", "DDS", "SGI", "XBM", "XPM", "SUN", "FLI", "MSP", "PIXAR", "IM", "FITS", "BLP", "FTEX"),
    *("GBR", "SPIDER", "PCD", "MCIDAS", "IMT", "XVTHUMB"),
)
# In these, further frames follow the first; in others (PSD, MPO) they are layers or previews of the same picture.
FRAMES = {"GIF": "frames", "PNG": "frames", "WEBP": "frames", "AVIF": "frames", "FLI": "frames", "TIFF": "pages"}
_FRAMES_LOOKED_AT = 50
# Words in the errors that decoders raise for files that are cut off.
_ENDS_EARLY = (
    "truncated",
    "broken data stream",
    "buffer is not large enough",
    "not enough image data",
    "unexpected end",
)


class PictureError(ValueError):
    """A picture that cannot be used; its message is one sentence that names the picture and says what to do."""


def pixel_limit() -> int:
    """How many pixels a picture may have: 67 million, or what the environment variable PULSE_MAX_PIXELS says.

    Pillow's own limit of 178 million stays, however far this one is raised.

    Raises:
        ValueError: the variable is no whole number above 0.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    if not text:
        return PIXEL_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) > 0):
        raise ValueError(f"{LIMIT_VARIABLE} is {printable(text, 40)!r}; set it to a whole number of pixels above 0.")
    return int(text)


def read(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    name: str | None = None,
    limit: int | None = None,
    largest: int | None = None,
    notes: list[str] | None = None,
) -> Image.Image:
    """Reads one picture from a file that may come from anybody.

    Decoding takes at most about 350 MB under the default limit. Formats whose decoders take more for a pixel (WebP,
    AVIF, GIF, QOI, JPEG 2000, progressive JPEG) may have a half to a quarter of the limit's pixels.

    Args:
        source: a path, or a binary file that can seek (such as a member of a zip).
        name: what errors call the picture; the path by default.
        limit: the most pixels that are decoded, `pixel_limit()` by default.
        largest: a picture with a longer side may be reduced by a whole factor (the mean of its blocks, or a JPEG's own
            coarser version) as long as the longer side keeps this many pixels. Saves memory and time when the picture
            is made small anyway.
        notes: gets a plain sentence for each thing about the picture that its owner may not expect.

    Returns:
        An 8-bit picture, upright as its EXIF says: "RGBA" if it has transparency, else "RGB". Of an animation or of
        pages the first one that shows something.

    Raises:
        PictureError: the file is missing, may not be read, is not a picture, is cut off or damaged, decodes to more
            than `limit` pixels, holds values that are not colours, or is fully transparent.
    """
    limit = pixel_limit() if limit is None else limit
    notes = [] if notes is None else notes
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        with opened(path) as file:
            return _read(file, printable(str(name or path)), limit, largest, notes)
    return _read(source, printable(str(name or "The picture")), limit, largest, notes)


def size(source: BinaryIO, *, name: str, limit: int | None = None) -> tuple[int, int]:
    """The width and height in a picture's header, before it is turned upright; nothing is decoded.

    Args:
        source: a binary file that can seek.
        name: what errors call the picture.
        limit: as for `read`.

    Raises:
        PictureError: as for `read`; whether the pixels can be decoded is not known yet.
    """
    name, limit = printable(name), pixel_limit() if limit is None else limit
    with checked(source, name, limit) as image:
        if image.width * image.height > limit:
            raise PictureError(_too_large(name, image.width, image.height, limit))
        return image.width, image.height


def from_pillow(image: Image.Image, *, name: str = "The picture", limit: int | None = None) -> Image.Image:
    """A Pillow image of any mode as `read` returns pictures; `image` stays as it is.

    Raises:
        PictureError: as for `read`.
    """
    with _sentences(name, None):
        return _not_empty(decoded(image, name, pixel_limit() if limit is None else limit, None), name)


def is_blank(image: Image.Image) -> bool:
    """Whether a picture of `read` shows nothing: it is fully transparent or of one colour."""
    ranges: Any = image.getextrema()
    return _is_empty(image) or all(low == high for low, high in ranges)


def _not_empty(image: Image.Image, name: str) -> Image.Image:
    if _is_empty(image):
        raise PictureError(f"{name} is fully transparent, so there is nothing to see in it; give another picture.")
    return image


def _is_empty(image: Image.Image) -> bool:
    # An opacity of 1 % is invisible.
    ranges: Any = image.getextrema()
    return image.mode == "RGBA" and ranges[3][1] < 3


def _read(file: BinaryIO, name: str, limit: int, largest: int | None, notes: list[str]) -> Image.Image:
    with checked(file, name, limit) as image:
        weight = headers.weight(image, file)
        if weight == 0:
            raise PictureError(f"{name} is a JPEG of more than a hundred scans; export it again.")
        if weight > 1:
            # Such decoders take memory for all pixels, also where they give back fewer.
            check_sizes([image.size], name, limit // weight)
        seen = _first_that_shows(image, file, name, limit // weight, largest, notes)
        return _not_empty(seen, name)


@contextlib.contextmanager
def checked(file: BinaryIO, name: str, limit: int) -> Iterator[Any]:
    """An open picture, not yet decoded, whose headers are within the limits. What its decoder raises while it is open
    becomes a PictureError."""
    file.seek(0)
    head = file.read(HEAD)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not head:
        raise PictureError(f"{name} {verdict(head)}.")
    if size > 16 * limit:
        raise PictureError(
            f"{name} has {size // 1_000_000} megabytes, more than a picture within the limit can need; "
            f"raise the limit of {limit:,} pixels with {LIMIT_VARIABLE}, or make it smaller first."
        )
    with _sentences(name, head):
        sizes, weight = headers.sizes_before_opening(file, head)
        check_sizes(sizes, name, limit // weight)
        file.seek(0)
        with Image.open(file, formats=_formats()) as image:
            check_sizes(headers.sizes_before_decoding(image, file), name, limit)
            if headers.is_packed(image):
                raise PictureError(
                    f"{name} is a {image.format} whose size is not known before it is decoded; export it as PNG first."
                )
            yield image


def _first_that_shows(
    image: Any, file: BinaryIO, name: str, limit: int, largest: int | None, notes: list[str]
) -> Image.Image:
    found = decoded(image, name, limit, largest)
    kind = FRAMES.get(image.format)
    if kind is None or not getattr(image, "is_animated", False):
        return found
    index, first = 0, found
    # A damaged or too large frame ends the search for a better one; the first frame is good.
    with contextlib.suppress(Exception):
        width, height = headers.gif_canvas(file, _FRAMES_LOOKED_AT) if image.format == "GIF" else image.size
        most = min(_FRAMES_LOOKED_AT, limit // (width * height))
        while is_blank(found) and index + 1 < most:
            image.seek(index + 1)
            found, index = decoded(image, name, limit, largest), index + 1
    if is_blank(found):
        index, found = 0, first
    which = "the first" if index == 0 else f"number {index + 1}, the first that shows more than one colour,"
    notes.append(f"It has several {kind}; only {which} is used.")
    return found


def decoded(image: Image.Image, name: str, limit: int, largest: int | None = None) -> Image.Image:
    """The pixels of an open picture, as `read` returns them; arguments as of `read`."""
    width, height = image.size
    if width * height == 0:
        raise PictureError(f"{name} has no pixels; give a picture of at least two.")
    if width * height == 1:
        raise PictureError(f"{name} is a single pixel, in which nothing can be seen; give a larger picture.")
    factor = 1 if largest is None else max(1, max(width, height) // largest)
    if factor > 1 and image.format in ("JPEG", "MPO"):
        # The decoder leaves out what the reduction would throw away.
        image.draft(None, (max(1, width // factor), max(1, height // factor)))
    if image.width * image.height > limit:
        raise PictureError(_too_large(name, width, height, limit))
    image.load()
    # Some formats give their true size only now.
    if image.width * image.height > limit:
        raise PictureError(_too_large(name, image.width, image.height, limit))
    factor = 1 if largest is None else max(1, max(image.size) // largest)
    return _upright(image, eight_bits(image, factor, lambda what: PictureError(f"{name} {what}.")))


def _upright(image: Image.Image, pixels: Image.Image) -> Image.Image:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    orientation = None
    # A damaged EXIF block says nothing about the pixels.
    with contextlib.suppress(Exception):
        orientation = image.getexif().get(0x0112)
    return pixels.transpose(turns[orientation]) if orientation in turns else pixels


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The regular file at a path; a PictureError says why there is none."""
    name = printable(str(path))
    try:
        # Opening a pipe would wait for its other end.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise PictureError(_why_not_opened(path, name, error)) from error
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        what = "a folder; give the path of one picture" if stat.S_ISDIR(mode) else "no regular file; copy it first"
        raise PictureError(f"{name} is {what}.")
    with open(handle, "rb") as file:
        yield file


def _why_not_opened(path: str, name: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if isinstance(error, PermissionError):
        return f"{name} is there but may not be read by you; change its permissions, or ask its owner."
    if number == errno.ELOOP:
        return f"{name} is a link that leads back to itself; give the picture itself."
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return f"{name} is a link to a file that is not there; give the picture itself."
    if isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError)) or number == errno.ENAMETOOLONG:
        return f"There is no file {name}; check the path."
    return f"{name} cannot be read ({getattr(error, 'strerror', None) or error}); copy it elsewhere and try again."


@contextlib.contextmanager
def _sentences(name: str, head: bytes | None) -> Iterator[None]:
    """Turns what a decoder raises into a PictureError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of sizes below our own limit and of oddities that it then copes with.
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} {verdict(head or b'?')}.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{name} has more pixels than Pillow ever decodes; make it smaller first.") from error
    except MemoryError as error:
        raise PictureError(f"{name} does not fit into memory; make it smaller first.") from error
    except Exception as error:  # a decoder meets damaged data with errors of many types
        if isinstance(error, OSError) and error.errno is not None:
            raise PictureError(f"{name} cannot be read ({error.strerror}); copy it elsewhere and try again.") from error
        words = str(error).lower()
        if isinstance(error, EOFError) or any(sign in words for sign in _ENDS_EARLY):
            raise PictureError(f"{name} is cut off before its end; copy or download it again.") from error
        raise PictureError(f"{name} is damaged and cannot be decoded; copy or export it again.") from error


def _too_large(name: str, width: int, height: int, limit: int) -> str:
    return (
        f"{name} has {width}x{height} pixels, more than the {limit:,} that are decoded; "
        f"make it smaller, or raise the limit with {LIMIT_VARIABLE}."
    )


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def check_sizes(sizes: list[tuple[int, int]], name: str, limit: int) -> None:
    """Raises PictureError if one of the sizes has more pixels than the limit."""
    for width, height in sizes:
        if width * height > limit:
            raise PictureError(_too_large(name, width, height, limit))
