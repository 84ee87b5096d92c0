"""Rows shared out to threads.

A step of a narrow network is hundreds of small operations, for each of which two of torch's threads take longer than
one. So torch has one thread while such a network is walked, and the rows of a batch are shared out: each part of them
goes its way in a thread of its own, and none waits for another before the end of a round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from torch import Tensor

from pulse.operators import Downsampler
from pulse.walk import Course
from stylegan.common.processes import have_one_thread, one_thread, usual_threads

# The channels of a layer from which on a network is wide: one operation is work for several threads, and for bfloat16.
_WIDE = 256
_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


def is_wide(G: Any) -> bool:
    """Whether some convolution of a generator has many channels."""
    return max((x.shape[0] for x in G.state_dict().values() if x.ndim == 4), default=0) >= _WIDE


def threads_for(course: Course) -> int | None:
    """How many parts of a walk's rows go on at the same time, with one of torch's threads each.

    None, for one part at a time with all of torch's threads, where one operation is much work, and where code of the
    caller's would run in threads that the caller does not know of.
    """
    theirs = bool(course.more) or not isinstance(course.operator, Downsampler)
    if theirs or course.target.device.type != "cpu" or is_wide(course.G):
        return None
    # Of two searches at once, one may begin while the other has torch compute with one thread.
    return min(usual_threads(), course.at_once)


def parts_of(rows: Tensor, most: int, threads: int | None) -> list[Tensor]:
    """Rows, by their numbers (m,), in equal parts: one for each thread at least, and at most `most` rows at a time.

    >>> [len(part) for part in parts_of(torch.arange(7), 4, 2)]
    [2, 2, 2, 1]
    """
    threads = threads or 1
    count = max(-(-len(rows) // max(1, most // threads)), min(threads, len(rows)))
    return list(rows.tensor_split(count)) if count else []


def share(do: Callable[[_Part], _Result], parts: Sequence[_Part], threads: int | None) -> list[_Result]:
    """What `do` makes of each part, in their order; so many at a time."""
    if threads is None:
        return [do(part) for part in parts]
    with one_thread():
        if threads == 1 or len(parts) < 2:
            return [do(part) for part in parts]
        with ThreadPoolExecutor(threads, initializer=have_one_thread) as pool:
            return list(pool.map(do, parts))
