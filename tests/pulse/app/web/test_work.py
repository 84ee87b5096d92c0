"""Finding faces for a request: samples, tricks, and what links to single ones say."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import torch
from PIL import Image

import pulse
import stylegan
from pulse import pictures
from pulse.app import sprites
from pulse.app.web import work
from pulse.app.web.answers import Answer, Shelf, sheet
from pulse.app.web.asked import Asked, from_board, from_query, to_board
from pulse.app.web.jobs import Job
from pulse.app.web.limits import Limits
from pulse.operators import downsample

LIMITS = Limits()


@pytest.fixture
def quick(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of 16 px answers as "default"."""
    G = stylegan.load(tiny)
    monkeypatch.setattr(work, "_network", lambda name: (G, threading.Lock()))


def _asked(**more: Any) -> Asked:
    small = downsample(sprites.load("cat"), size=8).clamp(0, 1)
    return from_board(to_board(small, "cat"), **{"seed": 3, "maker": "default", **more})


def _find(asked: Asked, job: Job | None = None) -> tuple[tuple[Answer, ...], list[Answer], list[str]]:
    """The answers, those on the shelf, and what was told on the way."""
    shelf, told = Shelf(LIMITS), []
    job = Job("me", lambda job: None, 60) if job is None else job
    job.tell = lambda progress: told.append(progress.words)  # type: ignore[method-assign]
    return work.find_faces(job, asked, shelf), shelf.of("me"), told


def _pixels(answer: Answer) -> torch.Tensor:
    return pictures.read_picture(Image.open(io.BytesIO(answer.png)))


def _again(answer: Answer) -> Answer:
    """The face that a link to an answer shows."""
    asked = from_query(dict(parse_qsl(answer.asked.query())), LIMITS)
    assert asked is not None
    return _find(asked)[0][0]


@pytest.mark.usefixtures("quick")
def test_samples_are_those_of_the_library_with_a_map_of_where_they_disagree() -> None:
    asked = _asked(samples=3)
    found, shelf, told = _find(asked)
    assert [answer.what for answer in shelf] == [f"sample {i} of 3" for i in (1, 2, 3)]
    assert found[0] is shelf[0]
    assert any(words.startswith("The other faces: step") for words in told)
    same = pulse.samples(
        asked.target, 3, generator=work._network("default")[0], finish="network", method="fast", seed=3
    )
    for i, answer in enumerate(shelf):
        assert float((_pixels(answer) - same.images[i]).abs().max()) < 1 / 255
    maps = {answer.unsure for answer in shelf}
    assert len(maps) == 1
    with Image.open(io.BytesIO(maps.pop() or b"")) as unsure:
        assert unsure.text["synthetic"] == "true"  # type: ignore[attr-defined]
    assert "Sample 2 of 3." in shelf[1].words
    assert _again(shelf[2]).png == shelf[2].png
    assert Image.open(io.BytesIO(sheet(shelf))).width > 600


@pytest.mark.usefixtures("quick")
def test_iterate_shows_its_last_stage_and_each_begins_with_the_one_before() -> None:
    found, shelf, told = _find(_asked(trick="iterate", stages=3))
    assert [answer.what for answer in shelf] == ["stage 1", "stage 2", "stage 3"]
    assert found[0] is shelf[2]
    assert told[-1].startswith("Stage 3 of 3: step")
    before = downsample(_pixels(shelf[0]), size=8).clamp(0, 1)
    assert float((shelf[1].result.target - before).abs().max()) < 0.01
    assert "the pixels that it was asked for" in shelf[1].words
    assert "your pixels" in shelf[0].words
    assert all(answer.unsure is None for answer in shelf)
    assert _again(shelf[1]).png == shelf[1].png


@pytest.mark.usefixtures("quick")
def test_explore_answers_the_picture_as_it_is_and_changed() -> None:
    found, shelf, told = _find(_asked(trick="explore"))
    names = [answer.what for answer in shelf]
    assert names[0] == "as it is"
    assert {"1 px up", "90 %"} <= set(names)
    assert found[0] is shelf[0]
    assert torch.equal(shelf[0].result.target, _asked().target)
    moved = shelf[names.index("1 px up")].result.target
    assert torch.equal(moved[..., :-1, :], shelf[0].result.target[..., 1:, :])
    assert any(words.startswith("The variants: step") for words in told)
    assert _again(shelf[4]).png == shelf[4].png


@pytest.mark.usefixtures("quick")
def test_soften_answers_the_picture_with_soft_edges() -> None:
    asked = _asked(soften=True)
    found, _, _ = _find(asked)
    soft = pictures.read_target(pulse.soften(pictures.to_pil(asked.target[0]), grid="off"), 1024, 8, grid="off")
    assert torch.equal(found[0].result.target, soft)
    assert not torch.equal(soft, asked.target)
    assert _again(found[0]).png == found[0].png


@pytest.mark.usefixtures("quick")
def test_a_stop_keeps_what_is_there() -> None:
    for asked in (_asked(samples=4), _asked(trick="iterate", stages=6)):
        job = Job("me", lambda job: None, 60)
        job.stop()
        found, shelf, _ = _find(asked, job)
        assert len(found) == len(shelf) == 1
        job.left = True
        assert _find(asked, job)[1] == []


def test_a_drawn_answer_is_that_of_the_library() -> None:
    asked = replace(_asked(maker="drawn", kind="people", resolution=256), changed={})
    job = Job("me", lambda job: None, 60)
    job.stop()
    found, _, _ = _find(asked, job)
    same = pulse.draw(asked.target, kind="people", resolution=256, seed=3, callback=lambda step, state: True)
    # Shared between processes, rays are rounded otherwise on some processors, and one that only just meets an edge may
    # miss it.
    apart = (_pixels(found[0]) - same.images).abs()
    assert float((apart > 1 / 255).float().mean()) < 3e-4
    assert float(apart.mean()) < 0.5 / 255
