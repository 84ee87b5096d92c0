"""How a command ends on a signal: Ctrl-C, `kill`, a closed terminal.

Python turns Ctrl-C into an exception wherever it happens to be, which leaves half-imported modules behind and is caught
by code that means other errors. Here a signal ends the command at once where nothing is lost by it, and waits for the
next step where a search has something to write.
"""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

# SIGHUP, of a closed terminal, is not on Windows.
_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@dataclass
class _State:
    """The signals of this process: `number` is the first one; `waits` is whether it waits for the next step."""

    number: int | None = None
    waits: bool = False
    finished: bool = False


_state = _State()
# What is being written, and which process writes it: a fork inherits the set, but not the files.
_unfinished: set[tuple[int, Path]] = set()


@contextmanager
def handled(whole_process: bool = True) -> Iterator[None]:
    """While the block runs, signals end the process with 128 + the signal's number: 130 for Ctrl-C, 143 for SIGTERM.

    A signal ends child processes, then raises SystemExit, so that temporary files are removed on the way out. The
    second one ends the process at that very place. A signal that was ignored from the start (nohup, a shell's
    background job) stays ignored.

    Args:
        whole_process: the process ends with the block; until then its exit code is kept, and no handler is put back.
    """
    global _state
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state = _State()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    try:
        yield
    finally:
        if whole_process:
            _state.finished = True
            if _state.number is not None:
                _remove_unfinished()
        else:
            for number, handler in before.items():
                signal.signal(number, handler)


def end_at_once() -> None:
    """Makes signals end the process at the very place where they find it, until `handled` begins."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: _end_here(number))


@contextmanager
def steps() -> Iterator[Callable[[], None]]:
    """Yields a function to call after each step of a search, which raises KeyboardInterrupt if a signal came.

    From its first call to the end of the block a signal waits for the next call; a second signal does not wait. The
    exception is raised once, at a place where nothing is half done, so that the search can return its best.

        with ending.steps() as check:
            result = search(G, target, callback=lambda step, state: check())
    """
    told = False

    def check() -> None:
        nonlocal told
        if _state.number is not None and not told:
            told = True
            raise KeyboardInterrupt
        _state.waits = True

    try:
        yield check
    finally:
        _state.waits = False


@contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """While the block runs, a signal that ends the process at the very place where it finds it removes this first.

    Args:
        path: a temporary file or folder; it need not exist yet. The block removes it itself when it ends.
    """
    entry = (os.getpid(), path)
    _unfinished.add(entry)
    try:
        yield
    finally:
        # A signal may have come before it was removed.
        if not path.exists():
            _unfinished.discard(entry)


def exit_code() -> int | None:
    """128 + the number of the signal that ends this command; None if there was none."""
    return None if _state.number is None else 128 + _state.number


def end_children() -> None:
    """Ends all processes that this one has started, and those that they have started."""
    for process in _descendants(os.getpid()):
        # It may have ended by itself.
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            continue


def _on_signal(number: int, frame: FrameType | None) -> None:
    first = _state.number is None
    if first:
        _state.number = number
        if _state.waits:
            return
    if not first or _state.finished or _is_importing(frame):
        _end_here(number)
    end_children()
    raise SystemExit(128 + number)


def _end_here(number: int) -> NoReturn:
    end_children()
    _remove_unfinished()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, RuntimeError, ValueError):
            # RuntimeError: the signal came while the stream was being written.
            continue
    os._exit(128 + number)


def _remove_unfinished() -> None:
    for process, path in list(_unfinished):
        if process != os.getpid():
            continue
        # It may be gone by now, or not yet there.
        with suppress(OSError):
            path.unlink() if not path.is_dir() else shutil.rmtree(path)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported, where an exception would leave half of it behind, or be caught."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


def _descendants(process: int) -> list[int]:
    # Only Linux lists child processes; elsewhere those of multiprocessing end by themselves
    # (stylegan.common.processes).
    found: list[int] = []
    # This one ends by itself too, and multiprocessing complains if it is killed.
    tracker = getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(word) for word in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            if child != getattr(tracker, "_pid", None):
                found += [*_descendants(child), child]
    return found
