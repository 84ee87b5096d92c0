"""Moods: the nearest real emoji, what its words say, and the sheet."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import stylegan
from pulse.app.cli import main
from pulse.emoji.dataset import all_emoji
from pulse.emoji.moods import MOODS, RealEmoji, mood
from pulse.emoji.moods_sheet import COLOURS, sheet
from stylegan.networks.dcgan import Generator
from stylegan.training.networks import weights_from

_NAMES = {"red heart": (220, 30, 40), "crying face": (240, 200, 60), "ghost": (235, 235, 240), "leaf": (30, 150, 60)}
_KEYWORDS = {"red heart": ["love"], "crying face": ["sad", "tear"], "ghost": ["halloween", "scary"], "leaf": ["tree"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four emoji, each a square of one colour on a transparent ground."""
    entries = []
    for number, (name, colour) in enumerate(_NAMES.items()):
        picture = Image.new("RGBA", (40, 40))
        picture.paste((*colour, 255), (8, 8, 32, 32))
        picture.save(tmp_path / f"{number}.png")
        entries.append({"file": f"{number}.png", "name": name, "keywords": _KEYWORDS[name]})
    (tmp_path / "emoji.json").write_text(json.dumps({"emoji": entries}))
    return tmp_path


def test_a_picture_is_nearest_to_itself_at_another_size_and_shifted(folder: Path) -> None:
    real = RealEmoji(folder)
    pictures = torch.ones(4, 3, 64, 64)
    for picture, colour in zip(pictures, _NAMES.values(), strict=True):
        # A pixel or two off, and a little off in colour.
        picture[:, 14:53, 12:50] = (torch.tensor(colour) / 255).view(3, 1, 1) * 0.95
    looks = real.looks(pictures, 2)
    assert [look.nearest[0]["name"] for look in looks] == list(_NAMES)
    assert [look.mood for look in real.looks(pictures, 1)] == ["happy", "sad", "horror", "neutral"]
    for look in looks:
        assert len(look.nearest) == 2
        assert 0 < look.distances[0] < look.distances[1] < 1
    same = real.looks(real.picture(2))[0]
    assert (same.nearest[0]["name"], len(same.nearest)) == ("ghost", 3)
    assert same.distances[0] < 1e-3


def test_the_moods_of_faces_are_those_that_people_see() -> None:
    moods = {one.name: mood([{"name": one.name, "keywords": one.keywords}]) for one in all_emoji()}
    for name, wanted in (
        ("grinning face", "happy"),
        ("face with tears of joy", "happy"),
        ("red heart", "happy"),
        ("crying face", "sad"),
        ("broken heart", "sad"),
        ("ghost", "horror"),
        ("angry face", "horror"),
        ("face screaming in fear", "horror"),
        ("neutral face", "neutral"),
        ("bicycle", "neutral"),
        ("flag: Japan", "neutral"),
    ):
        assert moods[name] == wanted, name
    assert set(moods.values()) == set(MOODS) == set(COLOURS)


def test_the_nearest_counts_most() -> None:
    sad, happy = ({"name": word, "keywords": [word]} for word in ("sad", "happy"))
    assert mood([sad, happy]) == "sad"
    assert mood([happy, sad]) == "happy"
    assert mood([sad, happy, happy]) == "sad"
    many = {"name": "laugh", "keywords": ["joy", "love", "fun", "haha"]}
    assert mood([sad, many, many]) == "sad"
    assert mood([]) == "neutral"


def test_a_sheet_has_a_card_for_each(folder: Path) -> None:
    real = RealEmoji(folder)
    pictures = torch.cat([real.picture(number) for number in (0, 1, 2)])
    page = sheet(pictures, real.looks(pictures), real, columns=2)
    assert page.size == (2 * 184 + 12, 2 * 236 + 12)
    # The heart in the middle of the first card, and small below it.
    assert page.getpixel((12 + 86, 12 + 86)) == pytest.approx(_NAMES["red heart"], abs=3)
    assert page.getpixel((12 + 28, 12 + 236 - 12 - 28)) == pytest.approx(_NAMES["red heart"], abs=3)
    # The fourth place is empty.
    assert page.getpixel((300, 400)) == page.getpixel((2, 2))


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with weights_from(0):
        stylegan.save(Generator(8, 16, width=2), tmp_path / "g.safetensors")
    command = ["aimoji", "moods", str(tmp_path / "g.safetensors"), str(folder), "-o", str(tmp_path / "m.png")]
    assert main([*command, "--count", "4"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == str(tmp_path / "m.png")
    assert sum(int(part.split()[0]) for part in out[1].split(", ")) == 4
    (tmp_path / "empty").mkdir()
    command[3] = str(tmp_path / "empty")
    assert main([*command, "--overwrite"]) == 2
    assert "has no emoji.json with emoji; give a folder of `pulse aimoji dataset`." in capsys.readouterr().err
