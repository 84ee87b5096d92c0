"""The films of an answer that the page offers."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.app.web import films
from pulse.app.web.answers import Answer, answer_of, webp
from pulse.app.web.asked import from_board, to_board
from pulse.app.web.films import ending, film, film_kinds, found_with
from pulse.app.web.jobs import Job
from pulse.pictures import to_pil
from pulse.pictures.frames import Frames, open_frames
from stylegan.common.ownership import file_text


@cache
def _drawn() -> Answer:
    target = torch.full((1, 3, 8, 8), 0.5)
    asked = from_board(to_board(target, "grey"), seed=3, kind="people", resolution=256)
    result = pulse.draw(target, kind="people", resolution=256, seed=3, callback=lambda step, state: True)
    portraits = [result.latents[0] + 0.5 * i for i in range(2)]
    return answer_of(1, asked, result, portraits)


def _opened(
    answer: Answer, kind: str, folder: Path, job: Job | None = None, every: Sequence[Answer] = ()
) -> tuple[Frames, Path]:
    path = folder / f"{kind}{ending()}"
    path.write_bytes(film(job or Job("me", lambda job: None, 60), answer, kind, every))
    return open_frames(path), path


def test_a_drawn_answer_has_four_films(tmp_path: Path) -> None:
    answer = _drawn()
    assert film_kinds(answer) == ("search", "morph", "turn", "zoom")
    frames, path = _opened(answer, "search", tmp_path)
    # The pixels, and beside them each portrait that was seen and the face.
    assert frames.pictures[0].size == (512, 256)
    assert sum(frames.seconds) == pytest.approx(2 * 0.4 + 1.4, abs=0.1)
    text = file_text(path)
    assert (text["synthetic"], text["source"]) == ("true", "grey")
    assert text["link"].startswith("?pixels=")
    frames, _ = _opened(answer, "morph", tmp_path)
    assert frames.pictures[0].size == (256, 256)
    small, large = frames.pictures[0], frames.pictures[-1]
    assert max(high - low for low, high in small.getextrema()) < 8
    assert max(high - low for low, high in large.getextrema()) > 60


def test_a_film_that_is_stopped_has_its_first_frames(tmp_path: Path) -> None:
    job = Job("me", lambda job: None, 60)
    job.stop()
    frames, _ = _opened(_drawn(), "turn", tmp_path, job)
    assert sum(frames.seconds) < 0.2
    assert job.told.words.startswith("Drawing the film: frame 1 of ")


def test_a_face_of_a_network_is_not_turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = _drawn()
    result = pulse.search("default", drawn.asked.target, finish="network", steps=1, seed=3)
    answer = answer_of(2, drawn.asked, result, [webp(to_pil(result.images[0]))])
    assert film_kinds(answer) == ("search", "morph")
    with pytest.raises(ValueError, match=r"^There is no such film of this face; .*\.$"):
        film(Job("me", lambda job: None, 60), answer, "turn")
    # Without PyAV.
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "av" else find(name, *more))
    assert ending() == ".webp"
    frames, _ = _opened(answer, "search", tmp_path)
    assert len(frames) == 2


def test_samples_become_one_another_in_their_order(tmp_path: Path) -> None:
    first = replace(_drawn(), unsure=b"a map", what="sample 2 of 3", number=12)
    first = replace(first, asked=replace(first.asked, samples=3, shown=1, changed={"age": 60.0}))
    result = replace(first.result, latents=-first.result.latents)
    other, last = (
        replace(first, number=number, result=result, asked=replace(first.asked, shown=shown, changed={}))
        for number, shown in ((11, 0), (13, 2))
    )
    stranger = replace(other, number=9, asked=replace(other.asked, seed=4))
    assert found_with(first, [last, stranger, first, other]) == [first, other, last]
    assert film_kinds(first)[-1] == "samples"
    alone, _ = _opened(first, "morph", tmp_path)
    frames, _ = _opened(first, "samples", tmp_path, every=[last, stranger, first, other])
    assert sum(frames.seconds) > sum(alone.seconds) + 2
    shown = frames.pictures[len(alone) - 1], frames.pictures[-1]
    middle, end = (np.asarray(picture, dtype=float) for picture in shown)
    assert np.abs(middle - end).mean() > 4


def test_a_zoom_finds_the_faces_of_what_is_seen_and_ends_when_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    zoom = films.film_of_zoom

    def watched(picture: Image.Image, **how: Any) -> Any:
        asked.update(how, picture=picture)
        return zoom(picture, **how)

    monkeypatch.setattr(films, "film_of_zoom", watched)
    job = Job("me", lambda job: None, 60)
    job.stop()
    frames, path = _opened(_drawn(), "zoom", tmp_path, job)
    assert frames.pictures[0].size == (512, 256)
    # One face, for as long as a last one stands still.
    assert sum(frames.seconds) == pytest.approx(1.4, abs=0.1)
    assert (asked["picture"].size, asked["size"], asked["kind"], asked["seed"]) == ((8, 8), 8, "people", 3)
    assert file_text(path)["source"] == "grey"


@pytest.mark.parametrize("kind", [None, "samples", "../turn", 7, ["turn"]])
def test_there_is_no_other_film(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"^There is no such film of this face; .*\.$"):
        film(Job("me", lambda job: None, 60), _drawn(), kind)
