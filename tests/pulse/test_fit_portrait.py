"""Fits of portraits: how they are drawn, of any size, followed and ended."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import pulse
from pulse import fit_portrait
from pulse.finish import Solution
from pulse.fit_portrait import drawn, fit, to_normal, to_unit
from pulse.fit_portrait.problem import NAMES, Problem
from pulse.fit_portrait.switches import alternatives
from stylegan import portraits
from stylegan.common.processes import with_threads
from stylegan.portraits.prototypes import point


@pytest.fixture(autouse=True)
def few_renderings() -> Iterator[None]:
    """A part of the usual effort."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_portrait, "_SCREENED", {"people": 4, "any": 8})
        patch.setattr(fit_portrait, "_STEPS", 2)
        patch.setattr(fit_portrait, "_TURNS", 1)
        patch.setattr(fit_portrait, "_FAR", 1.0)
        yield


def _person(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    u = portraits.sample(1, torch.Generator().manual_seed(11))
    return u, pulse.downsample(portraits.render(u, 4 * size), size=size).clamp(0, 1)


def _rngs(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(count)]


def test_pictures_do_not_depend_on_the_number_of_threads() -> None:
    u = portraits.sample(70, torch.Generator().manual_seed(1))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = drawn(u, 32)
        torch.set_num_threads(3)
        shared = drawn(u, 32)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(alone, shared)
    assert float((alone - portraits.render(u, 32)).abs().mean()) < 1e-5


@pytest.mark.parametrize("resolution", [32, 256])
def test_a_portrait_is_drawn_by_one_thread(resolution: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    render = portraits.render

    def watched(*given: Any) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return render(*given)

    monkeypatch.setattr(portraits, "render", watched)
    with with_threads(2):
        drawn(portraits.sample(1, torch.Generator().manual_seed(1)), resolution)
        assert torch.get_num_threads() == 2
    assert seen == [1]


def test_answers_do_not_depend_on_the_number_of_threads() -> None:
    _, target = _person(8)
    threads = torch.get_num_threads()
    found = []
    try:
        for some in (1, 2):
            torch.set_num_threads(some)
            found.append(fit(target, "people", 1e-5, 1, _rngs(1)).v)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_a_correction_makes_a_small_picture_meet_the_target_where_a_large_one_does() -> None:
    u, target = _person(24)
    problem = Problem(target, "people", 1e-5)
    v = to_normal(u)
    before = (problem.draw(v) - problem.flat).square().mean()
    problem.correct(v)
    assert (problem.draw(v) - problem.flat).square().mean() < 0.01 * before


def test_a_large_target_is_fitted_small_and_refined_at_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    _, target = _person(40)
    found = fit(target, "people", 1e-5, 1, _rngs(1))
    error = (pulse.downsample(drawn(to_unit(found.v), 160), size=40) - target).square().mean()
    monkeypatch.setattr(fit_portrait, "_refined", lambda problem, best: None)
    coarse = fit(target, "people", 1e-5, 1, _rngs(1))
    before = (pulse.downsample(drawn(to_unit(coarse.v), 160), size=40) - target).square().mean()
    assert error < 0.8 * before
    # The last error is that of the larger picture, with the correction.
    assert float(found.errors[0, 3]) == pytest.approx(float(error), rel=0.5)


def test_only_targets_that_remain_far_get_more_starts_and_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    _, target = _person(8)
    monkeypatch.setattr(fit_portrait, "_TURNS", 2)
    near = fit(target, "people", 1e-5, 3, _rngs(1))
    monkeypatch.setattr(fit_portrait, "_FAR", 0.0)
    far = fit(target, "people", 1e-5, 3, _rngs(1))
    assert far.evaluations > 1.5 * near.evaluations
    assert far.errors[0, 3] <= near.errors[0, 3]


def test_it_is_followed_and_ended_with_the_best_so_far() -> None:
    _, target = _person(8)
    told: list[tuple[int, int, float]] = []

    def watch(step: int, steps: int, v: torch.Tensor, error: torch.Tensor) -> bool:
        picture = pulse.downsample(portraits.render(to_unit(v), 32), size=8)
        assert float((picture - target).square().mean()) == pytest.approx(float(error), rel=1e-2, abs=1e-5)
        told.append((step, steps, float(error)))
        return len(told) == 3

    found = fit(target, "people", 1e-5, 1, _rngs(1), watch)
    assert [step for step, _, _ in told] == [0, 1, 2]
    assert all(steps > 3 for _, steps, _ in told)
    assert float(found.errors[0, 1]) == told[-1][2] < told[0][2]
    assert found.errors[0, 3].isnan()
    assert not found.interrupted


def test_ctrl_c_ends_it_with_the_best_so_far() -> None:
    _, target = _person(8)

    def watch(step: int, steps: int, v: torch.Tensor, error: torch.Tensor) -> None:
        if step == 1:
            raise KeyboardInterrupt

    found = fit(target, "people", 1e-5, 1, _rngs(1), watch)
    assert found.interrupted
    assert found.errors[0, 1] <= found.errors[0, 0]


def test_a_soft_problem_counts_even_differences_less_and_tells_errors_as_they_are() -> None:
    _, target = _person(16)
    plain, soft = Problem(target, "any", 1e-5), Problem(target, "any", 1e-5, soft=True)
    checks = ((torch.arange(16)[:, None] + torch.arange(16)) % 2).float() - 0.5
    for off, least, most in ((torch.ones(16, 16), 0.1, 0.25), (2 * checks, 0.95, 1.0)):
        values = (target + 0.1 * off).flatten(1)
        left = float((soft.filtered(values) - soft.flat).square().mean())
        assert least < left / float((values - plain.flat).square().mean()) <= most + 1e-4
        zero = torch.zeros(1)
        found = Solution(zero, soft.filtered(values), zero, zero, zero.long(), 0, zero)
        torch.testing.assert_close(soft.errors(found), torch.tensor([0.01]), atol=1e-5, rtol=1e-3)


def test_faces_of_soft_problems_stay_those_of_people() -> None:
    staring = to_normal(point({"eye_large": 0.95, "headgear": "cap", "hat_shape": 0.05, "camera_zoom": 0.6})[None])
    human = to_normal(point({"eye_large": 0.5, "headgear": "cap", "hat_shape": 0.8, "camera_zoom": 0.6})[None])
    noise = 0.1 * torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    target = (pulse.downsample(portraits.render(to_unit(staring), 32), size=8) + noise).clamp(0, 1)
    plain, soft = Problem(target, "any", 1e-5), Problem(target, "any", 1e-5, soft=True)
    row = torch.zeros(1, dtype=torch.long)
    assert not plain.strangeness(staring, row).any()
    assert not Problem(target, "people", 1e-5, soft=True).strangeness(staring[:, :64], row).any()
    assert float(soft.strangeness(staring, row)) > 4 * float(soft.strangeness(human, row))
    assert float(soft.penalty(staring, row)) > float(plain.penalty(staring, row))
    found = soft.polish(staring, row, 1)
    assert float(found.x[0, NAMES.index("eye_large")]) < float(staring[0, NAMES.index("eye_large")]) - 0.2
    torch.testing.assert_close(found.cost, found.error + soft.penalty(found.x, row))


def test_soft_problems_ask_for_the_skin_that_each_target_shows_and_a_head_within_the_frame() -> None:
    target = torch.tensor([[0.9, 0.2, 0.2], [0.2, 0.8, 0.3]])[:, :, None, None].repeat(1, 1, 16, 16)
    # Eyes and a mouth are not the colour of most of a face.
    target[:, :, 8, 5:7] = target[:, :, 8, 9:11] = target[:, :, 11, 6:10] = 0
    soft = Problem(target, "any", 1e-5, soft=True)
    red = to_normal(point({"skin_red": 0.9, "skin_green": 0.2, "skin_blue": 0.2})[None])
    green = to_normal(point({"skin_red": 0.2, "skin_green": 0.8, "skin_blue": 0.3})[None])
    first, second = torch.tensor([0]), torch.tensor([1])
    assert float(soft.strangeness(red, first)) < 0.8 * float(soft.strangeness(green, first))
    assert float(soft.strangeness(green, second)) < 0.8 * float(soft.strangeness(red, second))
    torch.testing.assert_close(soft.of(second).strangeness(red, first), soft.strangeness(red, second))
    near, far = (to_normal(point({"camera_zoom": zoom})[None]) for zoom in (0.1, 0.6))
    assert float(soft.strangeness(near, first)) > float(soft.strangeness(far, first)) + 1e-3


def test_what_covers_hair_is_tried_without_in_the_target_s_colour() -> None:
    target = torch.zeros(3, 16, 16)
    target[0, 1:4, 4:12] = 0.8
    points, _ = alternatives(to_normal(point({"headgear": "pointed hat", "character": 0.7})[None])[0], target)
    u = to_unit(points)
    bare = u[:, NAMES.index("headgear")] < 0.3
    red = (u[:, NAMES.index("hair_red")] - 0.8).abs() < 0.01
    assert int((bare & red & (u[:, NAMES.index("bald")] < 0.7)).sum()) >= 3


def test_only_targets_that_no_portrait_shows_are_fitted_softly(monkeypatch: pytest.MonkeyPatch) -> None:
    _, near = _person(8)
    strange = torch.zeros_like(near)
    strange[:, :, ::2, ::3] = 1
    seen: list[tuple[bool, list[int]]] = []
    monkeypatch.setattr(fit_portrait, "_found", lambda part, best, rows, *_: seen.append((part.soft, rows.tolist())))
    fit(torch.cat([strange, near]), "any", 1e-5, 1, _rngs(2))
    fit(strange, "people", 1e-5, 1, _rngs(1))
    assert seen == [(False, [1]), (True, [0]), (False, [0])]


def test_all_starts_of_strange_targets_are_polished_together(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = torch.zeros(2, 3, 8, 8)
    strange[0, :, ::2, ::3] = 1
    strange[1, :, ::3, ::2] = 1
    problem = Problem(strange, "any", 1e-5, soft=True)
    v, value, _, far = fit_portrait.screened_points(Problem(strange, "any", 1e-5), 2, _rngs(2))
    assert far.all()
    best = fit_portrait._Watched(v[:, 0], 10, None)
    cost = torch.tensor([0.4, 0.3, 0.1, 0.2])
    calls: list[Solution] = []

    def polished(
        self: Problem, points: torch.Tensor, rows: torch.Tensor, steps: int, follow: Any, *more: Any, **other: Any
    ) -> Solution:
        assert rows.tolist() == [0, 0, 1, 1]
        known = other["value"]
        calls.append(Solution(0.9 * points, known, cost, cost, torch.ones(4).long(), 0, torch.zeros(4, 1, 1)))
        follow(0, calls[0])
        return calls[0]

    monkeypatch.setattr(Problem, "polish", polished)
    monkeypatch.setattr(fit_portrait, "weight_of", lambda problem, v: torch.ones(len(v)))
    value = problem.filtered(value.flatten(0, 1)).view_as(value)
    found = fit_portrait._polished(problem, best, torch.arange(2), v, value)
    assert len(calls) == 1
    assert best.start.tolist() == [1, 0]
    torch.testing.assert_close(found.x, 0.9 * v[[0, 1], [1, 0]])
    # What a watcher sees is the nearer one.
    torch.testing.assert_close(best.v, found.x)
    torch.testing.assert_close(best.last, problem.errors(calls[0])[[1, 2]])
    # Something odd has to come clearly nearer.
    monkeypatch.setattr(fit_portrait, "weight_of", lambda problem, v: torch.tensor([1.0, 1.5, 1.0, 1.0]))
    calls.clear()
    fit_portrait._polished(problem, best, torch.arange(2), v, value)
    assert best.start.tolist() == [0, 0]


def test_what_is_drawn_for_screened_points_is_what_a_polish_begins_with(monkeypatch: pytest.MonkeyPatch) -> None:
    _, target = _person(8)
    threads: list[int] = []
    dressed = fit_portrait.dressed

    def watched(*given: Any) -> Any:
        threads.append(torch.get_num_threads())
        return dressed(*given)

    monkeypatch.setattr(fit_portrait, "dressed", watched)
    for soft in (False, True):
        problem = Problem(target, "any", 1e-5, soft)
        plain = Problem(target, "any", 1e-5)
        with with_threads(2):
            v, value, error, _ = fit_portrait.screened_points(plain, 2, _rngs(1))
            assert (threads.pop(), torch.get_num_threads()) == (1, 2)
        assert v.shape[:2] == value.shape[:2] == (1, 2)
        known = problem.filtered(value[0])
        torch.testing.assert_close(known, problem.draw(v[0]), atol=1e-4, rtol=0)
        assert float((value[0, 0] - plain.flat[0]).square().mean()) == pytest.approx(float(error), rel=1e-5)
        before = problem.evaluations
        problem.polish(v[0], torch.zeros(2, dtype=torch.long), 0, value=known)
        assert problem.evaluations == before
