"""How light a search leaves skin."""

import numpy as np
import torch

import stylegan
from benchmarks.skin import TONES, answers, drawn_by, lightness, over_places, people, table
from benchmarks.skin_places import bare
from benchmarks.super_resolution.groups import groups_of
from stylegan import portraits
from stylegan.portraits.held_out import held_out
from stylegan.portraits.skin_places import PLACES


def test_people_are_as_many_of_each_group_and_not_those_of_other_benchmarks() -> None:
    u, groups = people(3, first=50)
    assert groups.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert groups_of(u)[:, 0].tolist() == groups.tolist()
    assert torch.cdist(u, held_out(50)).min() > 0.1
    assert torch.cdist(u, held_out(80)[50:]).min(1).values.max() < 0.01


def test_lightness_is_that_of_the_skin() -> None:
    u, _ = people(1, first=50)
    landmarks = np.stack([fact.landmarks.numpy() for fact in portraits.truth(u, 64)])
    images = portraits.render(u, 64)
    shown = np.ones((len(u), len(PLACES)), bool)
    shades = lightness(images, landmarks, shown)
    assert shades.shape == (len(TONES), len(PLACES))
    assert (np.diff(shades.mean(1)) < 0).all()
    assert np.allclose(lightness(torch.full_like(images, 0.5), landmarks, shown), 53.39, atol=0.01)
    shown[1, 2] = False
    assert np.isnan(lightness(images, landmarks, shown)).tolist() == (~shown).tolist()


def test_what_covers_skin_is_known() -> None:
    u = held_out(60)
    facts = portraits.truth(u, 64)
    landmarks = np.stack([fact.landmarks.numpy() for fact in facts])
    shown = bare(u, landmarks, 64)
    # Places of skin have the colour of skin, others that of hair or whatever is there.
    shades = lightness(portraits.render(u, 64), landmarks, np.ones_like(shown))
    away = np.abs(shades[:, 2] - shades[:, :2].mean(1))
    assert away[~shown[:, 2]].mean() > 4 * away[shown[:, 2]].mean()
    assert 0.02 < 1 - shown[:, 2].mean() < 0.4
    assert shown[:, 3].mean() > 0.8


def test_people_count_by_what_is_known_of_them() -> None:
    shifts = np.array([[1.0, 3.0, np.nan, np.nan], [1.0, 2.0, 3.0, 6.0], [np.nan] * 4])
    np.testing.assert_array_equal(over_places(shifts), [2.0, 3.0, np.nan])


def test_the_table_tells_groups_and_places_apart() -> None:
    groups = np.repeat(np.arange(3), 4)
    shifts = np.zeros((12, 4))
    shifts[groups == 2, 3] = 2.0
    lines = table(shifts, groups).splitlines()
    assert lines[4] == "| Monk 8-10 | 0.50 (0.50 to 0.50)" + " | 0.00 (0.00 to 0.00)" * 3 + " | 2.00 (2.00 to 2.00) |"
    assert lines[2].count("0.00 (0.00 to 0.00)") == 5


def test_a_search_finds_what_the_generator_drew_of_people() -> None:
    G = stylegan.load("default")
    u, _ = people(1, first=50)
    own, rendered = drawn_by(G, u), portraits.render(u, G.img_resolution)
    away = (own[:, None] - rendered[None]).square().mean((2, 3, 4))
    assert (away.argmin(1) == torch.arange(3)).all()
    found = answers(G, own, "fast")
    assert found.shape == own.shape
    assert (found - own).square().mean() < 0.5 * (rendered - own).square().mean()


def test_drawn_answers_are_asked_for_people_of_the_same_size() -> None:
    u, _ = people(1, first=50)
    rendered = portraits.render(u[2:], 32)
    found = answers(stylegan.load("default"), rendered, "drawn")
    assert found.shape == rendered.shape
    assert (found - rendered).square().mean() < 0.01
