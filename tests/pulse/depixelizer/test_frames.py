"""Animations become films whose face does not flicker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.depixelizer.film import frame_change
from pulse.depixelizer.motion import moved, shifts
from pulse.fit_portrait import NAMES, PEOPLE, Fit, drawn, fit, painted, to_normal, to_unit
from pulse.fit_portrait.follow import Follower, follow
from pulse.fit_portrait.painting import Last
from pulse.operators import downsample
from pulse.pictures import PictureError
from pulse.pictures.frames import open_frames
from tests.pulse.depixelizer.figures import cut_out, sprite


def _animation(path: Path, frames: list[Image.Image], durations: list[int], factor: int = 1) -> Path:
    large = [one.resize((one.width * factor, one.height * factor), Image.Resampling.NEAREST) for one in frames]
    large[0].save(path, save_all=True, append_images=large[1:], duration=durations, loop=0, lossless=True)
    return path


def _lower(image: Image.Image) -> Image.Image:
    """A sprite one pixel lower; its first row is repeated."""
    pixels = np.array(image)
    return Image.fromarray(np.concatenate([pixels[:1], pixels[:-1]]))


def _tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255


def test_a_move_of_the_whole_is_seen_and_a_change_of_a_part_is_none() -> None:
    still = _tensor(sprite(0))
    other = still.clone()
    other[:, 9, 5:11] = 0
    lower = moved(still, (0, 1))
    assert shifts([still, other, still, lower, moved(other, (-2, 1)), still]) == [
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 1),
        (-2, 1),
        (0, 0),
    ]


@pytest.mark.parametrize("move", [False, True])
def test_a_face_moves_as_its_sprite_if_asked_and_what_is_alike_is_answered_once(
    stand_in: Any, tmp_path: Path, move: bool
) -> None:
    a, b = sprite(0), sprite(0)
    b.paste((255, 255, 255), (6, 10, 10, 12))
    path = _animation(tmp_path / "bob.png", [a, b, _lower(a), a], [100, 200, 300, 400], factor=5)
    told: list[str] = []
    done = []
    film = pulse.depixelize_frames(
        path,
        generator=stand_in(),
        size=8,
        steps=10,
        seed=0,
        move=move,
        notes=told,
        on_frame=lambda number, of: done.append((number, of)),
    )
    assert told == ["An enlarged sprite, read at 16x16 (cells of 5 px)."]
    assert (list(film.order), done) == ([0, 1, 0, 0], [(1, 2), (2, 2)])
    assert film.seconds == (0.1, 0.2, 0.3, 0.4)
    side = film[0].shape[-1]
    assert film.shifts[2] == (0, side // 16 if move else 0)
    wanted = np.array(_lower(a) if move else a) / 255
    wanted_small = downsample(torch.from_numpy(wanted).float().permute(2, 0, 1)[None], size=8)[0].clamp(0, 1)
    assert torch.allclose(film.targets[2], wanted_small, atol=1e-4)
    assert torch.equal(film[2], moved(film[0], film.shifts[2]))
    assert torch.equal(film[0], film[3])
    # A later frame takes fewer steps.
    assert [answer.history["l2"].shape[1] for answer in film.answers] == [11, 3]
    small = downsample(film[1][None], size=8)[0]
    assert float(film.l2[1]) == pytest.approx(float((small - film.targets[1]).square().mean()))
    assert film.change == pytest.approx(float(np.mean([float((film[i + 1] - film[i]).abs().mean()) for i in range(3)])))


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "mp4"])
def test_a_saved_film_takes_as_long_as_the_animation(stand_in: Any, tmp_path: Path, ending: str) -> None:
    if ending == "mp4":
        pytest.importorskip("av")
    path = _animation(tmp_path / "in.webp", [sprite(0), sprite(1), sprite(2)], [80, 400, 120])
    film = pulse.depixelize_frames(path, generator=stand_in(), size=8, steps=1, seed=0)
    film.save(tmp_path / f"out.{ending}")
    again = open_frames(tmp_path / f"out.{ending}")
    assert sum(again.seconds) == pytest.approx(0.6, abs=0.03)
    if ending != "mp4":
        assert again.seconds == pytest.approx((0.08, 0.4, 0.12))


def test_the_network_goes_on_from_the_last_frame(stand_in: Any) -> None:
    G = stand_in()
    frames = [sprite(0), sprite(0), sprite(0)]
    for i, frame in enumerate(frames):
        frame.putpixel((7, 10), (80 * i, 0, 255))
    options = {"generator": G, "size": 8, "steps": 20, "seed": 0}
    film = pulse.depixelize_frames(frames, **options)
    assert len(film.answers) == 3
    apart = pulse.depixelize_frames(frames, **options, follow=False)
    # Each alone is searched as `depixelize` does it.
    assert torch.equal(apart[2], pulse.depixelize(frames[2], **options).images[0])
    unlike = (film.answers[1].latents - film.answers[0].latents).square().mean()
    assert float(unlike) < 0.1


def test_transparent_frames_keep_the_face_and_margins_are_those_of_all(stand_in: Any, tmp_path: Path) -> None:
    canvas = [Image.new("RGBA", (64, 64)) for _ in range(3)]
    canvas[0].paste(cut_out(0), (20, 20))
    canvas[2].paste(cut_out(0), (22, 20))
    told: list[str] = []
    path = _animation(tmp_path / "in.webp", canvas, [100, 100, 100])
    film = pulse.depixelize_frames(path, generator=stand_in(), size=8, steps=1, seed=0, notes=told, move=True)
    assert "1 of its frames are fully transparent; the face before stays in them." in told
    # The head moves by 2 of the 18 pixels that ever show something.
    assert list(film.order) == [0, 0, 0]
    assert film.shifts[1] == (0, 0)
    assert film.shifts[2][0] > 0
    with pytest.raises(PictureError, match="All frames are fully transparent"):
        pulse.depixelize_frames(_animation(path, canvas[1:2] * 2, [100, 200]), generator=stand_in())


def test_an_early_end_shows_the_last_answer(stand_in: Any) -> None:
    film = pulse.depixelize_frames(
        [sprite(0), sprite(1), sprite(2)], generator=stand_in(), size=8, steps=3, callback=lambda step, state: True
    )
    assert film.interrupted
    assert len(film) == 3
    assert list(film.order) == [0, 0, 0]


def test_answers_that_do_not_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch, stand_in: Any) -> None:
    monkeypatch.setattr("pulse.depixelizer.frames._KEPT", 100)
    with pytest.raises(PictureError, match="The animation has 2 different frames"):
        pulse.depixelize_frames([sprite(0), sprite(1)], generator=stand_in(), size=8)


def _person(**changes: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A portrait v (1, K) and its picture at 16 px, drawn at 64."""
    rng = torch.Generator().manual_seed(3)
    u = torch.rand(1, PEOPLE, generator=rng) * 0.5 + 0.25
    for name, value in changes.items():
        u[0, NAMES.index(name)] = value
    return to_normal(u), downsample(drawn(u, 64), size=16)


