"""A picture is written whole or not at all, and tells what it is and how to make it again."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from pulse.pictures import read_picture, read_text, write_picture

_EXPECTED = torch.arange(24).reshape(1, 3, 2, 4) * 10 / 255


def test_a_written_picture_holds_its_pixels_and_text(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    write_picture(path, _EXPECTED[0], {"synthetic": "true", "note": "ä 猫"})
    torch.testing.assert_close(read_picture(path), _EXPECTED)
    assert read_text(path) == {"synthetic": "true", "note": "ä 猫"}
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write_picture(path, _EXPECTED[0])
    before = path.read_bytes()

    def half(self: Image.Image, file: Path, **_: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="disk full"):
        write_picture(path, torch.zeros(3, 2, 2))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
