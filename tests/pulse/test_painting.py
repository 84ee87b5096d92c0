"""Paint on drawn answers: as much as a target asks for, kept with the answer, and none where none is needed."""

from pathlib import Path

import pytest
import torch

import pulse
from pulse import drawn, fit_portrait
from pulse.fit_portrait import painted, painting, to_normal, to_unit
from pulse.pictures import story
from stylegan import portraits
from stylegan.portraits.landmarks import feature_pixels
from stylegan.portraits.prototypes import point
from stylegan.portraits.tint import TINTED, Tint


@pytest.fixture(scope="module")
def v() -> torch.Tensor:
    return to_normal(point({"headgear": "cap", "eye_large": 0.9})[None])


@pytest.fixture(scope="module")
def target(v: torch.Tensor) -> torch.Tensor:
    """The portrait before a striped wall, with something red on its left cheek."""
    picture = portraits.render(to_unit(v), 64)
    picture[:, :, ::16, :] *= 0.5
    picture[:, 1:, 36:46, 18:28] *= 0.6
    return pulse.downsample(picture, size=16).clamp(0, 1)


def _left(v: torch.Tensor, target: torch.Tensor, *how: float) -> tuple[float, float]:
    """The error that paint leaves, and its size."""
    tint = painted(v, target, *how)
    picture = portraits.render(to_unit(v), 64, tint)
    return float((pulse.downsample(picture, size=16) - target).square().mean()), float(tint.colour.square().mean())


def test_paint_goes_as_far_as_it_is_asked_to(v: torch.Tensor, target: torch.Tensor) -> None:
    bare, none = _left(v, target, 1.0, 1.0, 0.0)
    assert none == 0
    half, some = _left(v, target, 0.5, 1.0, 0.0)
    fifth, more = _left(v, target, 0.2, 1.0, 0.0)
    assert half == pytest.approx(0.5 * bare, rel=0.1)
    assert fifth == pytest.approx(0.2 * bare, rel=0.1)
    assert 0 < some < more
    assert _left(v, target, 1.0, 0.5 * bare, 0.0)[0] == pytest.approx(half, rel=0.1)
    # Never less than `eps`, with a margin, since answers are larger than what is painted.
    assert _left(v, target, 0.2, 1.0, 0.5 * bare)[0] == pytest.approx(0.45 * bare, rel=0.05)


def test_what_is_within_eps_is_not_painted(v: torch.Tensor, target: torch.Tensor) -> None:
    near = pulse.downsample(portraits.render(to_unit(v), 64), size=16).clamp(0, 1)
    tint = painted(v.repeat(2, 1), torch.cat([near, target]), 0.2, 1e-2, 1e-4)
    assert tint.on.tolist() == [False, True]


@pytest.mark.parametrize("size", [8, 16, 40])
def test_targets_of_any_size_come_nearer(v: torch.Tensor, size: int) -> None:
    picture = portraits.render(to_unit(v), 160)
    picture[:, :, :80] *= 0.7
    target = pulse.downsample(picture, size=size).clamp(0, 1)
    tint = painted(v, target, 0.2, 1e-2, 1e-5)
    before, after = (
        float((pulse.downsample(portraits.render(to_unit(v), 160, one), size=size) - target).square().mean())
        for one in (None, tint)
    )
    assert after < 0.4 * before


def test_the_next_picture_keeps_its_paint_where_nothing_changes(v: torch.Tensor, target: torch.Tensor) -> None:
    how = (0.3, 1.0, 0.0)
    tint = painted(v, target, *how)
    last = painting.Last(target, v, tint)
    assert torch.equal(painted(v, target, *how, last).colour, tint.colour)
    other = target.clone()
    other[:, :2, 12:, 12:] = 0

    def small(one: Tint) -> torch.Tensor:
        return pulse.downsample(portraits.render(to_unit(v), 64, one), size=16)

    held, anew = small(painted(v, other, *how, last)), small(painted(v, other, *how))
    before = small(tint)
    assert float((held - before)[..., :9, :9].abs().mean()) < 0.2 * float((anew - before)[..., :9, :9].abs().mean())
    assert float((held - other)[..., 12:, 12:].square().mean()) < 0.5 * float(
        (before - other)[..., 12:, 12:].square().mean()
    )


