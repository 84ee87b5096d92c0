"""Portraits drawn by several threads, or processes, at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from stylegan import portraits
from stylegan.common.processes import Helpers, with_threads
from stylegan.portraits.tint import Tint

# Pixels that a thread draws at a time, in at least one portrait: with fewer, calls cost more than arithmetic.
_PIXELS = 2**15
# From this side on, torch's own threads draw a portrait faster than one.
_LARGE = 256
# torch's number of threads is one of the whole process: who changes it has to be alone.
_alone = Lock()
# Processes that a server has draw beside it.
_helpers: Helpers | None = None


def drawn(u: Tensor, resolution: int, tint: Tint | None = None) -> Tensor:
    """Portraits u (N, K) as (N, 3, resolution, resolution) in [0, 1], drawn by as many threads as torch has.

    Threads share out the portraits, because operations on small pictures are not worth sharing: with torch's own
    threads they take a third more CPU time. How portraits are shared out does not depend on the number of threads, so
    that neither do small pictures, to the last bit. A single large one is drawn by torch's own threads. Where there are
    processes for it (`use_helpers`), they take the place of threads.
    """
    each = max(1, _PIXELS // resolution**2)
    parts = u.split(each)
    tints = [None if tint is None else tint[i : i + each] for i in range(0, max(1, len(u)), each)]
    sizes = [resolution] * len(parts)
    with _alone:
        if _helpers is not None and len(parts) > 1:
            with with_threads(1):
                jobs = [_packed(*one) for one in zip(parts, sizes, tints, strict=True)]
                return torch.cat([torch.from_numpy(one) for one in _helpers.map(_rendered, jobs)])
        threads = torch.get_num_threads()
        if threads == 1 or (resolution >= _LARGE and len(parts) == 1):
            return torch.cat([portraits.render(*one) for one in zip(parts, sizes, tints, strict=True)])
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                return torch.cat(list(pool.map(portraits.render, parts, sizes, tints)))
        finally:
            torch.set_num_threads(threads)


def use_helpers(helpers: Helpers | None) -> None:
    """Has `drawn` share portraits out to processes from now on, and no longer to threads; None takes them away.

    The processes have loaded what they need when this returns.
    """
    global _helpers
    # Those before may be drawing.
    with _alone:
        _helpers = helpers
    if helpers is not None:
        helpers.map(_rendered, [_packed(torch.full((1, 64), 0.5), 16, None)] * 2 * (helpers.count + 1))


def _packed(u: Tensor, resolution: int, tint: Tint | None) -> tuple[Any, ...]:
    """The arguments of `portraits.render` for a process."""
    return u.numpy(), resolution, None if tint is None else (tint.colour.numpy(), tint.at.numpy())


def _rendered(packed: tuple[Any, ...]) -> Any:
    u, resolution, tint = packed
    there = None if tint is None else Tint(*(torch.from_numpy(each) for each in tint))
    return portraits.render(torch.from_numpy(u), resolution, there).numpy()
