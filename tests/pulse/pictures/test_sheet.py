"""A contact sheet shows each input, face and reduced face, without changing the small pictures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.app import sprites
from pulse.pictures import read_text
from pulse.pictures.sheet import Beside, SheetRow, contact_sheet, rows_of, write_sheet


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


def test_a_card_grows_by_its_words() -> None:
    row = _row("cat")
    plain = contact_sheet([row], panel=64)
    remarked = contact_sheet([replace(row, notes=["It looks like a sheet of 24 sprites; cut it first."])], panel=64)
    assert remarked.height > plain.height
    assert contact_sheet([replace(row, verdict="word " * 200)], panel=64).height > remarked.height


def test_other_answers_stand_to_the_right() -> None:
    row = _row("cat")
    other = Beside(sprites.load("robot")[0], "network", 0.004)
    plain, wide = (np.asarray(contact_sheet([r], panel=16)) for r in (row, replace(row, beside=[other])))
    assert wide.shape[1] == plain.shape[1] + 16 + 12
    # At 16 px a sprite of 16 px is shown as it is.
    pixels = (other.image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert _holds(wide, pixels)
    assert not _holds(plain, pixels)
    by_network, drawn = (np.asarray(contact_sheet([replace(row, made_by=who)])) for who in ("network", "drawn"))
    assert (by_network != drawn).any()


def test_without_a_verdict_the_loss_is_told_in_grey_levels() -> None:
    assert "8.9 of 255 grey levels" in _row("cat").words()
    assert replace(_row("cat"), verdict="It fits.").words() == "It fits."


def test_nothing_is_drawn_outside_the_cards() -> None:
    long = "W" * 300
    row = replace(_row("cat", title=long), verdict=f"{long} {long}", notes=[long])
    sheet = np.asarray(contact_sheet([row, row], panel=64, heading=long))
    edge = np.concatenate([sheet[:, :36].reshape(-1, 3), sheet[:, -36:].reshape(-1, 3), sheet[-36:].reshape(-1, 3)])
    assert (edge == edge[0]).all()


def test_a_target_that_any_face_fits_gets_no_green_tick() -> None:
    def is_green(sheet: Image.Image) -> bool:
        pixels = np.asarray(sheet.crop((0, 100, sheet.width, 160))).astype(int)
        return bool((pixels == (38, 130, 84)).all(-1).any())

    assert is_green(contact_sheet([_row("cat")]))
    assert not is_green(contact_sheet([replace(_row("cat"), says_little=True)]))


def test_rows_carry_the_verdict_and_the_notes(stand_in: Callable[[], Any]) -> None:
    notes: list[str] = []
    result = pulse.depixelize(np.full((8, 8, 3), 90, np.uint8), generator=stand_in(), steps=1, seed=0, notes=notes)
    (row,) = rows_of(result, ["grey"], [notes])
    assert row.verdict == result.verdict(0)
    assert row.notes == ("It is of one colour, which any plain face fits; the answer says nothing.",)
    assert row.says_little
