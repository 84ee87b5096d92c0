"""`pulse app` where something is missing."""

from __future__ import annotations

import importlib.util
import re
import socket
from typing import Any

import pytest

from pulse.app import cli


def test_without_gradio_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "gradio" else find(name, *more)
    )
    assert cli.main(["app", "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert 'pip install "pulse-latent[app]"' in said


def test_limits_that_make_no_sense_are_one_sentence(capsys: Any) -> None:
    assert cli.main(["app", "--jobs", "0"]) == 2
    assert capsys.readouterr().err == "The number of jobs is 0; give one or more.\n"


def test_an_address_that_cannot_be_used_is_one_sentence(capsys: Any) -> None:
    pytest.importorskip("gradio", reason="there is no Gradio here; the extra app has it")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert cli.main(["app", "--port", str(taken.getsockname()[1])]) == 2
    said = r"The address 127\.0\.0\.1, port \d+: .*; give another --host or --port\.\n"
    assert re.fullmatch(said, capsys.readouterr().err)
    assert cli.main(["app", "--port", "70000"]) == 2
    assert capsys.readouterr().err == "The port is 70000; give a number from 0 to 65535.\n"
