"""Only what this program wrote is ever replaced, and finding that out costs little whatever the file is."""

import json
import os
import struct
import time
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image, PngImagePlugin

from stylegan.common.console import printable
from stylegan.common.distribution import software
from stylegan.common.files import write_tensors
from stylegan.common.ownership import MAX_TEXT, check_replaceable, file_text


def _png(path: Path, **text: str) -> Path:
    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    Image.new("RGB", (2, 2)).save(path, pnginfo=chunks)
    return path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_what_is_not_there_may_be_written(tmp_path: Path) -> None:
    check_replaceable(tmp_path / "new.png")


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_others_made_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"\x02" + b"\0" * 7 + b"{}")
    (tmp_path / "notes.txt").write_text("pulse")
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling.png").symlink_to("gone.png")
    foreign = [_png(tmp_path / "holiday.png"), _png(tmp_path / "sound.png", Software="pulseaudio 16")]
    foreign += [tmp_path / name for name in ("weights.safetensors", "notes.txt", "empty.png", "pipe", "dangling.png")]
    for path in foreign:
        with pytest.raises(ValueError, match=r"was not made by this program .*\.$"):
            check_replaceable(path, overwrite=overwrite, request="a")
    with pytest.raises(ValueError, match="is a folder"):
        check_replaceable(tmp_path, overwrite=overwrite)


def test_a_result_is_replaced_by_its_own_request_or_when_asked(tmp_path: Path) -> None:
    write_tensors(tmp_path / "ours.safetensors", {"a": torch.zeros(1)}, {"software": software(), "request": "a"})
    for path in (_png(tmp_path / "ours.png", Software=software(), request="a"), tmp_path / "ours.safetensors"):
        check_replaceable(path, request="a")
        check_replaceable(path, request="b", overwrite=True)
        for request in ("b", None):
            with pytest.raises(ValueError, match="another request"):
                check_replaceable(path, request=request)


def test_files_of_earlier_versions_are_known(tmp_path: Path) -> None:
    write_tensors(tmp_path / "old.safetensors", {"a": torch.zeros(1)}, {"format": "pulse-stylegan"})
    check_replaceable(tmp_path / "old.safetensors", overwrite=True)


def test_text_is_what_pillow_reads(tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("plain", "latin é")
    chunks.add_text("wide", "猫")
    chunks.add_text("packed", "a" * 1000, zip=True)
    chunks.add_itxt("packed_wide", "猫" * 1000, "de", "Katze", zip=True)
    Image.new("L", (2, 2)).save(tmp_path / "a.png", pnginfo=chunks)
    with Image.open(tmp_path / "a.png") as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        expected = dict(image.text)
    assert file_text(tmp_path / "a.png") == expected


def test_text_after_the_pixels_is_found_and_damaged_text_is_not(tmp_path: Path) -> None:
    data = _png(tmp_path / "a.png").read_bytes()
    after = data[:-12] + _chunk(b"tEXt", b"Software\0pulse") + data[-12:]
    (tmp_path / "a.png").write_bytes(after)
    assert file_text(tmp_path / "a.png") == {"Software": "pulse"}
    (tmp_path / "a.png").write_bytes(after.replace(b"\0pulse", b"\0Pulse"))
    assert file_text(tmp_path / "a.png") == {}


def test_hostile_files_cost_little(tmp_path: Path) -> None:
    signature = b"\x89PNG\r\n\x1a\n"
    bomb = zlib.compress(b"a" * 100_000_000, 9)
    files = {
        "inflates.png": signature + _chunk(b"zTXt", b"a\0\0" + bomb) + _chunk(b"tEXt", b"b\0c"),
        "many.png": signature + _chunk(b"tEXt", b"a\0" + b"b" * 50_000) * 200,
        "chunks.png": signature + _chunk(b"abCd", b"") * 500_000,
        "claims.png": signature + b"\xff\xff\xff\xfftEXt",
        "deep.safetensors": struct.pack("<Q", 1_000_000) + b"[" * 1_000_000,
        "claims.safetensors": struct.pack("<Q", 1 << 60) + b"{",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        start = time.process_time()
        text = file_text(tmp_path / name)
        assert time.process_time() - start < 1, name
        assert sum(len(key) + len(value) for key, value in text.items()) <= MAX_TEXT


def test_a_huge_picture_is_not_decoded(tmp_path: Path) -> None:
    # A header without pixels: a decoder would fail.
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"tEXt", b"Software\0pulse") + _chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    assert file_text(tmp_path / "a.png") == {"Software": "pulse"}


def test_names_cannot_drive_a_terminal() -> None:
    assert printable("a\x1b[31mb\nc") == "a\\x1b[31mb\\nc"
    assert printable(os.fsdecode(b"caf\xe9.png")) == "caf\\udce9.png"
    assert printable("猫 é.png") == "猫 é.png"


def test_our_tables_are_known_by_how_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    rest = {"rows": list(range(1000))}
    path.write_text(json.dumps({"software": software(), "request": "00ff", **rest}))
    assert file_text(path) == {"software": software(), "request": "00ff"}
    check_replaceable(path, request="00ff")
    with pytest.raises(ValueError, match="another request"):
        check_replaceable(path, request="ff00")
    for other in ({"rows": [], "software": software()}, {"software": "gimp", "request": "00ff"}):
        path.write_text(json.dumps(other))
        with pytest.raises(ValueError, match="not made by this program"):
            check_replaceable(path, overwrite=True)
