"""Characters: that people stay people, that every part shows where it should, and that words name it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stylegan import portraits
from stylegan.portraits.__main__ import main
from stylegan.portraits.characters import TABLE, neutral
from stylegan.portraits.coordinates import KINDS, decode

_NAMES = portraits.COORDINATES + portraits.EXTRAS
_ROWS = {row.name: row for row in TABLE}


def _sample(count: int, seed: int, kind: str = "characters") -> torch.Tensor:
    return portraits.sample(count, torch.Generator().manual_seed(seed), kind)


def _with(u: torch.Tensor, **chosen: float | str) -> torch.Tensor:
    u = u.clone()
    for name, value in chosen.items():
        u[:, _NAMES.index(name)] = _ROWS[name].value(value) if isinstance(value, str) else value
    return u


def _ordinary(count: int, seed: int) -> torch.Tensor:
    """Characters that look like people before a plain background."""
    u = portraits.as_characters(_sample(count, seed, "people"))
    ordinary = {row.name: row.names[0] for row in TABLE[1:] if row.names}
    return _with(
        u, **{**ordinary, "character": "character", "ground_style": "plain", "glasses": 0.1, "hat": 0.1, "yaw": 0.5}
    )


def test_people_are_characters_whose_other_coordinates_are_neutral() -> None:
    u = _sample(3, 1, "people")
    same = portraits.as_characters(u)
    assert same.shape == (3, len(_NAMES))
    assert torch.equal(portraits.as_characters(same), same)
    expected = portraits.render(u, 40)
    assert torch.equal(portraits.render(same, 40), expected)
    # Where `character` is off, nothing else counts.
    other = torch.cat([u, torch.rand(3, len(portraits.EXTRAS), generator=torch.Generator().manual_seed(2))], 1)
    assert torch.equal(portraits.render(_with(other, character="people"), 40), expected)
    assert portraits.describe(u) == portraits.describe(same)


def test_half_of_all_characters_are_people() -> None:
    share = float((decode(_sample(4000, 3))["character"] > 0).float().mean())
    assert share == pytest.approx(0.5, abs=0.03)


def test_shares_of_what_is_chosen_are_those_of_the_table() -> None:
    u = _with(_sample(6000, 4), character="character")
    p = decode(u)
    for row in TABLE:
        if row.kind == "choice":
            ends = np.diff([0.0, *row.bounds, 1.0])
            for name, share in zip(row.names[1:], ends[1:], strict=True):
                # Four standard deviations.
                assert float(p[f"{row.name}: {name}"].mean()) == pytest.approx(share, abs=4 * (share / 6000) ** 0.5)


def test_every_picture_is_a_picture() -> None:
    u = _with(_sample(96, 5), character="character")
    pictures = portraits.render(u, 32)
    assert bool(pictures.isfinite().all())
    assert float(pictures.flatten(1).std(1).min()) > 0.02
    corners = (torch.rand(12, len(_NAMES), generator=torch.Generator().manual_seed(6)) > 0.5).float()
    assert bool(portraits.render(corners, 24).isfinite().all())


def test_a_batch_of_characters_gives_what_each_alone_would_give() -> None:
    u = _with(_sample(6, 7), character="character")
    together = portraits.render(u, 40)
    alone = torch.cat([portraits.render(one[None], 40) for one in u])
    assert float((together - alone).abs().mean()) < 1e-4


# Where a change should be seen: rows and columns of the picture in halves, fifths and so on, as shares of its side.
_TOP, _MIDDLE, _LOW, _ALL = (0.0, 0.35), (0.3, 0.7), (0.55, 1.0), (0.0, 1.0)
_SHOWN = {
    "headgear": dict.fromkeys(_ROWS["headgear"].names[1:], _TOP),
    "ears": {"pointed": _MIDDLE, "large": _MIDDLE, "cat": _TOP, "bear": _TOP, "none": _MIDDLE},
    "horns": dict.fromkeys(_ROWS["horns"].names[1:], _TOP),
    "antennae": {"yes": _TOP},
    "teeth": {"tusks": _LOW, "fangs": _LOW},
    "muzzle": {"yes": _MIDDLE},
    "eye_style": dict.fromkeys(_ROWS["eye_style"].names[1:], (0.35, 0.55)),
    "eyewear": {**dict.fromkeys(_ROWS["eyewear"].names[1:], (0.35, 0.55)), "scarf": _LOW},
    "skin_finish": dict.fromkeys(_ROWS["skin_finish"].names[1:], _MIDDLE),
    "marks": {"stripes": _MIDDLE, "band": _MIDDLE},
    "body": dict.fromkeys(_ROWS["body"].names[1:], (0.8, 1.0)),
    "light_style": dict.fromkeys(_ROWS["light_style"].names[1:], _MIDDLE),
    "ground_style": {"soft": _TOP, "split": _TOP, "gradient": _TOP},
    "head_block": {"yes": _ALL},
    "bald": {"yes": _TOP},
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in _SHOWN.items() for v in values])
def test_every_part_shows_where_it_should(name: str, value: str) -> None:
    u = _with(_ordinary(2, 8), camera_zoom=0.9, sex=0.2, hair_length=0.4, age=0.4, trim_red=0.1)
    u = _with(u, iris_own="own", iris_red=0.9, eye_open=0.9, second_red=0.0, second_green=0.0)
    if name == "ears":
        u = _with(u, hair_length=0.05)
    change = (portraits.render(_with(u, **{name: value}), 48) - portraits.render(u, 48)).abs().mean((0, 1))
    top, bottom = _SHOWN[name][value]
    assert float(change[int(48 * top) : int(48 * bottom)].amax()) > 0.04


def test_everything_that_can_be_chosen_is_looked_at() -> None:
    chosen = {row.name for row in TABLE if row.kind != "continuous" and not row.name.endswith("_own")}
    assert chosen == {*_SHOWN, "character"}
    for name, values in _SHOWN.items():
        assert set(values) | {"plain"} >= set(_ROWS[name].names[1:]), name


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"eye_open": 1.0, "eye_large": 1.0}, (0.3, 0.6)),
        ({"mouth_width": 1.0, "lip_colour": 1.0}, (0.55, 0.8)),
        ({"mouth_open": 1.0, "smile": 0.3}, (0.55, 0.9)),
        ({"head_width": 1.0}, (0.2, 0.8)),
        ({"head_height": 1.0}, (0.0, 0.4)),
        ({"hat_shape": 0.0, "headgear": "pointed hat"}, (0.1, 0.4)),
        ({"hat_shape": 0.0, "headgear": "crown"}, (0.1, 0.4)),
        ({"hat_shape": 0.0, "headgear": "open helmet"}, (0.1, 0.4)),
    ],
)
def test_faces_of_characters_go_further_than_those_of_people(
    changed: dict[str, float | str], where: tuple[float, float]
) -> None:
    u = _with(_ordinary(2, 11), sex=0.2, mouth_width=0.5, eye_open=0.5, camera_zoom=0.6)
    u = _with(u, **{name: value for name, value in changed.items() if isinstance(value, str)})
    u = _with(u, **{name: 0.5 for name, value in changed.items() if not isinstance(value, str)})
    further = _with(u, **{name: value for name, value in changed.items() if not isinstance(value, str)})
    seen = (portraits.render(u, 48) - portraits.render(further, 48)).abs().mean((0, 1))
    assert float(seen[int(48 * where[0]) : int(48 * where[1])].amax()) > 0.1


def test_headgear_holds_heads_of_every_shape() -> None:
    # Magenta skin under green headgear: no pixel of the picture's upper part may show skin above the rim.
    u = _with(_ordinary(3, 12), camera_zoom=0.6, light_style="flat", bald="yes", ears="none", hat_shape=0.5, pitch=0.5)
    u = _with(u, skin_own="own", skin_red=0.95, skin_green=0.05, skin_blue=0.95, roll=0.5, camera_lift=0.5)
    u = _with(u, hat_own="own", hat_red=0.05, hat_green=0.9, hat_blue=0.05, trim_red=0.1, trim_green=0.9, trim_blue=0.1)
    u = _with(u, ground_red=0.1, ground_green=0.9, ground_blue=0.1)
    for name in _ROWS["headgear"].names[1:]:
        for shape in ({"head_round": 1.0}, {"head_block": "yes"}, {"head_width": 1.0, "head_height": 1.0}):
            if name == "crown":
                continue
            picture = portraits.render(_with(u, headgear=name, **shape), 64)[:, :, :14]
            assert float((picture[:, 0] - picture[:, 1]).amax()) < 0, (name, shape)


@pytest.mark.parametrize(
    ("name", "top", "bottom", "left", "right"),
    [
        ("skin", 0.55, 0.65, 0.35, 0.65),
        ("hair", 0.15, 0.30, 0.3, 0.7),
        ("cloth", 0.95, 1.0, 0.3, 0.7),
        ("hat", 0.12, 0.25, 0.4, 0.6),
        ("ground", 0.0, 0.1, 0.0, 0.1),
    ],
)
def test_colours_of_their_own_are_seen_also_at_16_px(
    name: str, top: float, bottom: float, left: float, right: float
) -> None:
    u = _with(_ordinary(3, 9), camera_zoom=0.8, camera_lift=0.5, camera_shift=0.5, hair_length=0.5, hair_fringe=0.9)
    u = _with(u, light_style="even", headgear="cap" if name == "hat" else "none")
    if name != "ground":
        u = _with(u, **{f"{name}_own": "own"})
    green = portraits.render(_with(u, **{f"{name}_red": 0.1, f"{name}_green": 0.8, f"{name}_blue": 0.1}), 16)
    place = green[:, :, int(16 * top) : max(int(16 * bottom), int(16 * top) + 1), int(16 * left) : int(16 * right) + 1]
    red, seen, blue = place.mean((0, 2, 3)).tolist()
    assert seen > red + 0.15
    assert seen > blue + 0.15


def test_continuous_coordinates_change_pictures_little_by_little() -> None:
    u = _with(_sample(4, 10), character="character") * 0.9 + 0.05
    step = torch.zeros(len(_NAMES))
    for row in TABLE:
        if row.kind == "continuous":
            step[_NAMES.index(row.name)] = 1
    here, near, far = (portraits.render((u + s * step).clamp(0, 1), 40) for s in (0.0, 0.005, 0.02))
    small, large = ((other - here).abs().mean() for other in (near, far))
    assert 0 < float(small) < 0.4 * float(large)
    assert float(large) < 0.08


def test_words_name_what_is_there() -> None:
    u = _ordinary(1, 11)
    green = {"skin_own": "own", "skin_red": 0.2, "skin_green": 0.7, "skin_blue": 0.1}
    goblin = portraits.describe(_with(u, **green, ears="pointed", teeth="tusks"))[0]
    assert goblin.startswith("a green goblin with tusks")
    assert portraits.describe(_with(u, headgear="open helmet"))[0].startswith("a knight in an open helmet")
    loved = portraits.describe(_with(u, eye_style="hearts", eyewear="none"))[0]
    assert "heart eyes" in loved
    assert "dark glasses" in portraits.describe(_with(u, eyewear="shades"))[0]
    skull = {"eye_style": "hollow", "nose_size": 0.0, "bald": "yes"}
    assert portraits.describe(_with(u, **skull))[0].startswith("a skeleton")
    old = _with(
        _sample(1, 12, "people"),
        age=0.95,
        hair_shade=0.9,
        sex=0.9,
        beard=0.9,
        glasses=0.9,
        smile=0.9,
        hair_line=1.0,
        hat=0.1,
    )
    assert portraits.describe(old) == ["a man of about 75, bald, grey beard, glasses, smiling"]
    facts = portraits.truth(_with(u, headgear="crown", horns="ram"))[0]
    assert (facts.attributes["headgear"], facts.attributes["horns"], facts.attributes["character"]) == (
        "crown",
        "ram",
        True,
    )
    assert facts.words == portraits.describe(_with(u, headgear="crown", horns="ram"))[0]


def test_landmarks_of_characters_are_finite_and_in_order() -> None:
    for fact in portraits.truth(_with(_sample(200, 13), character="character")):
        assert bool(fact.landmarks.isfinite().all())
        assert float(fact.landmarks[42:48, 0].mean()) > float(fact.landmarks[36:42, 0].mean()) + 5
        assert float(fact.landmarks[57, 1]) > float(fact.landmarks[30, 1])


def test_tones_of_the_people_among_characters_are_even_and_independent() -> None:
    u = _sample(4000, 14)
    people = decode(u)["character"][:, 0] == 0
    facts = portraits.truth(u[people][:, :64], 32)
    tones = np.array([fact.tone for fact in facts])
    counts = np.bincount(tones, minlength=11)[1:]
    # The 99.9th percentile of chi-square with 9 degrees of freedom.
    assert ((counts - len(facts) / 10) ** 2 / (len(facts) / 10)).sum() < 27.9
    for name in ("age", "male", "glasses", "smile", "hair_length"):
        values = np.array([float(fact.attributes[name]) for fact in facts])
        assert abs(np.corrcoef(tones, values)[0, 1]) < 3.3 / len(facts) ** 0.5


def test_neutral_coordinates_are_those_of_the_table() -> None:
    u = neutral(2)
    assert u.shape == (2, 64)
    assert u[0, 0] == _ROWS["character"].value("people")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="give one of people, characters"):
        portraits.sample(1, torch.Generator(), "animals")
    assert KINDS == ("people", "characters")


def test_the_command_draws_characters(tmp_path: Path) -> None:
    assert main(["--count", "2", "-o", str(tmp_path), "--kind", "characters", "--resolution", "16"]) == 0
    table = json.loads((tmp_path / "portraits.json").read_text())
    assert (table["kind"], len(table["coordinates"])) == ("characters", 128)
    assert all(row["words"] and len(row["point"]) == 128 for row in table["portraits"])
