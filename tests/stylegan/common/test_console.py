"""Commands print what comes from outside safely, and end with a sentence and an exit code."""

import io
import os
import sys
import warnings
from typing import Annotated, Any

import pytest

from stylegan.common import console


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("knight.png", "knight.png"),
        ("ünï 漢字.png", "ünï 漢字.png"),
        ("\x1b]0;owned\x07.png", r"\x1b]0;owned\x07.png"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("gnp.\u202eexe", r"gnp.\u202eexe"),
        ("caf\udce9.png", r"caf\udce9.png"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_what_could_drive_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert console.printable(text) == shown
    assert shown.isprintable()


def test_long_text_can_be_cut() -> None:
    assert console.printable("x" * 101, 100) == "x" * 97 + "..."
    assert console.printable("\x00" * 99, 100).endswith("...")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_name_stops_the_printing(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, function in (("stdout", console.say), ("stderr", console.fail)):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(raw, encoding=encoding))
        function("ü 漢 \udce9.")
        assert raw.getvalue().decode(encoding).endswith(".\n")
        assert raw.getvalue().decode(encoding).startswith("\\xfc" if encoding == "ascii" else "ü")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("The seed is\n -1"), "The seed is -1."),
        (PermissionError(13, "Permission denied", "o/p.png"), "o/p.png: Permission denied."),
        (OSError("It is full."), "It is full."),
        (KeyError("name"), "KeyError: 'name'."),
    ],
)
def test_an_error_is_one_sentence(
    error: Exception, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command() -> int:
        warnings.warn("a slow\x1b way", RuntimeWarning, stacklevel=1)
        raise error

    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert console.guarded(command, whole_process=False) == 2
    assert capsys.readouterr().err.splitlines() == [r"a slow\x1b way", sentence]


def test_how_threads_wait_is_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in console._WAITING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    console.let_threads_sleep()
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.delenv("GOMP_SPINCOUNT")
    console.let_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.delenv("OMP_WAIT_POLICY")


def test_help_is_whole_and_names_can_begin_with_a_dash(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")

    def app() -> Any:
        import typer

        made = console.new_app("Does something.")

        @made.command()
        def search(
            image: str, a_long_option_that_is_longer_than_a_column: Annotated[int, typer.Option(help="Long.")] = 1
        ) -> int:
            """Searches."""
            return 7

        return made

    assert console.run("it", app, ["search", "x"]) == 7
    assert console.run("it", app, ["search", "--", "-dash.png"]) == 7
    for arguments in (["-h"], ["search", "-h"], ["--version"], []):
        assert console.run("it", app, arguments) == 0
    shown = capsys.readouterr().out
    assert "--a-long-option-that-is-longer-than-a-column" in shown
    assert "Does something." in shown
    assert "\npulse" in shown
    monkeypatch.setattr(sys, "argv", ["it", "search", "-dash.png"])
    assert console.run("it", app, sys.argv[1:]) == 2
    assert "if -dash.png is the name of a file, write ./-dash.png, or -- before it." in capsys.readouterr().err
