"""A picture is written whole or not at all, and tells what it is and how to make it again."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.pictures import check_folder, check_replaceable, read_picture, read_text, story, write_picture

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


def test_the_story_makes_the_same_face_again(tmp_path: Path, stand_in: Callable[[], Any]) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save(path)
    G = stand_in()
    notes: list[str] = []
    result = pulse.depixelize(path, generator=G, size=8, framing="crop", steps=3, starts=2, seed=5, notes=notes)
    more = {"size": "8", "framing": "crop", "source": path.name, "request": "abc"}
    text = story(result, 0, "/home/somebody/faces.safetensors", notes=["One.", "Two."], **more)
    write_picture(tmp_path / "b.png", result.images[0], text)
    assert read_text(tmp_path / "b.png") == text
    assert text["synthetic"] == "true"
    assert "Synthetic" in text["Description"]
    assert "somebody" not in " ".join(text.values())
    assert text["notes"] == "One. Two."
    assert text["verdict"] == result.verdict(0)
    assert json.loads(text["settings"])["steps"] == 3
    again = text["again"].replace("'a.png'", "path").replace("'faces.safetensors'", "G")
    assert "generator=G" in again
    made = eval(again, {"pulse": pulse, "path": path, "G": G})
    torch.testing.assert_close(made.images, result.images)
    check_replaceable(tmp_path / "b.png", request="abc")


def test_a_name_that_is_no_text_is_written_as_escapes(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", torch.zeros(3, 2, 2), {"source": os.fsdecode(b"caf\xe9.png")})
    assert read_text(tmp_path / "a.png") == {"source": "caf\\udce9.png"}


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_folder(tmp_path / "new" / "deeper")
    with pytest.raises(ValueError, match="file is a file; name a folder"):
        check_folder(tmp_path / "file" / "deeper")
