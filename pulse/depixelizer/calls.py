"""What functions share that read a picture once and answer it several times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pulse.state import Callback, SearchState

# The arguments of `pulse.depixelize` that say how a picture becomes a target; all others say how it is answered.
READING = ("size", "framing", "background", "grid", "crop", "head", "notes")


def split_arguments(how: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of `pulse.depixelize` in two parts: how the picture is read, and how it is answered.

    The second part is for `pulse.search`, but for `generator`, which is its first argument.

    >>> split_arguments({"size": 8, "seed": 1})
    ({'size': 8}, {'seed': 1})
    """
    reading = {name: value for name, value in how.items() if name in READING}
    return reading, {name: value for name, value in how.items() if name not in READING and value is not None}


class Told:
    """A caller's callback, told of one of several searches as if all were batches of one.

    Attributes:
        ended: whether the callback has returned True.

    Args:
        callback: the caller's.
        before, after: how many searches come before and after this one.
    """

    def __init__(self, callback: Callback, before: int, after: int) -> None:
        self.callback, self.before, self.after, self.ended = callback, before, after, False

    def __call__(self, step: int, state: SearchState) -> object:
        batches = self.before + state.batches + self.after
        state = replace(state, batch=self.before + state.batch, batches=batches, search=self.before)
        asked = self.callback(step, state)
        self.ended |= asked is True
        return asked


def told(callback: Callback | None, before: int, after: int) -> Told | None:
    """The same, or None where nobody is to be told."""
    return None if callback is None else Told(callback, before, after)
