"""Plain faces are preferred among answers of nearly equal error, where no portrait shows what the target does."""

import pytest
import torch

import pulse
from pulse.app import sprites
from pulse.fit_portrait import switches, to_normal, to_unit
from pulse.fit_portrait.oddity import oddity, weight_of
from pulse.fit_portrait.problem import NAMES, Problem
from pulse.fit_portrait.switches import simplified
from stylegan import portraits
from stylegan.portraits.prototypes import dressed, point

_RED = {"iris_red": 0.9, "iris_green": 0.1, "iris_blue": 0.2}
_RED_HAT = {"hat_red": 0.9, "hat_green": 0.1, "hat_blue": 0.1}
_DARK = {"iris_red": 0.1, "iris_green": 0.1, "iris_blue": 0.1}


def _normal(**change: float | str) -> torch.Tensor:
    return to_normal(point(change)[None])


def test_what_hides_a_face_is_odd_and_people_are_not() -> None:
    plain = float(oddity(_normal(light_style="studio")))
    assert plain == 1
    assert 1 < float(oddity(_normal(light_style="flat"))) < 1.05
    for hides in ({"headgear": "hood"}, {"headgear": "visored helmet"}, {"eyewear": "visor"}, {"eyewear": "scarf"}):
        assert float(oddity(_normal(light_style="studio", **hides))) > 1.1
    for marks in ("stripes", "band"):
        assert float(oddity(_normal(light_style="studio", marks=marks))) > 1.05
    assert float(oddity(_normal(headgear="cap", eye_style="hollow", light_style="studio", **_RED_HAT))) == 1
    red, dark = (float(oddity(_normal(eye_style="hearts", light_style="studio", **colour))) for colour in (_RED, _DARK))
    assert dark > 1.3 * red
    assert red == 1
    people = portraits.sample(20, torch.Generator().manual_seed(0), "people")
    assert oddity(to_normal(portraits.as_characters(people))).eq(1).all()


def test_headgear_in_the_colour_of_skin_is_odd_unless_it_is_a_crown() -> None:
    skin = {"skin_red": 0.8, "skin_green": 0.2, "skin_blue": 0.2}
    for gear, is_odd in (("open helmet", True), ("cap", True), ("crown", False), ("none", False)):
        assert (float(oddity(_normal(headgear=gear, light_style="studio", **skin, **_RED_HAT))) > 1.1) == is_odd
    assert float(oddity(_normal(headgear="cap", light_style="studio", skin_red=0.1, **_RED_HAT))) == 1


def test_only_soft_problems_of_any_kind_ask_for_plain_faces() -> None:
    target, v = torch.full((1, 3, 16, 16), 0.5), _normal(headgear="hood")
    assert float(weight_of(Problem(target, "any", 1e-5), v)) == 1
    assert float(weight_of(Problem(target, "people", 1e-5, soft=True), v[:, :64])) == 1
    assert float(weight_of(Problem(target, "any", 1e-5, soft=True), v)) == float(oddity(v)) > 1


def test_dark_eyes_do_not_begin_as_hearts_and_red_ones_may() -> None:
    target = torch.cat([sprites.load(name) for name in ("skeleton", "angry", "hearts")])
    u, _ = dressed(target, 6)
    hearts = u[:, :, NAMES.index("eye_style")] > 0.96
    assert hearts.any(1).tolist() == [False, False, True]


def test_an_odd_thing_stays_where_it_is_worth_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    v = _normal(headgear="hood", hat_red=0.9, hat_green=0.1, hat_blue=0.1)
    noise = 0.1 * torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    target = (pulse.downsample(portraits.render(to_unit(v), 32), size=8) + noise).clamp(0, 1)
    problem = Problem(target, "any", 1e-5, soft=True)
    found = problem.polish(v, torch.zeros(1, dtype=torch.long), 1)
    gear = NAMES.index("headgear")
    assert float(simplified(problem, found).x[0, gear]) > 1
    monkeypatch.setattr(switches, "weight_of", lambda problem, v: 1 + 99 * (v[:, gear] > 1))
    assert float(simplified(problem, found).x[0, gear]) < 0