def test_the_next_frame_is_the_nearest_portrait_that_fits() -> None:
    v, last = _person(background_hue=0.3)
    _, target = _person(background_hue=0.45)
    off = float((downsample(drawn(to_unit(v), 64), size=16) - target).square().mean())
    found = follow(target, "people", 8e-5, last, v, 0.0)
    assert float(found.error[0]) < 0.2 * off
    # Little else has changed.
    change = (found.x - v).abs()[0]
    assert float(change.median()) < 0.05
    again = follow(target, "people", 8e-5, target, found.x, float(found.error[0]), found.jacobian)
    assert again.evaluations < 40


def test_a_follower_begins_anew_only_after_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    v, first = _person()
    anew = []

    def known(target: torch.Tensor, *rest: Any) -> Any:
        anew.append(target)
        found = fit.__globals__["Fit"]
        return found(v, torch.zeros(1, dtype=torch.int64), torch.full((1, 4), 1e-4), 0)

    monkeypatch.setattr("pulse.fit_portrait.follow.fit", known)
    follower = Follower()
    rngs = [torch.Generator()]
    follower(first, "people", 8e-5, 1, rngs)
    _, smiling = _person(smile=0.9)
    film = [first, smiling]
    found = follower(smiling, "people", 8e-5, 1, rngs)
    assert len(anew) == 1
    assert float(found.errors[0, 3]) < 5e-4
    assert frame_change(film) > 0
    follower(_tensor(sprite(3))[None], "people", 8e-5, 1, rngs)
    assert len(anew) == 2


def _striped(picture: torch.Tensor) -> torch.Tensor:
    """A picture (1, 3, 16, 16) that no portrait is."""
    picture = picture.clone()
    picture[:, :, ::4] *= 0.4
    return picture


def test_what_no_portrait_shows_does_not_move_the_next_one() -> None:
    v, small = _person()
    target = _striped(small)
    error = float((small - target).square().mean())
    same = follow(target, "people", 8e-5, target, v, error)
    # The stripes are new to a portrait whose own picture was met.
    other = follow(target, "people", 8e-5, small, v, error)
    assert float((same.x - v).abs().mean()) < 0.5 * float((other.x - v).abs().mean())
    assert float(same.error) == pytest.approx(error, rel=0.2)


def test_paint_is_held_to_that_of_the_last_frame_until_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    v, first = _person()
    first = _striped(first)
    other, cut = _person(head_width=0.9, background_hue=0.9)
    fits = iter([v, other])

    def known(target: torch.Tensor, *rest: Any) -> Any:
        return Fit(next(fits), torch.zeros(1, dtype=torch.int64), torch.full((1, 4), 0.1), 0)

    monkeypatch.setattr("pulse.fit_portrait.follow.fit", known)
    follower, rngs, how = Follower(), [torch.Generator()], (0.3, 1e-2, 1e-3)
    second = first.clone()
    second[:, :2, 12:, 12:] = 0
    paints = []
    for target in (first, second):
        found = follower(target, "people", 8e-5, 1, rngs)
        paints.append(follower.painted(found.v, target, *how))
    assert follower.anew == 1
    held = painted(found.v, second, *how, Last(first, v, paints[0]))
    assert torch.equal(paints[1].colour, held.colour)
    assert not torch.equal(paints[1].colour, painted(found.v, second, *how).colour)
    monkeypatch.setattr("pulse.fit_portrait.follow._CUT_MORE", -1.0)
    monkeypatch.setattr("pulse.fit_portrait.follow._NEW", 100.0)
    found = follower(1 - cut, "people", 8e-5, 1, rngs)
    assert follower.anew == 2
    assert torch.equal(follower.painted(found.v, 1 - cut, *how).colour, painted(found.v, 1 - cut, *how).colour)
