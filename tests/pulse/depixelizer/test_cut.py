"""Sheets are cut into their sprites, heads are found on figures, rectangles are cut out."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.depixelizer.cut import crop_picture, parse_crop, parse_layout
from pulse.pictures import PictureError
from tests.pulse.depixelizer.figures import cut_out, figure, reaching, sprite


def _gutters(count: int = 8, columns: int = 4, cell: int = 20) -> Image.Image:
    rows = -(-count // columns)
    sheet = Image.new("RGBA", (columns * cell, rows * cell))
    for i in range(count):
        sheet.paste(cut_out(i), (i % columns * cell + 2, i // columns * cell + 2))
    return sheet


def _enlarged(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.NEAREST)


def _same(piece: Image.Image, wanted: Image.Image) -> bool:
    return np.array_equal(np.asarray(piece.convert("RGBA")), np.asarray(wanted.convert("RGBA")))


@pytest.mark.parametrize("factor", [1, 3, 6.4])
def test_sprites_between_gutters_come_at_their_native_size(factor: float) -> None:
    sheet = _gutters()
    notes: list[str] = []
    pieces = pulse.cut_sheet(_enlarged(sheet, factor), notes=notes)
    assert [piece.name for piece in pieces] == ["1-1", "1-2", "1-3", "1-4", "2-1", "2-2", "2-3", "2-4"]
    for i, piece in enumerate(pieces):
        x, y = i % 4 * 20, i // 4 * 20
        assert _same(piece.picture, sheet.crop((x, y, x + 20, y + 20)))
        assert np.allclose(piece.box, np.array([x, y, 20, 20]) * factor, atol=1)
    assert "4x2, into 8 sprites" in notes[0]


def test_colours_under_transparent_pixels_do_not_bleed() -> None:
    pixels = np.array(_gutters())
    clean = pulse.cut_sheet(pixels.copy())
    pixels[pixels[..., 3] == 0] = (255, 0, 255, 0)
    for one, other in zip(pulse.cut_sheet(pixels), clean, strict=True):
        assert _same(pulse.true_pixels(one.picture).to_pil(), other.picture)


def test_tiles_that_touch_and_sprites_between_lines() -> None:
    tiles = Image.new("RGB", (64, 48))
    lines = Image.new("RGB", (69, 52), "#ff00ff")
    for i in range(12):
        tiles.paste(sprite(i), (i % 4 * 16, i // 4 * 16))
        lines.paste(sprite(i), (i % 4 * 17 + 1, i // 4 * 17 + 1))
    for sheet in (tiles, lines, lines.crop((1, 1, 68, 51)), _enlarged(lines, 4)):
        pieces = pulse.cut_sheet(sheet)
        assert len(pieces) == 12
        assert all(_same(piece.picture, sprite(i)) for i, piece in enumerate(pieces))


def test_an_enlarged_sheet_that_became_a_jpeg() -> None:
    sheet = Image.new("RGB", (80, 40), "white")
    sheet.paste(_gutters(), mask=_gutters())
    file = io.BytesIO()
    _enlarged(sheet, 6).save(file, "JPEG", quality=85)
    pieces = pulse.cut_sheet(Image.open(file))
    assert [piece.picture.size for piece in pieces] == [(20, 20)] * 8
    off = np.abs(np.asarray(pieces[0].picture, int) - np.asarray(sheet.crop((0, 0, 20, 20)), int))
    assert off.mean() < 6


def test_sprites_that_lie_anywhere_and_the_small_parts_beside_them() -> None:
    sheet = Image.new("RGBA", (70, 60))
    places = [(1, 2), (30, 0), (52, 12), (3, 30), (33, 27)]
    for i, place in enumerate(places):
        block = Image.new("RGBA", (16, 16), ("red", "green", "blue", "orange", "purple")[i])
        sheet.paste(block, place)
    # A spark beside the first, which belongs to it.
    sheet.paste(Image.new("RGBA", (2, 2), "white"), (19, 10))
    pieces = pulse.cut_sheet(sheet)
    assert sorted(piece.box for piece in pieces) == sorted([(1, 2, 20, 16), *((x, y, 16, 16) for x, y in places[1:])])
    assert pieces[0].box == (1, 2, 20, 16)


def test_a_layout_that_is_named_and_its_blank_cells() -> None:
    notes: list[str] = []
    pieces = pulse.cut_sheet(_gutters(6), "4x2", notes=notes)
    assert [piece.name for piece in pieces] == ["1-1", "1-2", "1-3", "1-4", "2-1", "2-2"]
    assert "2 blank cells are left out" in notes[0]
    assert len(pulse.cut_sheet(_gutters(6), (2, 1))) == 2


def test_one_picture_is_no_sheet() -> None:
    for i in (0, 3, 9):
        notes: list[str] = []
        pieces = pulse.cut_sheet(sprite(i), notes=notes)
        assert len(pieces) == 1
        assert "No sheet shows" in notes[0]
        assert _same(pieces[0].picture, sprite(i))


@pytest.mark.parametrize("layout", ["4", "0x2", "axb", "4x2x1", (4,), (4, 2.5), (True, 2), "99x99", "-1x2"])
def test_what_is_no_layout_is_refused(layout: object) -> None:
    with pytest.raises(ValueError, match=r"The layout of a sheet is .*; give auto, or"):
        parse_layout(layout)  # type: ignore[arg-type]


def test_more_cells_than_pixels_and_nothing_to_see_are_refused() -> None:
    with pytest.raises(PictureError, match="cannot have 30x1 cells"):
        pulse.cut_sheet(sprite(0), "30x1")
    with pytest.raises(PictureError, match="No cell of the sheet shows anything"):
        pulse.cut_sheet(Image.new("RGB", (8, 8), "red"), "2x2")


@pytest.mark.parametrize("head", [0.2, 0.3, 0.4, 0.5])
@pytest.mark.parametrize("height", [24, 32, 48])
def test_heads_are_found_on_figures(head: float, height: int) -> None:
    rng = np.random.default_rng(round(100 * head) + height)
    overlaps = []
    for _ in range(6):
        pixels, (left, top, right, bottom) = figure(rng, height, head)
        found = pulse.find_head(pixels, grid="off")
        x, y, w, h = found.box
        shared = max(0, min(x + w, right) - max(x, left)) * max(0, min(y + h, bottom) - max(y, top))
        assert found.found
        overlaps.append((shared / ((right - left) * (bottom - top)), shared / (w * h)))
    covered, used = np.mean(overlaps, 0)
    # The head is in the square, and fills most of it.
    assert covered > 0.9
    assert used > 0.5


@pytest.mark.parametrize("head", [0.3, 0.4])
def test_heads_are_found_between_raised_arms(head: float) -> None:
    for height in (24, 32, 48):
        for seed in range(4):
            pixels, (left, top, right, bottom) = reaching(np.random.default_rng(seed), height, head)
            found = pulse.find_head(pixels, grid="off")
            x, y, w, h = found.box
            shared = max(0, min(x + w, right) - max(x, left)) * max(0, min(y + h, bottom) - max(y, top))
            assert found.found
            assert shared > 0.8 * (right - left) * (bottom - top)
            assert shared > 0.45 * w * h


def test_a_head_is_found_by_its_shape_alone_and_on_an_enlarged_figure() -> None:
    pixels, (left, _, right, bottom) = figure(np.random.default_rng(1), 32, 0.3, colours=False)
    found = pulse.find_head(np.kron(pixels, np.ones((5, 5, 1), np.uint8)))
    x, y, w, h = found.box
    assert found.found
    assert y == 0
    assert 0.8 * 5 * bottom < h < 1.5 * 5 * bottom
    assert abs(x + w / 2 - 5 * (left + right) / 2) < 8


def test_where_no_head_shows_it_is_said_what_is_used() -> None:
    pillar = np.zeros((40, 20, 4), np.uint8)
    pillar[2:38, 6:14] = 255
    found = pulse.find_head(pillar)
    assert (found.box, found.found) == ((6, 2, 8, 8), False)
    assert "upper square" in found.reason
    assert pulse.find_head(cut_out(3)).reason == "It is no taller than a head, so all of it is used."


def test_a_crop_of_an_enlarged_sprite_takes_whole_cells() -> None:
    large = _enlarged(sprite(0), 6)
    assert _same(crop_picture(large, "13,7,60,60"), sprite(0).crop((2, 1, 12, 11)))
    assert _same(crop_picture(large, (12, 6, 24, 24), grid="off"), large.crop((12, 6, 36, 30)))


@pytest.mark.parametrize("crop", ["1,2,3", "a,b,c,d", (0, 0, 0, 4), (-1, 0, 2, 2), (0, 0, 1.5, 2), 7, (0, 0, 17, 4)])
def test_a_crop_that_cannot_be_is_refused(crop: object) -> None:
    with pytest.raises(ValueError, match=r"The crop .*; (give|make)"):
        parse_crop(crop, (16, 16))  # type: ignore[arg-type]


def test_depixelize_answers_what_is_cut_out() -> None:
    large = _enlarged(sprite(0), 4)
    notes: list[str] = []
    given = {"resolution": 64, "starts": 1, "seed": 0, "callback": lambda step, state: True, "notes": notes}
    cut = pulse.depixelize(large, crop=(0, 0, 48, 48), **given)
    assert cut.target.shape == (1, 3, 12, 12)
    assert np.allclose(cut.target[0].permute(1, 2, 0).numpy() * 255, np.asarray(sprite(0).crop((0, 0, 12, 12))), atol=1)
    pixels, _ = figure(np.random.default_rng(0), 32, 0.4)
    pulse.depixelize(pixels, head=True, **given)
    assert "The head was found above the neck of the figure." in notes


def test_a_head_of_a_few_pixels_is_answered_too() -> None:
    notes: list[str] = []
    given = {"resolution": 64, "starts": 1, "seed": 0, "callback": lambda step, state: True, "notes": notes}
    small = sprite(0).crop((4, 4, 10, 10))
    result = pulse.depixelize(small, **given)
    assert result.target.shape == (1, 3, 12, 12)
    assert torch.equal(result.target[..., ::2, ::2], result.target[..., 1::2, 1::2])
    assert notes[-1] == "It has 6x6 pixels, too few for a drawn answer, so each stands for 2x2."
