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


def fail(message: str) -> int:
    """Prints the message as one sentence on stderr; returns the exit code 2."""
    sentence = " ".join(message.split())
    print(sentence if sentence.endswith(".") else f"{sentence}.", file=sys.stderr)
    return 2
