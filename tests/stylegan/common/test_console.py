"""Commands print what comes from outside safely, and end with a sentence and an exit code."""

import io
import sys

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
