"""Portraits drawn by several threads, or processes, at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from stylegan import portraits
from stylegan.common import processes
from stylegan.common.processes import Helpers, usual_threads
from stylegan.portraits.tint import Tint

# Pixels that a thread draws at a time, at most, in at least one portrait. With half of it, calls cost as much as
# arithmetic.
_PIXELS = 2**16
# Threads that share out the rays of one large portrait; more would have little to do.
_THREADS = 4
# Drawings take turns, because each uses all cores.
_alone = Lock()
# Processes that a server has draw beside it.
_helpers: Helpers | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """While the block runs, torch computes with one thread, and nobody else draws."""
    with _alone, processes.one_thread():
        yield


def drawn(u: Tensor, resolution: int, tint: Tint | None = None) -> Tensor:
    """Portraits u (N, K) as (N, 3, resolution, resolution) in [0, 1], drawn by as many threads as torch has.

    Threads share out the portraits, because the operations of one are not worth sharing: where idle threads sleep
    (`OMP_WAIT_POLICY=passive`, which `import pulse` sets), two of torch's own threads take one and a half to two times
    as long as one, at 64 px as at 1024. How portraits are shared out does not depend on the number of threads, so that
    neither do pictures, to the last bit. Where there are processes for it (`use_helpers`), they take the place of
    threads. A large portrait alone is drawn by several threads all the same, which share out its rays.
    """
    count = _parts(len(u), resolution)
    parts = u.tensor_split(count)
    starts = [sum(len(part) for part in parts[:i]) for i in range(count)]
    tints = [None if tint is None else tint[i : i + len(part)] for i, part in zip(starts, parts, strict=True)]
    sizes = [resolution] * count
    with _alone:
        threads = usual_threads()
        with processes.one_thread():
            if count == 1:
                return portraits.render(u, resolution, tint, min(threads, _THREADS))
            if _helpers is not None:
                jobs = [_packed(*one) for one in zip(parts, sizes, tints, strict=True)]
                return torch.cat([torch.from_numpy(one) for one in _helpers.map(_rendered, jobs)])
            if threads == 1:
                return torch.cat([portraits.render(*one) for one in zip(parts, sizes, tints, strict=True)])
            with ThreadPoolExecutor(min(threads, count), initializer=processes.have_one_thread) as pool:
                return torch.cat(list(pool.map(portraits.render, parts, sizes, tints)))


def _parts(portraits: int, resolution: int) -> int:
    """In how many equal parts portraits are drawn: one if they are few, else an even number, for two at work."""
    most = max(1, _PIXELS // resolution**2)
    if portraits <= max(1, most // 2):
        return 1
    return min(portraits, 2 * -(-portraits // (2 * most)))


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
