"""Portraits drawn by several threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import torch
from torch import Tensor

from stylegan import portraits
from stylegan.portraits.tint import Tint

# Pixels that a thread draws at a time, in at least one portrait: with fewer, calls cost more than arithmetic.
_PIXELS = 2**15
# From this side on, torch's own threads draw a portrait faster than one.
_LARGE = 256
# torch's number of threads is one of the whole process: who changes it has to be alone.
_alone = Lock()


def drawn(u: Tensor, resolution: int, tint: Tint | None = None) -> Tensor:
    """Portraits u (N, K) as (N, 3, resolution, resolution) in [0, 1], drawn by as many threads as torch has.

    Threads share out the portraits, because operations on small pictures are not worth sharing: with torch's own
    threads they take a third more CPU time. How portraits are shared out does not depend on the number of threads, so
    that neither do small pictures, to the last bit. A single large one is drawn by torch's own threads.
    """
    each = max(1, _PIXELS // resolution**2)
    parts = u.split(each)
    tints = [None if tint is None else tint[i : i + each] for i in range(0, max(1, len(u)), each)]
    sizes = [resolution] * len(parts)
    with _alone:
        threads = torch.get_num_threads()
        if threads == 1 or (resolution >= _LARGE and len(parts) == 1):
            return torch.cat([portraits.render(*one) for one in zip(parts, sizes, tints, strict=True)])
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                return torch.cat(list(pool.map(portraits.render, parts, sizes, tints)))
        finally:
            torch.set_num_threads(threads)
