"""A contact sheet shows each input, face and reduced face, without changing the small pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pulse.app import sprites
from pulse.pictures import read_text
from pulse.pictures.sheet import SheetRow, contact_sheet, write_sheet


def _row(name: str, reached: bool = True, title: str | None = None) -> SheetRow:
    target = sprites.load(name)[0]
    face = torch.nn.functional.interpolate(target[None], (32, 32))[0]
    return SheetRow(title or name, target, face, target.flip(0), 0.00123, reached)


def _holds(sheet: np.ndarray, picture: np.ndarray) -> bool:
    h, w, _ = picture.shape
    corners = np.argwhere((sheet[: -h + 1, : -w + 1] == picture[0, 0]).all(-1))
    return any((sheet[y : y + h, x : x + w] == picture).all() for y, x in corners)


def test_small_pictures_are_enlarged_by_repeating_pixels() -> None:
    row = _row("knight")
    sheet = np.asarray(contact_sheet([row], panel=64))
    for small in (row.target, row.downsampled):
        pixels = (small * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        assert _holds(sheet, pixels.repeat(4, 0).repeat(4, 1))


def test_a_missed_eps_looks_different() -> None:
    reached, missed = (np.asarray(contact_sheet([_row("ghost", reached)])) for reached in (True, False))
    assert reached.shape == missed.shape
    assert (reached != missed).any()


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (10, 2), (80, 4)])
def test_the_sheet_keeps_the_shape_of_a_page(count: int, columns: int) -> None:
    one = contact_sheet([_row("cat")], panel=16, columns=1)
    sheet = contact_sheet([_row("cat")] * count, panel=16)
    assert columns * 0.6 <= sheet.width / one.width <= columns
    assert np.asarray(sheet).shape == (sheet.height, sheet.width, 3)


def test_titles_of_any_length_and_script_fit() -> None:
    plain = contact_sheet([_row("cat")])
    assert contact_sheet([_row("cat", title="a very long file name " * 20)]).size == plain.size
    assert contact_sheet([_row("cat", title="猫.png")]).size == plain.size


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet([])


def test_a_written_sheet_says_that_it_is_synthetic(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.png", [_row("robot")])
    assert read_text(tmp_path / "sheet.png")["synthetic"] == "true"
