"""Malformed and huge pictures and films, those of the command's tests, sent to the page."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.pulse.app.web.asking import event, number_of, post
from tests.pulse.depixelizer.hostile import NO_ANIMATION, READ, REFUSED, saved

pytest.importorskip("gradio", reason="there is no Gradio here; the extra app has it")

_BOARD = {"side": 16, "rgb": "80" * 768, "name": "mine", "notes": []}


@pytest.fixture(scope="module")
def upload(server: Any) -> int:
    return number_of(server, "upload")


def _sent(server: Any, upload: int, data: bytes, part: str = "all") -> dict[str, Any]:
    """The board after a file was dropped on it."""
    given = {"name": "hostile.png", "data": base64.b64encode(data).decode(), "side": 16, "part": part}
    told = event(server, upload, [_BOARD], given)
    assert told is not None
    board = told[0]
    assert isinstance(board, dict)
    return board


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_one_sentence_and_the_board_stays(server: Any, upload: int, name: str) -> None:
    data = REFUSED[name]()
    started = time.process_time()
    board = _sent(server, upload, data)
    assert time.process_time() - started < 5
    assert board["bad"], board
    assert board["rgb"] == _BOARD["rgb"]
    (words,) = board["notes"]
    assert words.startswith(("The picture ", "No picture "))
    assert words.endswith(".")
    assert words.isprintable()
    assert len(words) < 400
    assert "Traceback" not in json.dumps(board)


@pytest.mark.parametrize("name", ["png_huge", "gif_cut", "film_garbage"])
@pytest.mark.parametrize("part", ["head", "sheet"])
def test_no_part_is_taken_of_what_is_no_picture(server: Any, upload: int, name: str, part: str) -> None:
    board = _sent(server, upload, REFUSED[name](), part)
    assert board["bad"]
    assert board["rgb"] == _BOARD["rgb"]


@pytest.mark.parametrize("name", [*NO_ANIMATION, *READ])
def test_odd_pictures_are_read_or_refused_in_one_sentence(server: Any, upload: int, name: str) -> None:
    data = {**NO_ANIMATION, **READ}[name]()
    if len(data) > server.page.limits.file_bytes:
        # The page refuses it before it is sent, and so does the server.
        body = {"data": [_BOARD], "event_data": {"data": base64.b64encode(data).decode()}, "fn_index": upload}
        assert post(server, "/gradio_api/run/predict", body)[0] == 413
        return
    board = _sent(server, upload, data)
    # Of an animation the first frame is a picture.
    assert 8 <= board["side"] <= 64
    assert all(words.endswith(".") for words in board["notes"])
    if board.get("bad"):
        assert len(board["notes"]) == 1
        assert name in NO_ANIMATION


def test_the_server_goes_on(server: Any, upload: int) -> None:
    board = _sent(server, upload, saved("PNG", (16, 16)))
    assert not board.get("bad")
    assert board["rgb"] != _BOARD["rgb"]
