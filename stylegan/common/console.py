"""How a command of this project runs and ends: a sentence on stderr and an exit code, never a traceback."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from stylegan.common.extras import missing


def run(name: str, app: Callable[[], Any], arguments: Sequence[str] | None) -> int:
    """Runs a typer app with the given arguments (`sys.argv[1:]` by default) and returns its exit code.

    Args:
        name: of the command, for its usage text.
        app: makes the app; called once typer is known to be there.
        arguments: without the command's name; none at all shows the help.

    Returns:
        What the command returned, else 0; 2 where it could not be done, with a sentence on stderr; 130 if Ctrl-C ended
        it.
    """
    try:
        import typer  # noqa: F401
    except ImportError:
        return fail(missing("cli", f"The command {name}"))
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app()(arguments or ["--help"], standalone_mode=False, prog_name=name)
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # Of a command line that cannot be parsed, typer knows the sentence.
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        expected = isinstance(error, (ValueError, OSError)) or hasattr(error, "format_message")
        return fail(message if expected else f"{type(error).__name__}: {message}")


def say(text: str) -> None:
    """Prints one line on stdout: what the command did, as `printable` shows it."""
    _print(text, sys.stdout)


def warn(text: str) -> None:
    """Prints one line on stderr: what the user should know of, as `printable` shows it."""
    _print(text, sys.stderr)


def fail(message: str) -> int:
    """Prints the message as one sentence on stderr; returns the exit code 2."""
    sentence = " ".join(message.split())
    warn(sentence if sentence.endswith(".") else f"{sentence}.")
    return 2


def printable(text: str, longest: int | None = None) -> str:
    r"""Text from outside (names of files, words of servers and of checkpoints) as it may be shown on a terminal.

    Control characters, line breaks, invisible and right-to-left marks, and bytes that are no text are written as
    escapes, so that a name can neither drive the terminal nor hide what it is.

    >>> printable("two\nlines \x1b[31m")
    'two\\nlines \\x1b[31m'

    Args:
        text: of any length.
        longest: longer text is cut to so many characters, the last of them "...".
    """
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown if longest is None or len(shown) <= longest else shown[: longest - 3] + "..."


def _print(text: str, stream: Any) -> None:
    shown = printable(text)
    # A terminal of another encoding shows what it cannot write as escapes too.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(shown.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
