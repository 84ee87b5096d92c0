"""Drawn answers: portraits found for small pictures, and drawn again."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

import pulse
from pulse import fit_portrait
from pulse.batch.here import Order, search_pictures
from pulse.batch.plan import TargetOptions, plan
from pulse.drawn import _Told
from pulse.fit_portrait import switches
from pulse.fit_portrait.problem import Problem
from pulse.options import DrawnOptions
from pulse.pictures import read_text, story
from stylegan import portraits
from stylegan.common.pixels import to_pil
from stylegan.portraits import encoder
from stylegan.portraits.coordinates import decode
from stylegan.portraits.tint import Tint


@pytest.fixture(scope="module", autouse=True)
def few_renderings() -> Iterator[None]:
    """A third of the usual effort: these pictures have 8 px."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_portrait, "_SCREENED", {"people": 8, "any": 16})
        patch.setattr(fit_portrait, "_STEPS", 2)
        patch.setattr(switches, "_TRIED", 1)
        yield


@pytest.fixture(scope="module")
def target() -> torch.Tensor:
    u = portraits.sample(2, torch.Generator().manual_seed(4))
    return pulse.downsample(portraits.render(u, 32), size=8).clamp(0, 1)


@pytest.fixture(scope="module")
def answer(target: torch.Tensor) -> pulse.Result:
    return pulse.draw(target, kind="people", resolution=32, starts=1, seed=3)


def test_an_answer_is_far_nearer_than_what_the_network_reads(target: torch.Tensor, answer: pulse.Result) -> None:
    mean, _ = encoder.read(target)
    read = portraits.render(fit_portrait.to_unit(mean[:, :64]), 32)
    error = (pulse.downsample(read, size=8) - target).square().mean((1, 2, 3))
    assert (answer.l2 < 0.2 * error).all()
    assert answer.reached.all()


def test_loss_and_pixels_of_an_answer_agree(target: torch.Tensor, answer: pulse.Result) -> None:
    assert answer.images.shape == (2, 3, 32, 32)
    torch.testing.assert_close(answer.downsampled, pulse.downsample(answer.images, size=8))
    torch.testing.assert_close(answer.l2, (answer.downsampled - target).square().mean((1, 2, 3)))
    u = fit_portrait.to_unit(answer.latents[:, 0])
    torch.testing.assert_close(portraits.render(u, 32), answer.images)
    assert (answer.history["l2"][:, 1:4].diff(dim=1) <= 1e-4).all()


def test_an_answer_does_not_depend_on_its_neighbours(target: torch.Tensor, answer: pulse.Result) -> None:
    alone = pulse.draw(target[1:], kind="people", resolution=32, starts=1, seed=4)
    assert alone.seeds == answer.seeds[1:]
    assert alone.start.tolist() == answer.start[1:].tolist()
    torch.testing.assert_close(alone.history["l2"][:, :2], answer.history["l2"][1:, :2], atol=2e-5, rtol=0.05)


def test_it_says_what_it_shows_and_draws_it_again(answer: pulse.Result) -> None:
    assert answer.describe(1).startswith(("a man", "a woman", "a boy", "a girl"))
    torch.testing.assert_close(answer.redraw(1).images[0], answer.images[1])
    assert answer.redraw(0, resolution=16).images.shape == (1, 3, 16, 16)
    turned = answer.redraw(0, yaw=20)
    assert (turned.images - answer.images[:1]).abs().mean() > 0.01
    torch.testing.assert_close(turned.downsampled, pulse.downsample(turned.images, size=8))
    assert float(turned.l2[0]) > float(answer.l2[0])
    # A person who is given a crown gets nothing else.
    u = portraits.as_characters(fit_portrait.to_unit(answer.latents[0]))
    with_crown = answer.redraw(0, headgear="crown")
    assert float(decode(fit_portrait.to_unit(with_crown.latents[0]))["zoom"]) == pytest.approx(1, abs=0.01)
    crowned = with_crown.images[0]
    assert (crowned - answer.images[0])[:, 16:].abs().mean() < (crowned - answer.images[0])[:, :16].abs().mean()
    assert u.shape == (1, 128)


