"""How a command of this project runs, speaks and ends: sentences and an exit code, never a traceback."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from stylegan.common import ending
from stylegan.common.distribution import missing, software

# What a shell reports of a program whose reader went away (SIGPIPE).
_CLOSED_PIPE = 141
_HELP_NAMES = {"help_option_names": ["-h", "--help"]}
# Any of these says how OpenMP's threads wait.
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def run(name: str, app: Callable[[], Any], arguments: Sequence[str] | None) -> int:
    """Runs a typer app with the given arguments (`sys.argv[1:]` by default) and returns its exit code, as `guarded`.

    Args:
        name: of the command, for its usage text.
        app: makes the app, for example with `new_app`; called once typer is known to be there.
        arguments: without the command's name; none at all shows the help.
    """

    def command() -> int:
        try:
            import typer  # noqa: F401
        except ImportError:
            return fail(missing("cli", f"The command {name}"))
        given = list(sys.argv[1:] if arguments is None else arguments)
        code = app()(given or ["--help"], standalone_mode=False, prog_name=name)
        return code if isinstance(code, int) else 0

    return guarded(command, whole_process=arguments is None)


def guarded(command: Callable[[], int], whole_process: bool = True) -> int:
    """Runs a command and returns its exit code; prints what it raises, and its warnings, as sentences on stderr.

    Call it before torch is imported: it also tells OpenMP how threads wait, which torch reads when it is imported.

    Args:
        command: returns its exit code.
        whole_process: the process ends with the command, so that signals stay handled until it has ended.

    Returns:
        What the command returned; 2 where something could not be done; 128 + n where signal n ended it (130 for Ctrl-C,
        143 for SIGTERM; see `stylegan.common.ending`); 141 where the reader of its output went away.
    """
    let_threads_sleep()
    with ending.handled(whole_process), warnings.catch_warnings():
        warnings.showwarning = lambda message, *where, **more: warn(str(message))
        try:
            code = command()
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            code = _CLOSED_PIPE
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 2 * bool(left.code)
        except KeyboardInterrupt:
            code = 130
        except Exception as error:
            if ending.exit_code() is None:
                code = fail(_sentence(error))
        told = ending.exit_code()
        return code if told is None else told


def begin_early(package: str) -> None:
    """What a package whose import takes torch calls before that, for the case that `python -m` runs it.

    Its own command, with `guarded`, comes too late: Python imports the package first, which takes a second.

    Args:
        package: its name. Nothing is done where something else runs.
    """
    if f" -m {package} " in " ".join([*sys.orig_argv, ""]):
        let_threads_sleep()
        ending.end_at_once()


def let_threads_sleep() -> None:
    """Makes OpenMP's threads sleep while they wait, unless the environment says how they wait.

    By default they spin, for as long as a time slice of the system; beside any other busy process each of a search's
    many small operations then lasts as long as that (docs/commands.md, "Threads").
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "passive"


def new_app(help: str) -> Any:
    """A typer app as our commands have it: `-h` and `--version`, and help in plain text that is never cut."""
    import typer

    app = typer.Typer(
        help=help,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_HELP_NAMES,
    )

    def show_version(asked: bool) -> None:
        if asked:
            say(software())
            raise typer.Exit

    @app.callback()
    def common(
        version: bool = typer.Option(
            False, "--version", callback=show_version, is_eager=True, help="Show the version."
        ),
    ) -> None:
        """Holds the options that stand before a subcommand."""

    # typer would take the docstring above for the command's help.
    common.__doc__ = help
    return app


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


def printable(text: object, longest: int | None = None) -> str:
    r"""Text from outside (names of files, words of servers and of checkpoints) as it may be shown on a terminal.

    Control characters, line breaks, invisible and right-to-left marks, and bytes that are no text are written as
    escapes, so that a name can neither drive the terminal nor hide what it is.

    >>> printable("two\nlines \x1b[31m")
    'two\\nlines \\x1b[31m'

    Args:
        text: of any length; anything else is shown as str() does.
        longest: longer text is cut to so many characters, the last of them "...".
    """
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
    return shown if longest is None or len(shown) <= longest else shown[: longest - 3] + "..."


def _print(text: str, stream: Any) -> None:
    shown = printable(text)
    # A terminal of another encoding shows what it cannot write as escapes too.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        print(shown.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except BrokenPipeError:
        # No OSError: callers take those for what they are about.
        _discard_output()
        raise SystemExit(_CLOSED_PIPE) from None


def _discard_output() -> None:
    """Sends the rest of the output nowhere, so that Python has nothing to complain of when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _sentence(error: Exception) -> str:
    # Of a command line that cannot be parsed, typer knows the sentence.
    if hasattr(error, "format_message"):
        return _explained(error.format_message())
    if isinstance(error, OSError):
        return system_words(error)
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def system_words(error: OSError) -> str:
    """What an error of the system's says, without its number: "o/p.png: Permission denied"."""
    if error.errno is None or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"


def _explained(message: str) -> str:
    """Adds what to do where a file's name was taken for an option."""
    # Some versions of Click write `No such option: -d`, others `No such option '-d'.`.
    name = message.removeprefix("No such option").removeprefix(":").strip().split(" ")[0].rstrip(".").strip("'")
    if name != message and name.startswith("-") and not name.startswith("--"):
        whole = next((word for word in sys.argv[1:] if word.startswith(name) and len(word) > 2), name)
        return f"{message.rstrip('.')}; if {whole} is the name of a file, write ./{whole}, or -- before it."
    return message
