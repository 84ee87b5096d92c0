"""Faces of photographs: where they are, the square that FFHQ cuts around each, and what is beyond the border."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.app.cli import main
from pulse.faces import FaceError, find_landmarks, predictor_path
from pulse.faces.square import Square, cut, face_square
from stylegan import portraits

DATA = Path(__file__).parents[2] / "data"


def _can_see() -> bool:
    try:
        predictor_path()
    except FaceError:
        return False
    return True


needs_dlib = pytest.mark.skipif(not _can_see(), reason="dlib or its landmark predictor is not installed")


@pytest.fixture(scope="module")
def people() -> tuple[list[Image.Image], list[np.ndarray]]:
    """Two portraits of 256 px, and the true landmarks of each."""
    truths = portraits.truth(portraits.sample(8, torch.Generator().manual_seed(4242)), 256)
    with Image.open(DATA / "people.png") as sheet:
        pictures = [sheet.crop((x, y, x + 128, y + 128)) for x, y in ((128, 0), (256, 128))]
    return [one.resize((256, 256), Image.Resampling.BICUBIC) for one in pictures], [
        truths[i].landmarks.numpy() for i in (1, 6)
    ]


def _canvas(*placed: tuple[Image.Image, int, int], size: tuple[int, int] = (700, 400)) -> Image.Image:
    canvas = Image.new("RGB", size, (90, 110, 130))
    for picture, x, y in placed:
        canvas.paste(picture, (x, y))
    return canvas


def _eyes(landmarks: np.ndarray) -> float:
    return float(np.linalg.norm(landmarks[36:42].mean(0) - landmarks[42:48].mean(0)))


def _face(eyes: tuple[float, float], apart: float, down: float, tilt: float = 0.0) -> np.ndarray:
    """68 landmarks that have eyes and corners of a mouth, and nothing else; `tilt` in radians, clockwise."""
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = (-apart / 2, 0), (apart / 2, 0)
    points[48], points[54] = (-apart / 3, down), (apart / 3, down)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    return points @ turn.T + np.array(eyes)


@pytest.mark.parametrize("tilt", [0.0, 0.6, -1.9])
def test_the_square_follows_eyes_and_mouth(tilt: float) -> None:
    wide, long = face_square(_face((50, 40), 20, 10, tilt)), face_square(_face((50, 40), 10, 20, tilt))
    # Four times the distance between the eyes, or 3.6 times that from eyes to mouth.
    assert wide.side == pytest.approx(80)
    assert long.side == pytest.approx(72)
    right, down = np.array([np.cos(tilt), np.sin(tilt)]), np.array([-np.sin(tilt), np.cos(tilt)])
    np.testing.assert_allclose(wide.across, 40 * right, atol=1e-9)
    np.testing.assert_allclose(long.centre, [50, 40] + 2 * down, atol=1e-9)
    np.testing.assert_allclose(long.corners[2], long.centre + 36 * (right + down), atol=1e-9)


def test_cutting_takes_the_very_pixels() -> None:
    y, x = np.mgrid[:60, :80]
    pixels = np.stack([3 * x, 4 * y, 2 * x + y], -1).astype(np.uint8)
    # 16 px around (40, 30), of which nothing is beyond the border.
    square = Square(np.array([39.5, 29.5]), np.array([8.0, 0.0]))
    made = np.asarray(cut(pixels, square, 16)).astype(int)
    assert np.abs(made - pixels[22:38, 32:48])[1:-1, 1:-1].max() <= 1
    flat = np.full((60, 80, 3), (200, 100, 50), np.uint8)
    tilted = Square(np.array([3.0, 4.0]), np.array([20.0, 11.0]))
    assert (np.asarray(cut(flat, tilted, 32)) == (200, 100, 50)).all()


def test_beyond_the_border_the_picture_is_continued() -> None:
    rng = np.random.default_rng(1)
    pixels = (128 + 40 * rng.standard_normal((50, 50, 3))).clip(60, 200).astype(np.uint8)
    made = np.asarray(cut(pixels, Square(np.array([5.0, 45.0]), np.array([30.0, 10.0])), 64))
    assert made.min() >= 55
    # It fades out: the far corner has less detail than the picture itself.
    assert made[-8:, :8].std() < made[20:40, 24:44].std() / 3


@needs_dlib
@pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="scikit-image has the golden's photograph")
def test_goldens_of_the_alignment() -> None:
    from skimage.data import astronaut

    golden = np.load(DATA / "ffhq_alignment.npz")
    left, top, right, bottom = golden["crop_box"]
    for name, photograph in (("", astronaut()), ("crop_", astronaut()[top:bottom, left:right])):
        found = pulse.align(photograph, notes=[])
        assert np.abs(found.landmarks[0] - golden[f"{name}landmarks"]).max() <= 1
        small = np.asarray(found.to_pil().resize((128, 128), Image.Resampling.LANCZOS)).astype(float)
        assert np.abs(small - golden[f"{name}aligned_1024_resized_lanczos_128"]).mean() < 2


@needs_dlib
def test_every_face_is_found_the_largest_first(people: tuple[list[Image.Image], list[np.ndarray]]) -> None:
    (first, second), (true, _) = people
    large = first.resize((384, 384), Image.Resampling.BICUBIC)
    found = pulse.align(_canvas((second, 20, 60), (large, 300, 8)), 64)
    assert found.images.shape == (2, 3, 64, 64)
    assert len(found) == 2
    expected = (true + 0.5) * 1.5 - 0.5 + (300, 8)
    away = np.linalg.norm(found.landmarks[0, 17:] - expected[17:], axis=1).mean()
    assert away < 0.1 * _eyes(expected)
    # What is cut out has its eyes where all aligned faces have them.
    again = pulse.align(found.to_pil().resize((256, 256)), 64)
    np.testing.assert_allclose(again.squares[0].centre, 127.5, atol=12)


@needs_dlib
@pytest.mark.parametrize("degrees", [20, 75, 180])
def test_a_tilted_head_stands_upright(people: tuple[list[Image.Image], list[np.ndarray]], degrees: int) -> None:
    scene = _canvas((people[0][0], 72, 72), size=(400, 400))
    upright, turned = (pulse.align(picture, 48) for picture in (scene, scene.rotate(degrees, expand=True)))
    assert len(upright) == len(turned) == 1
    assert (upright.images - turned.images).abs().mean() < 0.06


@needs_dlib
def test_a_face_cut_by_the_border_has_no_black_wedge(people: tuple[list[Image.Image], list[np.ndarray]]) -> None:
    light = Image.new("RGB", (256, 256), "white")
    face = Image.blend(people[0][0], light, 0.4)
    cropped = face.crop((30, 70, 226, 226))
    found = pulse.align(cropped, 64)
    assert len(found) == 1
    assert found.squares[0].corners[:, 1].min() < -20
    assert found.images.min() > 0.3


@needs_dlib
def test_a_face_goes_back_where_it_was(people: tuple[list[Image.Image], list[np.ndarray]]) -> None:
    scene = _canvas((people[0][0].rotate(15), 72, 72), size=(400, 400))
    found = pulse.align(scene, 256)
    same = np.asarray(found.paste(found.images)).astype(int)
    assert np.abs(same - np.asarray(scene)).mean() < 1
    red = torch.zeros(1, 3, 32, 32)
    red[:, 0] = 1
    changed = np.asarray(found.paste(red)).astype(int)
    x, y = found.squares[0].centre.round().astype(int)
    assert changed[y, x].tolist() == [255, 0, 0]
    assert (changed[:20, :20] == np.asarray(scene)[:20, :20]).all()
    with pytest.raises(ValueError, match=r"one for each face, floats \(1, 3, R, R\)\.$"):
        found.paste(red[0])


@needs_dlib
def test_a_picture_without_a_face_says_so() -> None:
    waves = np.add.outer(np.arange(120), np.arange(150)).astype(np.uint8)
    notes: list[str] = []
    found = pulse.align(waves, 32, notes=notes)
    assert found.images.shape == (0, 3, 32, 32)
    assert notes == ["No face is found in it."]
    with pytest.warns(UserWarning, match="No face is found in it"):
        pulse.align(waves, 32)


def test_what_is_missing_is_told_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pulse.faces import detect

    picture = np.zeros((8, 8, 3), np.uint8)
    monkeypatch.setattr(detect, "_DEBIAN", tmp_path / "gone.dat")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(FaceError, match=r"apt-get install libdlib-data .*\.$"):
        find_landmarks(picture)
    with pytest.raises(FaceError, match=r"There is no file .*other\.dat"):
        find_landmarks(picture, tmp_path / "other.dat")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FaceError, match=r"pip install dlib-bin"):
        find_landmarks(picture)


@needs_dlib
def test_a_file_that_is_no_predictor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.dat").write_bytes(b"no predictor at all")
    with pytest.raises(FaceError, match=r"words\.dat is no shape predictor"):
        find_landmarks(np.zeros((8, 8, 3), np.uint8), tmp_path / "words.dat")


@pytest.mark.parametrize("size", [7, 5000, 64.0, True])
def test_sizes_that_cannot_be_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"whole number from 8 to 4096\.$"):
        pulse.align(np.zeros((8, 8, 3), np.uint8), size)


@needs_dlib
def test_the_command_writes_every_face(
    people: tuple[list[Image.Image], list[np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    _canvas((people[0][0], 20, 60), (people[0][1], 380, 60)).save(tmp_path / "in" / "party.png")
    # Its own result has the name that the second face would have.
    Image.new("RGB", (40, 20), "red").save(tmp_path / "in" / "party-2.png")
    command = ["align", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--size", "32"]
    assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["party-2.png", "party-3.png", "party.png"]
    told = capsys.readouterr().err
    assert "No face is found in it, so the whole picture is made square." in told
    with Image.open(tmp_path / "out" / "party.png") as made:
        assert made.size == (32, 32)
        assert "corners" in made.text  # type: ignore[attr-defined]
    assert main(command) == 0
    assert main([*command[:-1], "16"]) == 2
    assert main([*command[:-1], "16", "--overwrite"]) == 0
