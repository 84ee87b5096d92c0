"""A progress bar on a terminal, and nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(text: str, total: int) -> Iterator[Callable[[float], None]]:
    """Draws a bar on stderr if that is a terminal; yields a function that moves it on by steps, or parts of one."""
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    try:
        from rich.console import Console
        from rich.errors import LiveError
        from rich.progress import Progress
    except ImportError:
        # `python -m pulse.run` also works without the command line's extra packages.
        yield lambda steps: None
        return
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(text, total=total)
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
