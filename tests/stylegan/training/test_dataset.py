"""Pictures of any kind become bytes of one size; what cannot be read is passed over and named."""

import json
import os
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pulse.pictures import fit, read
from stylegan.common import framing
from stylegan.common.files import DiskFullError
from stylegan.training import dataset
from stylegan.training.options import FRAMINGS, PictureOptions


def _plain(
    path: Path, size: tuple[int, int] = (16, 16), colour: object = "red", mode: str = "RGB", **save: object
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **save)  # type: ignore[arg-type]


def test_every_mode_becomes_rgb(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    _plain(folder / "a_rgb.png")
    _plain(folder / "b_grey.png", colour=128, mode="L")
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    clear.paste("red", (0, 0, 4, 4))
    clear.save(folder / "c_clear.png")
    _plain(folder / "d_half.png", colour=(0, 0, 0, 128), mode="RGBA")
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([0, 0, 0, 0, 0, 255])
    palette.save(folder / "e_palette.gif")
    Image.fromarray(np.full((16, 16), 65535 // 2, np.uint16)).save(folder / "f_sixteen.png")
    _plain(folder / "sub" / "g_cmyk.jpg", colour=(0, 0, 0, 0), mode="CMYK")
    _plain(folder / "h_bits.png", colour=1, mode="1")
    (folder / "notes.txt").write_text("no picture")
    (folder / "more.TXT").write_text("no picture")
    (folder / "drawing.svg").write_text("<svg/>")
    (folder / ".hidden.png").write_text("no picture")
    read = dataset.read(folder, tmp_path / "run", options=PictureOptions(background="#00ff00"))
    assert read.skipped == ()
    assert read.others == ((".svg", 1), (".txt", 2))
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
    cut = dataset.read(folder, tmp_path / "cut", 16, options=PictureOptions("crop")).pictures
    assert (cut[:, 1] == 255).all()
    whole = dataset.read(folder, tmp_path / "whole", 16).pictures
    # The stripes go on beyond the border, as in a target of the search.
    assert (whole[0, :, 0] == whole[0, :, 8]).all()
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
    read = dataset.read(tmp_path / "data.zip", tmp_path / "run", options=PictureOptions(labelled=True))
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
    assert sorted(sentence.split()[0] for sentence in read.skipped) == ["cut.png", "script.jpg", "text.png"]
    (folder / "good.png").unlink()
    with pytest.raises(ValueError, match="holds no pictures"):
        dataset.read(folder, tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"framing": "fold"}, "no framing 'fold'"),
        ({"background": "pinkish"}, "no colour 'pinkish'"),
        ({"labelled": True}, "lies in no sub-folder"),
    ],
)
def test_what_cannot_be_done_is_said(options: dict[str, object], sentence: str, tmp_path: Path) -> None:
    _plain(tmp_path / "data" / "a.png")
    with pytest.raises(ValueError, match=sentence):
        dataset.read(tmp_path / "data", tmp_path / "run", options=PictureOptions(**options))  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="power of two"):
        dataset.read(tmp_path / "data", tmp_path / "run", 48)
    with pytest.raises(ValueError, match="no folder or file"):
        dataset.read(tmp_path / "nowhere", tmp_path / "run")
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ValueError, match="no zip"):
        dataset.read(tmp_path / "file.txt", tmp_path / "run")


def test_the_defaults_are_those_of_the_search() -> None:
    assert PictureOptions() == PictureOptions(framing.FRAMING, framing.BACKGROUND)
    assert framing.FRAMINGS == FRAMINGS


def test_a_search_looks_for_the_training_picture(tmp_path: Path) -> None:
    """An upright sprite, padded: training sees what the search is given, at the training resolution."""
    sprite = np.zeros((48, 32, 4), np.uint8)
    sprite[8:44, 4:28] = (200, 90, 60, 255)
    (tmp_path / "data").mkdir()
    Image.fromarray(sprite).save(tmp_path / "data" / "sprite.png")
    learnt = dataset.read(tmp_path / "data", tmp_path / "run", 16).reals(torch.tensor([0]))
    target = fit.fit_target(read.open_picture(tmp_path / "data" / "sprite.png"), 16, 16)
    # The filters of the two differ a little at edges.
    assert (learnt / 255 - target).abs().mean() < 0.01
    assert torch.equal(learnt[0, :, 0, 0], torch.tensor([128, 128, 128], dtype=torch.uint8))


def _zip_with(path: Path, **members: bytes) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path.read_bytes()


def test_hostile_zips_end_in_a_sentence(tmp_path: Path) -> None:
    _plain(tmp_path / "a.png")
    whole = _zip_with(tmp_path / "good.zip", **{"a.png": (tmp_path / "a.png").read_bytes()})
    directory = whole.rindex(b"PK\1\2")
    version = bytearray(whole)
    version[directory + 6] = 255
    # The flag says UTF-8, and the name is not.
    name = bytearray(whole)
    name[directory + 9] |= 8
    name[directory + 46] = 0xFF
    for data in (bytes(version), bytes(name), whole[: directory + 20], b"PK\5\6" + bytes(18) + b"x" * 40):
        (tmp_path / "bad.zip").write_bytes(data)
        with pytest.raises(ValueError, match=r"bad\.zip (is|holds no)"):
            dataset.read(tmp_path / "bad.zip", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_names_in_a_zip_lead_nowhere(tmp_path: Path) -> None:
    _plain(tmp_path / "red.png")
    red = (tmp_path / "red.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for place in ("/absolute.png", "../above.png", "twice.png"):
            archive.writestr(place, red)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("twice.png", red)
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(tmp_path / "red.png"))
        locked = zipfile.ZipInfo("locked.png")
        archive.writestr(locked, red)
    data = (tmp_path / "data.zip").read_bytes()
    # The flag of encryption, in the directory's record of the last member.
    last = bytearray(data)
    last[data.rindex(b"PK\1\2") + 8] |= 1
    (tmp_path / "data.zip").write_bytes(last)
    before = sorted(path.name for path in tmp_path.iterdir())
    read = dataset.read(tmp_path / "data.zip", tmp_path / "run")
    assert len(read) == 4
    assert sorted(sentence.split()[0] for sentence in read.skipped) == ["link.png", "locked.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "run"])


def test_the_disk_is_asked_before_pictures_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plain(tmp_path / "large.png", (512, 512))
    one = (tmp_path / "large.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(40):
            archive.writestr(f"{i}.png", one)
    assert (tmp_path / "data.zip").stat().st_size < 40_000
    monkeypatch.setattr("shutil.disk_usage", lambda folder: namedtuple("usage", "free")(31_000_000))
    with pytest.raises(
        DiskFullError, match=r"^40 pictures of 512 px take 31\.5 MB and the disk of .* has 31\.0 MB left"
    ):
        dataset.read(tmp_path / "data.zip", tmp_path / "run", largest=512)
    assert list((tmp_path / "run").iterdir()) == []


def test_links_and_closed_folders_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    _plain(folder / "good.png")
    (folder / "link.png").symlink_to("good.png")
    (folder / "nowhere.png").symlink_to("gone.png")
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "pipe.png")
    read = dataset.read(folder, tmp_path / "run")
    assert len(read) == 2
    assert sorted(sentence.split()[0] for sentence in read.skipped) == ["loop.png", "nowhere.png", "pipe.png"]


def test_pictures_that_cannot_be_used_are_read_again(tmp_path: Path) -> None:
    _plain(tmp_path / "data" / "good.png")
    dataset.read(tmp_path / "data", tmp_path / "run")
    path = tmp_path / "run" / "pictures.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged; remove"):
        dataset.kept(tmp_path / "run")
