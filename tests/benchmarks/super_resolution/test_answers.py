"""Answers are kept as they are made: a run that was ended goes on, and makes nothing twice."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.super_resolution import answers
from benchmarks.super_resolution.answers import Asked, answer, read_answers, read_rows
from benchmarks.super_resolution.degradations import DEGRADATIONS
from benchmarks.super_resolution.methods import Method, Task

COUNT = 5


class Counting:
    """A method that notes whom it was asked about, and fails at the call `fails_at`."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.seeds: list[tuple[int, ...]] = []
        self.fails_at = fails_at

    def __call__(self, questions: Tensor, task: Task) -> Tensor:
        if len(self.seeds) == self.fails_at:
            raise KeyboardInterrupt
        self.seeds.append(task.seeds)
        return interpolate(questions, size=(task.resolution,) * 2)


def _method(function: Counting, weights: str = "") -> Method:
    return Method("counting", ("counted",), function, "Counts.", at_once=2, weights=lambda task: weights)


def _asked() -> Asked:
    questions = torch.rand(COUNT, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    generator = SimpleNamespace(img_resolution=32)
    task = Task(32, DEGRADATIONS["bicubic"], tuple(range(10, 10 + COUNT)), generator, 3)
    return Asked(questions, None, task)


def test_an_ended_run_goes_on_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        answer(_method(Counting(fails_at=2)), _asked(), tmp_path, {}, lambda text: None)
    assert sorted(read_rows(tmp_path / "counted")) == [0, 1, 2, 3]
    again, told = Counting(), []
    answer(_method(again), _asked(), tmp_path, {}, told.append)
    assert again.seeds == [(14,)]
    assert told == ["counting: 5 of 5"]
    third = Counting()
    answer(_method(third), _asked(), tmp_path, {}, told.append)
    assert third.seeds == []
    expected = interpolate(_asked().questions, size=(32, 32))
    torch.testing.assert_close(read_answers(tmp_path / "counted", range(COUNT)), expected, atol=1 / 500, rtol=0)


def test_a_lost_answer_is_made_again_with_its_own_seed(tmp_path: Path) -> None:
    answer(_method(Counting()), _asked(), tmp_path, {}, lambda text: None)
    for i in (1, 3):
        (tmp_path / "counted" / f"{i:05d}.png").unlink()
    again = Counting()
    answer(_method(again), _asked(), tmp_path, {}, lambda text: None)
    # A search counts seeds on from the first one of a call, so these two cannot share a call.
    assert again.seeds == [(11,), (13,)]


def test_other_weights_make_all_answers_anew(tmp_path: Path) -> None:
    answer(_method(Counting(), "one network"), _asked(), tmp_path, {}, lambda text: None)
    again = Counting()
    answer(_method(again, "another network"), _asked(), tmp_path, {}, lambda text: None)
    assert again.seeds == [(10, 11), (12, 13), (14,)]


def test_other_code_makes_all_answers_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(_method(Counting()), _asked(), tmp_path, {}, lambda text: None)
    monkeypatch.setattr("benchmarks.super_resolution.answers._code", lambda: "another version")
    again = Counting()
    answer(_method(again), _asked(), tmp_path, {}, lambda text: None)
    assert again.seeds == [(10, 11), (12, 13), (14,)]


def test_the_code_of_all_three_packages_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = [SimpleNamespace(__path__=[str(tmp_path / name)]) for name in ("pulse", "stylegan", "cuda_ops")]
    for package in packages:
        monkeypatch.setattr(answers, Path(package.__path__[0]).name, package)
        (tmp_path / Path(package.__path__[0]).name / "inner").mkdir(parents=True)
    seen = {answers._code.__wrapped__()}
    for name in ("pulse/inner/walk.py", "stylegan/networks.py", "cuda_ops/inner/kernel.cpp"):
        (tmp_path / name).write_text("changed")
        seen.add(answers._code.__wrapped__())
    assert len(seen) == 4
    (tmp_path / "pulse" / "inner" / "notes.txt").write_text("no code")
    assert answers._code.__wrapped__() in seen


def test_each_answer_says_that_it_is_synthetic_and_what_it_cost(tmp_path: Path) -> None:
    answer(_method(Counting()), _asked(), tmp_path, {}, lambda text: None)
    with Image.open(tmp_path / "counted" / "00000.png") as picture:
        assert picture.text["synthetic"] == "true"
    row = read_rows(tmp_path / "counted")[0]
    assert row["seconds"] > 0
    assert row["peak"] >= 0
    assert len(row["groups"]) == 5
