"""Pictures of any kind become bytes of one size; what cannot be read is passed over and named."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylegan.training import dataset


def _plain(
    path: Path, size: tuple[int, int] = (16, 16), colour: object = "red", mode: str = "RGB", **save: object
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **save)  # type: ignore[arg-type]


def test_every_mode_becomes_rgb(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    _plain(folder / "a_rgb.png")
    _plain(folder / "b_grey.png", colour=128, mode="L")
    _plain(folder / "c_clear.png", colour=(255, 0, 0, 0), mode="RGBA")
    _plain(folder / "d_half.png", colour=(0, 0, 0, 128), mode="RGBA")
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([0, 0, 0, 0, 0, 255])
    palette.save(folder / "e_palette.gif")
    Image.fromarray(np.full((16, 16), 65535 // 2, np.uint16)).save(folder / "f_sixteen.png")
    _plain(folder / "sub" / "g_cmyk.jpg", colour=(0, 0, 0, 0), mode="CMYK")
    _plain(folder / "h_bits.png", colour=1, mode="1")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    read = dataset.read(folder, tmp_path / "run", background="#00ff00")
    assert read.skipped == ()
    assert read.pictures.shape == (8, 3, 16, 16)
    assert json.loads((tmp_path / "run" / "pictures.json").read_text())["files"][-1] == "sub/g_cmyk.jpg"
    first = read.pictures[:, :, 8, 8].astype(int)
    expected = [(255, 0, 0), (128,) * 3, (0, 255, 0), (0, 127, 0), (0, 0, 255), (127,) * 3, (255,) * 3, (255,) * 3]
    assert np.abs(first - np.array(expected)).max() <= 1


def test_rotation_and_shape(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    striped = np.zeros((16, 48, 3), np.uint8)
    striped[:, :16, 0], striped[:, 16:32, 1], striped[:, 32:, 2] = 255, 255, 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(striped).save(folder / "a.png")
    Image.fromarray(striped).save(folder / "b.png", exif=exif)
    cut = dataset.read(folder, tmp_path / "cut", 16).pictures
    assert (cut[:, 1] == 255).all()
    whole = dataset.read(folder, tmp_path / "whole", 16, fit="pad", background="white").pictures
    assert (whole[0, :, 0] == 255).all()
    # Reducing rings a little at the edges between the colours.
    assert np.abs(whole[0, :, 8, [1, 8, 14]] - np.eye(3) * 255).max() < 10
    assert np.abs(whole[1, :, [1, 8, 14], 8] - np.eye(3) * 255).max() < 10


def test_the_resolution_follows_the_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for i, size in enumerate([(40, 90), (70, 50), (300, 300)]):
        _plain(folder / f"{i}.png", size)
    assert dataset.read(folder, tmp_path / "run").resolution == 32
    assert dataset.read(folder, tmp_path / "run", largest=16).resolution == 16


def test_a_zip_with_labels(tmp_path: Path) -> None:
    _plain(tmp_path / "red.png")
    _plain(tmp_path / "blue.png", colour="blue")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(tmp_path / "red.png", "warm/1.png")
        archive.write(tmp_path / "blue.png", "cold/1.png")
        archive.write(tmp_path / "blue.png", "cold/deep/2.png")
        archive.writestr("__MACOSX/cold/._1.png", "x")
    read = dataset.read(tmp_path / "data.zip", tmp_path / "run", labelled=True)
    assert read.classes == ("cold", "warm")
    assert read.labels is not None
    assert read.labels.tolist() == [0, 0, 1]
    assert read.c(torch.tensor([2, 0])).tolist() == [[0, 1], [1, 0]]
    again = dataset.kept(tmp_path / "run")
    assert again is not None
    assert np.array_equal(again.pictures, read.pictures)
    assert again.c_dim == 2


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    _plain(folder / "good.png")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:4000])
    (folder / "text.png").write_text("no picture")
    (folder / "script.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")
    read = dataset.read(folder, tmp_path / "run")
    assert len(read) == 1
    assert sorted(name.split(":")[0] for name in read.skipped) == ["cut.png", "script.jpg", "text.png"]
    (folder / "good.png").unlink()
    with pytest.raises(ValueError, match="holds no pictures"):
        dataset.read(folder, tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"fit": "stretch"}, "no fit 'stretch'"),
        ({"background": "pinkish"}, "no colour 'pinkish'"),
        ({"resolution": 48}, "power of two"),
        ({"labelled": True}, "lies in no sub-folder"),
    ],
)
def test_what_cannot_be_done_is_said(options: dict[str, object], sentence: str, tmp_path: Path) -> None:
    _plain(tmp_path / "data" / "a.png")
    with pytest.raises(ValueError, match=sentence):
        dataset.read(tmp_path / "data", tmp_path / "run", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no folder or file"):
        dataset.read(tmp_path / "nowhere", tmp_path / "run")
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ValueError, match="no zip"):
        dataset.read(tmp_path / "file.txt", tmp_path / "run")
