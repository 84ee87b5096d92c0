"""A progress bar on a terminal, and nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(text: str, total: float | None, start: int = 0, data: bool = False) -> Iterator[Callable[[float], None]]:
    """Draws a bar on stderr if that is a terminal; yields a function that moves it on.

    Args:
        text: what stands before the bar.
        total: its length; None where it is not known.
        start: what is done already.
        data: show bytes and their rate.
    """
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    try:
        from rich.console import Console
        from rich.errors import LiveError
        from rich.progress import DownloadColumn, Progress, TransferSpeedColumn
    except ImportError:
        # The library also works without the command line's extra packages.
        yield lambda steps: None
        return
    columns = (*Progress.get_default_columns(), *((DownloadColumn(), TransferSpeedColumn()) if data else ()))
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(text, total=total, completed=int(start))
    try:
        bar.start()
    except LiveError:
        # An older rich draws one bar at a time; the outer one stays.
        yield lambda steps: None
        return
    try:
        yield lambda steps: bar.advance(task, steps)
    finally:
        bar.stop()
