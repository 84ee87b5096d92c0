"""The true pixels of enlarged sprites: every kind of enlargement, and pictures that have no grid."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pulse
from benchmarks.pixel_cases import as_jpeg, cases, draw_sprite, enlarge, is_primitive, with_holes
from benchmarks.pixel_others import opaque, smooth
from pulse.app import sprites
from pulse.pictures import open_picture, parse_grid, read_target, true_pixels_of_frames
from stylegan.common.pixels import to_pil


def _knight() -> np.ndarray:
    return np.array(to_pil(sprites.load("knight")[0]).convert("RGBA"))


def _primitive(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    while True:
        sprite = draw_sprite(rng)
        if is_primitive(sprite):
            return sprite


def test_a_sample_of_the_benchmark_is_found() -> None:
    right, total = Counter[str](), Counter[str]()
    for case in cases(45, np.random.default_rng(2024)):
        found = pulse.true_pixels(case.picture)
        total[case.category] += 1
        right[case.category] += found.found and found.size == case.sprite.shape[1::-1]
    assert sum(right.values()) >= 0.97 * sum(total.values()), {kind: (right[kind], total[kind]) for kind in total}


@pytest.mark.parametrize("seed", range(16))
def test_repeated_pixels_come_back_exactly_wherever_the_border_cuts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sprite = _primitive(seed)
    scale = float(rng.uniform(2, 12))
    picture = enlarge(sprite, scale, "repeat")
    left, top, right, bottom = (int(rng.integers(0, int(scale))) for _ in range(4))
    height, width = picture.shape[:2]
    found = pulse.true_pixels(picture[top : height - bottom, left : width - right])
    assert found.found
    assert found.size == sprite.shape[1::-1]
    assert (found.pixels == sprite).all()
    assert found.scale == pytest.approx((scale, scale), abs=0.6 / min(found.size) + 0.02)
    assert found.offset == pytest.approx((-left, -top), abs=1.01)
    assert 0.9 < found.confidence <= 1


@pytest.mark.parametrize(("kernel", "most"), [("area", 6), ("bilinear", 1), ("bicubic", 2)])
def test_interpolated_sprites_come_back(kernel: str, most: float) -> None:
    sprite = _knight()
    found = pulse.true_pixels(enlarge(sprite, 6.38, kernel))
    assert found.size == (16, 16)
    assert np.abs(found.pixels.astype(int) - sprite).mean() < most
    assert "16x16" in found.reason


def test_a_jpeg_comes_back_with_as_few_colours_as_it_had() -> None:
    sprite = _knight()
    found = pulse.true_pixels(as_jpeg(enlarge(sprite, 9, "repeat"), 75, 2))
    assert found.size == (16, 16)
    assert np.abs(found.pixels.astype(int) - sprite).mean() < 4
    before, after = (len(np.unique(one.reshape(-1, 4), axis=0)) for one in (sprite, found.pixels))
    assert after <= 1.5 * before


@pytest.mark.parametrize("kernel", ["repeat", "bilinear"])
def test_hidden_colours_do_not_bleed(kernel: str) -> None:
    sprite = with_holes(_knight(), np.random.default_rng(0))
    hidden = sprite[..., 3] == 0
    assert hidden.sum() > 20
    loud = sprite.copy()
    loud[hidden, :3] = (255, 0, 255)
    pictures = [enlarge(each, 7, kernel).copy() for each in (sprite, loud)]
    for picture in pictures:
        picture[picture[..., 3] == 0, :3] = (0, 255, 0)
    first, second = (pulse.true_pixels(picture) for picture in pictures)
    assert first.size == (16, 16)
    assert (first.pixels[hidden] == 0).all()
    assert (first.pixels == second.pixels).all()
    assert np.abs(first.pixels[~hidden].astype(int) - sprite[~hidden]).mean() < 1


def test_smooth_pictures_and_sprites_of_native_size_are_taken_as_they_are() -> None:
    rng = np.random.default_rng(5)
    with Image.open(Path(__file__).parents[2] / "data" / "people.png") as sheet:
        people = [np.asarray(sheet.crop((x, y, x + 128, y + 128))) for x in (0, 128, 256, 384) for y in (0, 128)]
    pictures = [smooth(rng)[1] for _ in range(40)] + [opaque(one) for one in people]
    pictures += [as_jpeg(opaque(one), quality, 2) for one, quality in zip(people, range(20, 100, 10), strict=True)]
    pictures += [np.array(to_pil(sprites.load(name)[0]).convert("RGBA")) for name in sprites.names()]
    for picture in pictures:
        found = pulse.true_pixels(picture)
        assert not found.found
        assert found.confidence == 0
        assert found.reason.endswith(".")
        assert (found.pixels == picture).all()


def test_stripes_and_single_colours_have_no_grid() -> None:
    stripes = np.kron(np.arange(16)[None] * 15, np.ones((60, 5))).astype(np.uint8)
    assert "one direction" in pulse.true_pixels(stripes).reason
    assert not pulse.true_pixels(np.full((40, 40), 7, np.uint8)).found


def test_a_photograph_of_doubled_pixels_stays_a_photograph() -> None:
    y, x = np.mgrid[:60, :60]
    tones = (100 + 40 * np.sin(x / 9) + 40 * np.cos(y / 7) + np.random.default_rng(0).normal(0, 2, (60, 60))).clip(
        0, 255
    )
    found = pulse.true_pixels(np.kron(tones, np.ones((2, 2))).astype(np.uint8))
    assert not found.found
    assert "gradually" in found.reason


def test_the_grid_may_be_given() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 3), np.uint8)
    found = pulse.true_pixels(noise, grid=16)
    assert found.size == (8, 16)
    assert found.scale == (4, 4)
    for wrong in (0, 65, True, 2.5):
        with pytest.raises(ValueError, match=r"number of true pixels of the longer side, 1 to 64\.$"):
            pulse.true_pixels(noise, grid=wrong)  # type: ignore[arg-type]


def test_frames_share_one_grid_and_one_palette() -> None:
    sprite = _knight()
    frames = [np.roll(sprite, step, axis=1) for step in range(3)]
    # By itself a frame of one colour has no grid.
    frames.append(np.full_like(sprite, 255))
    enlarged = [as_jpeg(enlarge(frame, 8, "repeat"), 80, 2) for frame in frames]
    made = true_pixels_of_frames(enlarged)
    assert {one.size for one in made} == {(16, 16)}
    assert all(one.scale == made[0].scale for one in made)
    colours = {tuple(colour) for one in made for colour in one.pixels.reshape(-1, 4).tolist()}
    alone = {tuple(colour) for colour in made[0].pixels.reshape(-1, 4).tolist()}
    assert len(colours) <= 1.3 * len(alone) + 2
    with pytest.raises(ValueError, match="differ in size"):
        true_pixels_of_frames([enlarged[0], sprite])


def test_a_target_is_read_at_its_native_size() -> None:
    sprite = _knight()
    picture = Image.fromarray(enlarge(sprite, 6.38, "repeat")).convert("RGB")
    notes: list[str] = []
    target = read_target(picture, 128, notes=notes)
    assert notes == ["An enlarged sprite, read at 16x16 (cells of 6.38 px)."]
    assert (target - sprites.load("knight")).abs().max() < 1e-6
    assert (read_target(picture, 128, grid="off") - target).abs().max() > 0.05
    assert read_target(picture, 128, grid="8").shape[-1] == 8
    assert open_picture(picture).image.shape[-1] == 102


@pytest.mark.parametrize("wrong", ["", "no", "1", 1, True, -4, 2.5])
def test_grids_that_cannot_be_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"give auto, off, or how many"):
        parse_grid(wrong)
    assert parse_grid("16") == parse_grid(16) == 16
