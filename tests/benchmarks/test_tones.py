"""Skin tones from pixels: colours at the right places, an estimate without favourites, and corrected shares."""

import numpy as np
import pytest

from benchmarks.tones import (
    TONES,
    all_colours,
    colours,
    confusion,
    corrected_shares,
    fit_discriminant,
    portraits_of_every_tone,
    raw_shares,
    standard_errors,
    to_lab,
    true_tones,
)
from stylegan import portraits

_CHEEKS, _FOREHEAD, _AROUND = slice(0, 6), slice(6, 9), slice(15, 18)


def _landmarks() -> np.ndarray:
    """Landmarks (68, 2) of a simple face in the middle of 128 pixels: eyes 32 px apart, the mouth below."""
    points = np.full((68, 2), 64.0)
    points[36:42] = (48, 56)
    points[42:48] = (80, 56)
    points[36:42] += [(-5, 0), (-2, -2), (2, -2), (5, 0), (2, 2), (-2, 2)]
    points[42:48] += [(-5, 0), (-2, -2), (2, -2), (5, 0), (2, 2), (-2, 2)]
    points[[21, 22]] = [(58, 32), (70, 32)]
    points[48:68] = (64, 92)
    points[[48, 54]] = [(52, 92), (76, 92)]
    return points


def _confused() -> np.ndarray:
    """A confusion (10, 10) of neighbours that is not the same for all tones."""
    table = np.eye(TONES) * 6 + np.eye(TONES, k=1) * np.arange(TONES) + np.eye(TONES, k=-1) * 2
    return table / table.sum(1, keepdims=True)


def test_lab_of_known_colours() -> None:
    """Of the white, a grey, the black and the red of sRGB, as tables of CIE L*a*b* under D65 list them."""
    srgb = np.array([[1, 1, 1], [119 / 255] * 3, [0, 0, 0], [1, 0, 0]], dtype=float)
    expected = [[100, 0, 0], [50.03, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]
    np.testing.assert_allclose(to_lab(srgb), expected, atol=0.05)


def test_colours_are_taken_from_the_skin_and_from_around_the_face() -> None:
    skin, wall, strand = np.array([0.6, 0.4, 0.3]), np.array([0.2, 0.3, 0.7]), np.array([0.05, 0.04, 0.03])
    picture = np.empty((128, 128, 3))
    picture[:] = wall
    picture[20:110, 30:98] = skin
    found = colours(picture, _landmarks())
    np.testing.assert_allclose(found[:12].reshape(4, 3), np.tile(to_lab(skin), (4, 1)))
    np.testing.assert_allclose(found[_AROUND], to_lab(wall))
    picture[20:110, 62:64] = strand
    picture[20:110, 50:52] = strand
    np.testing.assert_allclose(colours(picture, _landmarks())[:9], found[:9])


def test_the_darker_cheek_comes_first_wherever_the_light_is() -> None:
    picture = np.full((128, 128, 3), 0.6)
    picture[:, :64] = 0.3
    found = colours(picture, _landmarks())
    np.testing.assert_allclose(found[_CHEEKS].reshape(2, 3), to_lab(np.array([[0.3] * 3, [0.6] * 3])))
    np.testing.assert_allclose(colours(picture[:, ::-1], _landmarks())[_CHEEKS], found[_CHEEKS])


def test_a_face_that_leaves_the_picture_has_colours() -> None:
    picture = np.full((128, 128, 3), 0.5)
    for shift in ((-90, 0), (90, 0), (0, -90), (0, 90)):
        np.testing.assert_allclose(colours(picture, _landmarks() + shift).reshape(6, 3)[:, 0], to_lab(picture)[0, 0, 0])


def test_the_estimate_favours_no_tone_however_many_it_was_fitted_to() -> None:
    rng = np.random.default_rng(0)
    tones = np.repeat(np.arange(TONES), [1000] + [100] * (TONES - 1))
    features = np.stack([tones + 0.1 * rng.standard_normal(len(tones)), rng.standard_normal(len(tones))], axis=1)
    estimate = fit_discriminant(features, tones)
    places = np.linspace(-0.4, 9.4, 99)
    near_border = np.abs(places % 1 - 0.5) < 0.06
    estimated = estimate(np.stack([places, np.zeros(99)], axis=1))
    np.testing.assert_array_equal(estimated[~near_border], places[~near_border].round())


def test_a_tone_without_pictures_is_refused() -> None:
    tones = np.delete(np.arange(TONES), 6)
    with pytest.raises(ValueError, match="have none of tone 7"):
        fit_discriminant(np.ones((TONES - 1, 2)), tones)


def test_confusion_counts_rows_of_true_tones() -> None:
    table = confusion(np.array([0, 0, 0, 0, 9]), np.array([0, 0, 0, 1, 8]))
    assert table[0, 0] == 0.75
    assert table[0, 1] == 0.25
    assert table[9, 8] == 1
    assert table.sum() == 2


def test_corrected_shares_undo_the_confusion() -> None:
    shares = np.array([0.3, 0.0, 0.05, 0.2, 0.01, 0.04, 0.1, 0.1, 0.2, 0.0])
    observed = shares @ _confused()
    assert np.abs(observed - shares).max() > 0.05
    np.testing.assert_allclose(corrected_shares(observed, _confused()), shares, atol=1e-6)


def test_corrected_shares_are_shares_also_where_nothing_explains_the_count() -> None:
    for tone in range(TONES):
        shares = corrected_shares(np.eye(TONES)[tone], _confused())
        assert shares.min() >= 0
        assert shares.sum() == pytest.approx(1)


def test_standard_errors_are_those_of_a_count_where_nothing_is_confused() -> None:
    rng = np.random.default_rng(0)
    true = np.tile(np.arange(TONES), 20)
    shares = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.0])
    observed = rng.choice(TONES, size=400, p=shares)
    counted = raw_shares(observed)
    errors = standard_errors(true, true, observed, rng, rounds=400)
    np.testing.assert_allclose(errors, np.sqrt(counted * (1 - counted) / 400), rtol=0.2, atol=1e-9)


def test_tones_of_portraits_are_told_from_their_pixels() -> None:
    def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        u = portraits_of_every_tone(count, seed)
        landmarks = np.stack([fact.landmarks.numpy() for fact in portraits.truth(u, 32)])
        return all_colours(portraits.render(u, 32), landmarks), true_tones(u)

    features, tones = drawn(100, 1)
    np.testing.assert_array_equal(np.bincount(tones), [10] * TONES)
    others, expected = drawn(40, 2)
    away = np.abs(fit_discriminant(features, tones)(others) - expected)
    # By chance they would be 3.3 tones away.
    assert away.mean() < 1.5