def test_attributes_mean_what_they_say(answer: pulse.Result) -> None:
    def truth(**attributes: Any) -> portraits.Truth:
        changed = answer.redraw(0, resolution=8, **attributes)
        return portraits.truth(fit_portrait.to_unit(changed.latents[:, 0]), 8)[0]

    for degrees in (-24.0, -5.0, 0.0, 20.0):
        assert truth(yaw=degrees).yaw == pytest.approx(degrees, abs=0.1)
        assert truth(pitch=degrees / 3).pitch == pytest.approx(degrees / 3, abs=0.1)
    assert truth(age=60).attributes["age"] == pytest.approx(60, abs=0.5)
    assert (truth(glasses=True).attributes["glasses"], truth(glasses=False).attributes["glasses"]) == (True, False)
    assert "of about 70" in answer.redraw(0, age=70).describe()
    assert "glasses" in answer.redraw(0, glasses=True, resolution=8).redraw(smile=0.9).describe()
    green = answer.redraw(0, skin="#20c040", antennae=True, resolution=32)
    assert "green" in green.describe()
    assert green.images[0, 1, 12:24, 12:20].mean() > green.images[0, 0, 12:24, 12:20].mean()


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"colour_of_socks": 0.5}, "no attribute 'colour_of_socks'"),
        ({"smile": 2.0}, "The attribute smile is 2.0; give a number from 0 to 1"),
        ({"yaw": 40}, "The attribute yaw is 40; give degrees from -25 to 25"),
        ({"age": 0.9}, "The attribute age is 0.9; give years from 4 to 80"),
        ({"smile": float("nan")}, "The attribute smile is nan"),
        ({"skin": "greenish"}, "There is no colour 'greenish'"),
        ({"trim": 0.5}, "0.5 is not a colour"),
        ({"glasses": "round"}, "The attribute glasses is 'round'; give a number from 0 to 1, or True or False"),
        ({"headgear": "fez"}, "one of none, open helmet"),
    ],
)
def test_attributes_that_do_not_exist_are_said(answer: pulse.Result, attributes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        answer.redraw(0, **attributes)  # type: ignore[arg-type]


def test_the_story_and_the_file_tell_that_it_was_drawn(answer: pulse.Result, tmp_path) -> None:
    text = story(answer, 1, "default")
    assert text["finish"] == "drawn"
    assert text["shows"] == answer.describe(1)
    assert text["again"] == "pulse.draw('the picture', starts=1, seed=4, kind='people', resolution=32)"
    assert "drawn by the renderer" in text["verdict"]
    answer.save(tmp_path / "answer.safetensors")
    again = pulse.Result.load(tmp_path / "answer.safetensors")
    assert again.describe(0) == answer.describe(0)
    torch.testing.assert_close(again[1].redraw(0).images[0], answer.images[1])
    older = again[1].redraw(age=70, glasses=True)
    assert story(older, 0, "default")["again"].endswith("resolution=32).redraw(age=70, glasses=True)")
    older.save(tmp_path / "older.safetensors")
    assert pulse.Result.load(tmp_path / "older.safetensors").describe() == older.describe()


def test_fidelity_trades_the_error_for_the_probable(target: torch.Tensor, answer: pulse.Result) -> None:
    likely = pulse.draw(target, kind="people", resolution=32, starts=1, seed=3, fidelity=0)
    assert (likely.radius < answer.radius).all()
    assert (likely.l2 > answer.l2).all()


def test_a_character_is_found_with_colours_of_its_own() -> None:
    green = torch.full((1, 3, 8, 8), 0.2)
    green[:, 1, 1:7, 2:6] = 0.7
    found = pulse.draw(green, resolution=32, starts=1, seed=0)
    assert found.latents.shape == (1, 1, 128)
    people = pulse.draw(green, kind="people", resolution=32, starts=1, seed=0)
    assert float(found.l2) < 0.6 * float(people.l2)
    assert "green" in found.describe()


def test_a_callback_sees_every_step_and_may_end_the_fit(target: torch.Tensor) -> None:
    seen: list[pulse.SearchState] = []

    def watch(step: int, state: pulse.SearchState) -> bool:
        seen.append(state)
        assert step == state.step == state.history["l2"].shape[1] - 1
        return step == until

    until = -1
    whole = pulse.draw(target, kind="people", resolution=32, starts=1, seed=3, callback=watch)
    first, last = seen[0], seen[-1]
    assert (first.step, last.step, first.steps) == (0, last.steps, last.steps)
    assert first.images.shape == (2, 3, 64, 64)
    assert torch.equal(last.images, whole.images)
    assert (last.history["l2"][:, 0] > last.history["l2"][:, -2]).all()
    assert torch.equal(last.best.latents, whole.latents)
    until = 1
    short = pulse.draw(target, kind="people", resolution=32, starts=1, seed=3, callback=watch)
    assert not short.interrupted
    assert short.history["l2"].isnan().tolist() == [[False, False, True, True, False]] * 2
    assert (short.l2 >= whole.l2).all()


def test_a_callback_sees_what_has_moved_drawn_anew(target: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[pulse.SearchState] = []
    told = _Told(target, 2e-3, lambda step, state: seen.append(state))
    render, count = portraits.render, []

    def counted(u: torch.Tensor, *how: Any) -> torch.Tensor:
        count.append(len(u))
        return render(u, *how)

    monkeypatch.setattr(portraits, "render", counted)
    v, error = torch.zeros(2, 64), torch.ones(2)
    moved = v.clone()
    moved[1, 0] = 1
    for step, points in enumerate((v, moved, moved)):
        told.follow(step, 3, points, error)
    assert count == [2, 1, 0]
    for state, points in zip(seen, (v, moved, moved), strict=True):
        torch.testing.assert_close(state.images, render(fit_portrait.to_unit(points), 64))


def test_ctrl_c_ends_a_fit_with_the_best_so_far(target: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(step: int, state: pulse.SearchState) -> None:
        if step == 1:
            raise KeyboardInterrupt

    how: dict[str, Any] = {"kind": "people", "resolution": 32, "starts": 1, "seed": 3}
    result = pulse.draw(target, **how, callback=pressed)
    assert result.interrupted
    assert story(result, 0, "default")["interrupted"] == "true"
    torch.testing.assert_close(result.downsampled, pulse.downsample(result.images, size=8))

    def pressed_late(step: int, state: pulse.SearchState) -> bool:
        if step == state.steps:
            raise KeyboardInterrupt
        return True

    late = pulse.draw(target, **how, callback=pressed_late)
    assert late.interrupted
    assert late.images.shape == (2, 3, 32, 32)
    # In the last drawing too; the second time it stops at once.
    real, times = portraits.render, [0]
    # A size that only the last drawing has.
    how["resolution"] = 40

    def render(u: torch.Tensor, resolution: int, tint: Tint | None = None, threads: int = 1) -> torch.Tensor:
        if resolution == 40:
            times[0] += 1
            if times[0] <= presses:
                raise KeyboardInterrupt
        return real(u, resolution, tint)

    monkeypatch.setattr(portraits, "render", render)
    presses = 1
    assert pulse.draw(target, **how, callback=lambda step, state: step == 0).interrupted
    presses, times = 2, [0]
    with pytest.raises(KeyboardInterrupt):
        pulse.draw(target, **how, callback=lambda step, state: step == 0)


def test_depixelize_draws_when_it_is_asked_to(target: torch.Tensor) -> None:
    picture = target[:1]
    drawn = pulse.depixelize(picture, finish="drawn", kind="people", resolution=32, seed=3)
    assert drawn.settings["finish"] == "drawn"
    with pytest.raises(ValueError, match="give one of drawn, network"):
        pulse.depixelize(picture, finish="painted")
    with pytest.raises(ValueError, match="the generator is 'ffhq'; leave it out"):
        pulse.depixelize(picture, finish="drawn", generator="ffhq")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "cats"}, "The kind is 'cats'; give one of any, people"),
        ({"fidelity": 1.5}, "The fidelity is 1.5; give a number from 0 to 1"),
        ({"resolution": 4}, "The resolution is 4"),
        ({"starts": 0}, "starts is 0"),
    ],
)
def test_options_that_make_no_sense_are_said(target: torch.Tensor, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pulse.draw(target, **options)  # type: ignore[arg-type]


def test_targets_that_cannot_be_drawn_are_said() -> None:
    with pytest.raises(ValueError, match="square of 8 to 64"):
        pulse.draw(torch.zeros(1, 3, 80, 80))
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        pulse.draw(torch.full((1, 3, 16, 16), 2.0))


def test_a_network_s_answer_has_no_words(stand_in) -> None:
    found = pulse.search(stand_in(), torch.rand(1, 3, 8, 8), steps=1, seed=0)
    with pytest.raises(ValueError, match=r"use pulse\.draw"):
        found.describe()


def test_a_batch_draws_once_and_knows_its_own_answers(target: torch.Tensor, tmp_path, stand_in) -> None:
    source = tmp_path / "small.png"
    to_pil(target[0]).save(source)
    jobs = plan([source], tmp_path / "out").jobs
    order = Order(
        "default", pulse.SearchOptions(seed=1), TargetOptions(size=8), ("drawn",), DrawnOptions("people", 32), starts=1
    )
    shares: list[float] = []
    first = search_pictures(jobs, replace(order, keep_rows=True), on_share=shares.append)
    assert len(shares) > 3
    assert sum(shares) == pytest.approx(1)
    assert (first.failures, first.written) == ([], [jobs[0].output])
    text = read_text(jobs[0].output)
    assert (text["finish"], text["interrupted"]) == ("drawn", "false")
    assert search_pictures(jobs, order).skipped == [jobs[0].output]
    # The network's answer is another one, and does not replace it unasked.
    assert "small.png" in search_pictures(jobs, replace(order, finishes=("network",)), stand_in()).failures[0]


def test_what_a_target_does_not_ask_for_is_taken_away() -> None:
    u = torch.full((1, 64), 0.5)
    u[0, portraits.COORDINATES.index("glasses")] = 0.9
    v = fit_portrait.to_normal(u)
    bare = switches._plainer(v[0])
    assert len(bare) == 1
    for face, stays in ((bare, False), (v, True)):
        target = pulse.downsample(portraits.render(fit_portrait.to_unit(face), 32), size=16).clamp(0, 1)
        problem = Problem(target, "people", 1e-4)
        simpler = switches.simplified(problem, problem.polish(v, torch.tensor([0]), steps=1))
        glasses = fit_portrait.to_unit(simpler.x)[0, portraits.COORDINATES.index("glasses")]
        assert bool(glasses > 0.78) == stays