def test_skin_is_spared_around_its_features(v: torch.Tensor) -> None:
    prior = painting._covariance(to_unit(v)).diagonal(dim1=1, dim2=2).sqrt().view(-1, 16, 16)
    skin = prior[TINTED.index("skin")]
    # Brows, the tip of the nose, eyes and mouth.
    for x, y in feature_pixels(to_unit(v), 16)[0, [2, 13, 22, 28, 34]].round().long().tolist():
        assert float(skin[y, x]) < 0.35 * float(skin[3, 8])
    assert float(prior[TINTED.index("ground")].std()) == 0


def test_paint_on_skin_is_as_weak_as_comes_near(v: torch.Tensor) -> None:
    picture = portraits.render(to_unit(v), 64)
    picture[:, 1:, 34:48, 16:30] *= 0.2
    target = pulse.downsample(picture, size=16).clamp(0, 1)
    how = (0.1, 1.0, 0.0)

    def with_share(share: float) -> tuple[float, torch.Tensor]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(painting, "_SHARES", {share: 0.0})
            tint = painted(v, target, *how)
        small = pulse.downsample(portraits.render(to_unit(v), 64, tint), size=16)
        return float((small - target).square().mean()), tint.colour

    (far, _), (near, colour) = with_share(min(painting._SHARES)), with_share(max(painting._SHARES))
    wanted = how[0] * _left(v, target, 1.0, 1.0, 0.0)[0]
    assert near < 1.1 * wanted < far
    chosen = painted(v, target, *how).colour[:, TINTED.index("skin")]
    assert 0 < float(chosen.square().mean()) < float(colour[:, TINTED.index("skin")].square().mean())


@pytest.fixture(scope="module")
def answers() -> tuple[pulse.Result, pulse.Result]:
    """Of kind any and of people, to what neither can draw."""
    target = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    target = torch.nn.functional.interpolate(target, size=(8, 8), mode="bilinear")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_portrait, "_SCREENED", {"people": 8, "any": 8})
        patch.setattr(fit_portrait, "_STEPS", 1)
        patch.setattr(fit_portrait, "_TURNS", 1)
        return tuple(pulse.draw(target, kind=kind, resolution=64, starts=1, seed=0) for kind in ("any", "people"))


def test_answers_tell_of_their_paint_and_people_have_none(answers: tuple[pulse.Result, pulse.Result]) -> None:
    painting, person = answers
    assert painting.settings["paint"]
    assert painting.describe().endswith(", painted")
    assert "paint" in painting.verdict()
    assert story(painting, 0, "default")["shows"].endswith(", painted")
    assert not person.settings["paint"]
    assert person.paint is None
    assert "paint" not in person.describe() + person.verdict()
    assert float(painting.l2) < 0.5 * float(painting.history["l2"][0, 3])


def test_paint_is_saved_and_drawn_again(answers: tuple[pulse.Result, pulse.Result], tmp_path: Path) -> None:
    painting, _ = answers
    painting.save(tmp_path / "answer.safetensors")
    again = pulse.Result.load(tmp_path / "answer.safetensors")
    assert again.describe() == painting.describe()
    torch.testing.assert_close(again.redraw().images, painting.images, atol=1e-5, rtol=0)
    torch.testing.assert_close(again[0].redraw(resolution=32).l2, painting.l2, atol=2e-3, rtol=0)


def test_a_colour_that_is_asked_for_replaces_paint(answers: tuple[pulse.Result, pulse.Result]) -> None:
    painting, _ = answers
    green = painting.redraw(skin="#20c040")
    assert green.paint is not None
    assert not green.paint[0, TINTED.index("skin")].any()
    assert torch.equal(green.paint[0, TINTED.index("ground")], painting.paint[0, TINTED.index("ground")])  # type: ignore[index]
    assert torch.equal(painting.redraw(yaw=10).paint, painting.paint)  # type: ignore[arg-type]
    assert (
        "painted"
        not in green.redraw(hair="black", cloth="red", ground="blue", headgear="crown", bone="white").describe()
    )


def test_the_most_probable_face_has_no_paint() -> None:
    target = torch.zeros(1, 3, 8, 8)
    share, most = drawn.paint_of(0.0)
    assert (share, most) == (1.0, pytest.approx(0.05, rel=0.01))
    v = to_normal(point()[None])
    assert not painted(v, target, share, 1.0, 0.0).on.any()
