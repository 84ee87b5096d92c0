"""The reader of picture files: what it reads, what it refuses and in which words, and what it costs at most."""

import io
import os
import random
import resource
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylegan.common import pictures
from stylegan.common.pictures import PictureError, from_pillow, is_blank, read


def _noise(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    return Image.fromarray(pixels, "RGBA").convert(mode)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    "ending", ["png", "bmp", "tif", "tga", "ppm", "gif", "pcx", "ico", "webp", "qoi", "sgi", "jp2"]
)
def test_files_are_read_by_content(tmp_path: Path, ending: str) -> None:
    Image.init()
    if ending == "qoi" and "QOI" not in Image.SAVE:
        pytest.skip("This Pillow reads QOI, but does not write it.")
    image = _noise(size=(16, 16)).quantize(16).convert("RGB")
    options = {"lossless": True} if ending == "webp" else {"sizes": [(16, 16)]} if ending == "ico" else {}
    path = _saved(tmp_path / f"a.{ending}", image, **options)
    path = path.rename(tmp_path / "no ending")
    assert np.array_equal(read(path).convert("RGB"), image)
    with path.open("rb") as file:
        assert np.array_equal(read(io.BytesIO(file.read())).convert("RGB"), image)


def test_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    whole = io.BytesIO()
    _noise(size=(64, 64)).save(whole, "PNG")
    floats = np.zeros((4, 4), np.float32)
    floats[1, 1] = np.nan
    Image.fromarray(floats).save(tmp_path / "nan.tif")
    files = {
        "empty.png": (b"", "is empty"),
        "a.svg": (b'<?xml version="1.0"?>\n<!-- x --><svg xmlns="http://www.w3.org/2000/svg"/>', "is an SVG"),
        "page.png": (b"\n<!DOCTYPE html><html>", "web page"),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "PostScript"),
        "a.pdf": (b"%PDF-1.7", "is a PDF"),
        "phone.heic": (b"\0\0\0\x18ftypheic", "HEIC"),
        "damaged.avif": (b"\0\0\0\x18ftypavif", "is a damaged AVIF"),
        "film.mp4": (b"\0\0\0\x18ftypisom", "is a film"),
        "words.png": (b"no picture", "no picture of a known format"),
        "cut.png": (whole.getvalue()[:5000], "cut off"),
        "none.png": (_png(0, 5), r"\.$"),
        "dot.png": (_png(1, 1), "single pixel"),
        "nan.tif": (None, "no numbers"),
    }
    for name, (data, words) in files.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(PictureError, match=words) as caught:
            read(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert str(caught.value).endswith(".")


def test_paths_that_lead_to_no_picture(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("gone")
    os.mkfifo(tmp_path / "pipe")
    for path, words in {
        tmp_path / "loop": "leads back to itself",
        tmp_path / "dangling": "a link to a file that is not there",
        tmp_path / "pipe": "no regular file",
        tmp_path: "is a folder",
        tmp_path / "gone": "There is no file",
        tmp_path / ("a" * 300): "There is no file",
        tmp_path / "a\0b": "There is no file",
    }.items():
        with pytest.raises(PictureError, match=words):
            read(path)
    with pytest.raises(PictureError, match=r"\\x1b\[31mred"):
        read(tmp_path / "\x1b[31mred")


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PictureError, match="may not be read by you"):
        read(tmp_path / "a.png")


def test_the_limit_holds_before_decoding_and_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # There are no pixels in this file, so only the header can have told.
    (tmp_path / "huge.png").write_bytes(_png(10_000, 10_000))
    with pytest.raises(PictureError, match=r"10000x10000 pixels.*PULSE_MAX_PIXELS"):
        read(tmp_path / "huge.png")
    small = _saved(tmp_path / "a.png", _noise())
    with pytest.raises(PictureError, match="more than the 100 "):
        read(small, limit=100)
    monkeypatch.setenv("PULSE_MAX_PIXELS", "100")
    with pytest.raises(PictureError, match="more than the 100 "):
        read(small)
    monkeypatch.setenv("PULSE_MAX_PIXELS", "384")
    assert read(small).size == (24, 16)
    monkeypatch.setenv("PULSE_MAX_PIXELS", "many")
    with pytest.raises(ValueError, match="PULSE_MAX_PIXELS is 'many'"):
        read(small)


def _icon(png: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(png), 22) + png


def _mac_icon(png: bytes) -> bytes:
    return b"icns" + struct.pack(">I", len(png) + 16) + b"icp4" + struct.pack(">I", len(png) + 8) + png


def _webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + size + b"VP8 \0\0\0\0"


@pytest.mark.parametrize(
    "data",
    [_icon(_png(11_000, 11_000)), _mac_icon(_png(11_000, 11_000)), _webp(11_000, 11_000)],
    ids=["ico", "icns", "webp"],
)
def test_a_size_behind_the_header_is_found(data: bytes) -> None:
    with pytest.raises(PictureError, match="11000x11000 pixels"):
        read(io.BytesIO(data))


def test_a_tile_larger_than_its_picture_is_refused() -> None:
    tags = {256: 24, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 16000, 323: 16000, 324: 8, 325: 8}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = struct.pack("<4sI8xH", b"II*\0", 16, len(tags)) + entries + bytes(4)
    with pytest.raises(PictureError, match="16000x16000 pixels"):
        read(io.BytesIO(data))


def _gif(frames: list[tuple[int, int]], canvas: int) -> bytes:
    """A GIF of transparent frames of the given sizes at the corner."""
    data = b"GIF89a" + struct.pack("<HHBBB", canvas, canvas, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    for width, height in frames:
        data += b"\x21\xf9\x04\x05\0\0\0\0,"
        data += struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0"
    return data + b";"


@pytest.mark.parametrize("data", [_gif([(1, 1)] * 60, 2000), _gif([(1, 1), (8000, 8000)], 64)], ids=["many", "beyond"])
def test_looking_for_a_frame_that_shows_something_is_bounded(data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(PictureError, match="fully transparent"):
        read(io.BytesIO(data), limit=1 << 23)
    assert time.process_time() - start < 1


def _jpeg(scans: int = 0) -> bytes:
    file = io.BytesIO()
    _noise("L", (64, 64)).save(file, "JPEG", progressive=scans > 0)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def test_a_progressive_jpeg_takes_more_memory_and_a_hundred_scans_too_much_time() -> None:
    pixels = 64 * 64
    assert read(io.BytesIO(_jpeg()), limit=pixels).size == (64, 64)
    assert read(io.BytesIO(_jpeg(1)), limit=2 * pixels).size == (64, 64)
    with pytest.raises(PictureError, match=f"more than the {pixels // 2:,} "):
        read(io.BytesIO(_jpeg(1)), limit=pixels, largest=8)
    with pytest.raises(PictureError, match="more than a hundred scans"):
        read(io.BytesIO(_jpeg(100)))


@pytest.mark.parametrize(("kind", "times"), [("WEBP", 3), ("JPEG2000", 4), ("GIF", 2)])
def test_formats_that_take_more_memory_have_a_lower_limit(kind: str, times: int) -> None:
    file = io.BytesIO()
    _noise(size=(64, 64)).save(file, kind)
    assert read(file, limit=64 * 64 * times).size == (64, 64)
    with pytest.raises(PictureError, match="64x64 pixels, more than"):
        read(file, limit=64 * 64 * times - 1)


def test_packed_formats_of_unknown_size_are_refused() -> None:
    cards = ["SIMPLE  = T", "XTENSION= 'BINTABLE'", "ZIMAGE  = T", "BITPIX  = 8", "ZBITPIX = 8", "NAXIS   = 2"]
    cards += ["NAXIS1  = 4", "NAXIS2  = 4", "ZNAXIS  = 2", "ZNAXIS1 = 4", "ZNAXIS2 = 4", "ZCMPTYPE= 'GZIP_1  '", "END"]
    data = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    with pytest.raises(PictureError):
        read(io.BytesIO(data + zlib.compress(b"\0" * 1000)))


def test_memory_stays_a_small_multiple_of_the_pixels(tmp_path: Path) -> None:
    # 9 megapixels of each kind; reading them with `largest` takes a few bytes for each.
    side = 3000
    rows = zlib.compress((b"\0" + b"\x7f" * (side * 3)) * side, 1)
    (tmp_path / "a.png").write_bytes(_png(side, side, rows))
    Image.new("L", (side, side), 90).save(tmp_path / "b.jpg", quality=50)
    script = """
        import re, sys
        from pathlib import Path
        from stylegan.common.pictures import read

        def peak():
            return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

        before = peak()
        for path in sys.argv[1:]:
            assert 512 <= read(path, largest=512).width < 1024
            print(peak() - before)
    """
    # The peak only grows, so the smaller one comes first.
    command = [sys.executable, "-c", textwrap.dedent(script), tmp_path / "b.jpg", tmp_path / "a.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    jpeg, png = (int(line) * 1024 / side**2 for line in done.stdout.split())
    assert jpeg < 3
    assert png < 7


def test_reducing_is_the_mean_of_blocks_and_keeps_what_shows() -> None:
    image = _noise("RGBA", (64, 32))
    file = io.BytesIO()
    image.save(file, "PNG")
    reduced = read(file, largest=16)
    assert reduced.size == (16, 8)
    # Colour under transparent pixels does not bleed: the mean is weighted by opacity.
    block = np.asarray(image, np.float64)[:4, :4].reshape(-1, 4)
    expected = (block[:, :3] * block[:, 3:]).sum(0) / block[:, 3].sum()
    assert np.abs(np.asarray(reduced)[0, 0, :3] - expected).max() <= 2
    assert read(file, largest=65).size == (64, 32)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
def test_numbers_of_many_bits_are_scaled_to_eight(tmp_path: Path, mode: str) -> None:
    values = np.array([[0, 13107, 65535]])
    if mode == "I;16B":
        image = Image.frombytes(mode, (3, 1), values.astype(">u2").tobytes())
    else:
        image = Image.fromarray(values.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    assert image.mode == mode
    assert np.asarray(from_pillow(image))[0, :, 1].tolist() == [0, 51, 255]


def test_a_large_picture_in_strips_is_the_picture_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from stylegan.common import eight_bits

    image = _noise(size=(24, 50)).quantize(64)
    whole = np.asarray(from_pillow(image))
    monkeypatch.setattr(eight_bits, "_STRIP_PIXELS", 24 * 7)
    assert np.array_equal(np.asarray(from_pillow(image)), whole)
    assert np.array_equal(whole, image.convert("RGB"))


def test_nothing_is_printed_beside_the_sentence(tmp_path: Path) -> None:
    # Pillow has words of its own for a TIFF of 771 samples a pixel.
    tags = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 771, 279: 8}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    (tmp_path / "a.tif").write_bytes(struct.pack("<4sI8xH", b"II*\0", 16, len(tags)) + entries + bytes(4))
    script = """
        import sys
        from stylegan.common.pictures import PictureError, read
        try:
            read(sys.argv[1])
        except PictureError:
            sys.exit(7)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), tmp_path / "a.tif"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def test_every_exif_orientation_is_turned_upright(tmp_path: Path) -> None:
    from PIL import ImageOps

    for ending in ("png", "tif", "webp"):
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            options = {"lossless": True} if ending == "webp" else {}
            path = _saved(tmp_path / f"a.{ending}", _noise(), exif=exif, **options)
            with Image.open(path) as image:
                image.load()
                expected = ImageOps.exif_transpose(image)
            assert np.array_equal(read(path), expected), (ending, orientation)


def _animation(path: Path, frames: list[Image.Image]) -> Path:
    return _saved(path, frames[0], save_all=True, append_images=frames[1:], disposal=2)


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_the_first_frame_that_shows_something_is_used_and_told(tmp_path: Path, ending: str) -> None:
    blank, figure = Image.new("RGBA", (24, 16)), Image.new("RGBA", (24, 16))
    figure.paste((255, 0, 0, 255), (4, 4, 12, 12))
    notes: list[str] = []
    found = read(_animation(tmp_path / f"a.{ending}", [blank, figure]), notes=notes)
    assert found.getpixel((6, 6))[0] > 250
    assert notes == ["It has several frames; only number 2, the first that shows more than one colour, is used."]
    notes = []
    found = read(_animation(tmp_path / f"b.{ending}", [figure, blank]), notes=notes)
    assert found.getpixel((6, 6))[0] > 250
    assert notes == ["It has several frames; only the first is used."]


def test_nothing_to_see_is_refused(tmp_path: Path) -> None:
    empty = Image.fromarray(np.asarray(_noise("RGBA")) * np.array([1, 1, 1, 0], np.uint8))
    for source in (
        _saved(tmp_path / "a.png", empty),
        _animation(tmp_path / "a.gif", [empty, empty.crop((0, 0, 24, 15))]),
    ):
        with pytest.raises(PictureError, match="fully transparent"):
            read(source)
    with pytest.raises(PictureError, match="fully transparent"):
        from_pillow(empty)
    assert is_blank(Image.new("RGB", (4, 4), "red"))
    assert not is_blank(_noise())


def _seeds() -> list[bytes]:
    """A small file of every format that Pillow can write."""
    Image.init()
    found = []
    for name in pictures.FORMATS:
        for mode in ("RGB", "RGBA", "P", "L", "1", "F", "I;16", "CMYK"):
            file = io.BytesIO()
            try:
                image = _noise("L").convert("I").convert(mode) if mode == "I;16" else _noise(mode)
                frames = (
                    {"save_all": True, "append_images": [_noise(mode, (23, 16))]} if name in ("GIF", "TIFF") else {}
                )
                image.save(file, name, **frames)
            except Exception:
                continue
            found.append(file.getvalue())
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mutated_files_end_in_a_picture_or_a_sentence() -> None:
    seeds = _seeds()
    assert len(seeds) > 40
    rng = random.Random(0)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end, tried, read_well, said = time.process_time() + 2, 0, 0, set()
    for _ in range(4000):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 8))):
            # Headers decide more than pixels do.
            at = rng.randrange(min(len(data), rng.choice((32, 128, len(data)))))
            data[at] = rng.choice((0, 1, 255, 127, 128, rng.randrange(256)))
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        try:
            assert read(io.BytesIO(data), limit=1 << 20, largest=rng.choice((None, 8))).mode in ("RGB", "RGBA")
            read_well += 1
        except PictureError as error:
            said.add(str(error))
        tried += 1
        if time.process_time() > end:
            break
    assert tried >= 500
    assert read_well > tried / 10
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in said)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 400_000
