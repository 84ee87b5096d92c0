"""Emoji of a colour font: how many, their names and pictures, and what happens without such a font."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pulse.app.cli import main
from pulse.emoji import dataset, font, update_names
from pulse.emoji.dataset import all_emoji, groups, read_table, write_emoji
from pulse.emoji.font import ColourFont, find_font
from stylegan.common.ownership import file_text

NOTO = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
PLAIN = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
needs_noto = pytest.mark.skipif(not NOTO.exists(), reason="there is no fonts-noto-color-emoji here")


def test_the_list_has_the_names_and_groups_of_unicode() -> None:
    by_name = {one.name: one for one in all_emoji()}
    assert len(by_name) == len(all_emoji()) > 3900
    assert len({one.code for one in all_emoji()}) == len(all_emoji())
    assert groups()[0] == "Smileys & Emotion"
    assert groups()[-1] == "Flags"
    assert len(groups()) == 10
    waving = by_name["waving hand: light skin tone"]
    assert (waving.text, waving.code, waving.group) == ("\U0001f44b\U0001f3fb", "1f44b-1f3fb", "People & Body")
    assert "hello" in waving.keywords
    # With the mark that asks for colours, which its name as a file leaves out.
    assert (by_name["smiling face"].text, by_name["smiling face"].code) == ("\u263a\ufe0f", "263a")


def test_the_list_is_made_of_emojibase(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "messages.json").write_text(
        '{"groups": [{"order": 1, "message": "people & body"}], "subgroups": [{"order": 16, "key": "hand"}]}'
    )
    (tmp_path / "en" / "data.json").write_text(
        '[{"label": "letter", "emoji": "a"}, {"label": "wave", "emoji": "b", "order": 7, "group": 1, "subgroup": 16,'
        ' "tags": ["hi", "yo"], "skins": [{"label": "wave: dark", "emoji": "bc", "order": 2, "group": 1,'
        ' "subgroup": 16}]}]'
    )
    # In the order of keyboards.
    assert update_names.lines(tmp_path) == [
        "62 63\tPeople & Body\thand\twave: dark\thi,yo",
        "62\tPeople & Body\thand\twave\thi,yo",
    ]


@needs_noto
def test_more_pictures_than_the_work_had_and_no_two_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[bytes] = []

    def note(file: Path, picture: Image.Image, text: dict[str, str]) -> None:
        assert (picture.mode, picture.size) == ("RGBA", (136, 136))
        drawn.append(hashlib.sha256(picture.tobytes()).digest())

    monkeypatch.setattr(dataset, "write_png", note)
    count, lacks = write_emoji(tmp_path, NOTO)
    assert count == len(drawn) == len(set(drawn)) >= 3145
    entries = read_table(tmp_path)
    assert len(entries) == count
    named = [name for entry in entries for name in (entry["name"], *entry["alike"])]
    assert len(named) == len(set(named)) == len(all_emoji()) - lacks
    # Sequences are drawn as one picture: Norway's flag is that of two territories.
    norway = next(entry for entry in entries if "flag: Norway" in (entry["name"], *entry["alike"]))
    assert {"flag: Norway", "flag: Svalbard & Jan Mayen"} <= {norway["name"], *norway["alike"]}


@needs_noto
def test_colours_at_the_edge_are_not_mixed_with_black() -> None:
    picture = ColourFont(NOTO).draw("\U0001f534")
    assert picture is not None
    pixels = np.asarray(picture).reshape(-1, 4).astype(float)
    edge = pixels[(pixels[:, 3] > 40) & (pixels[:, 3] < 215)]
    assert len(edge) > 100
    # A red circle is red up to its edge.
    assert edge[:, 0].min() > 150


@needs_noto
def test_a_group_is_drawn_with_its_table_and_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "set"
    command = ["aimoji", "dataset", "-o", str(folder), "--font", str(NOTO)]
    assert main([*command, "--group", "component"]) == 0
    assert capsys.readouterr().out == f"{folder}  9 different pictures; the font lacks 0 emoji\n"
    entries = read_table(folder)
    assert sorted(path.name for path in folder.glob("*.png")) == sorted(entry["file"] for entry in entries)
    assert entries[0]["name"] == "light skin tone"
    assert file_text(folder / entries[0]["file"])["Title"] == "light skin tone"
    kept = folder / entries[0]["file"]
    before = kept.stat().st_mtime_ns
    (folder / entries[1]["file"]).unlink()
    assert main([*command, "--group", "Component"]) == 0
    assert kept.stat().st_mtime_ns == before
    assert len(list(folder.glob("*.png"))) == 9
    # Of another group only if asked to, and then nothing of the old one stays.
    (folder / "mine.png").write_text("mine")
    assert main([*command, "--group", "food & drink"]) == 2
    assert main([*command, "--group", "food & drink", "--overwrite"]) == 0
    assert {path.name for path in folder.glob("*.png")} == {entry["file"] for entry in read_table(folder)} | {
        "mine.png"
    }


@needs_noto
def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "1f3fb.png").write_text("mine")
    with pytest.raises(ValueError, match=r"1f3fb\.png was not made by this program"):
        write_emoji(tmp_path, NOTO, ["component"], overwrite=True)
    assert (tmp_path / "1f3fb.png").read_text() == "mine"


def test_what_cannot_be_drawn_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.ttf").write_text("no font")
    for path, words in (
        (tmp_path / "gone.ttf", r"There is no font .*gone\.ttf; give the path"),
        (tmp_path / "bad.ttf", r"bad\.ttf is no font that can be read"),
    ):
        with pytest.raises(ValueError, match=words):
            write_emoji(tmp_path / "set", path)
    if PLAIN.exists():
        with pytest.raises(ValueError, match=r"DejaVuSans\.ttf has no colours that Pillow can draw"):
            write_emoji(tmp_path / "set", PLAIN)
    with pytest.raises(ValueError, match="There is no group 'faces' of emoji; the groups are Smileys & Emotion,"):
        write_emoji(tmp_path / "set", None, ["faces"])
    assert not (tmp_path / "set").exists()
    monkeypatch.setattr(font, "_FOLDERS", (str(tmp_path),))
    with pytest.raises(ValueError, match="There is no colour font with emoji here; install one"):
        find_font()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "seguiemj.ttf").touch()
    assert find_font() == tmp_path / "deep" / "seguiemj.ttf"
