"""Rays in blocks: which pixels are worked on, packed so that every block belongs to one portrait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import torch
from torch import Tensor

# Rays in a block. Wide blocks suit matrix products, narrow ones waste less at the end of each portrait.
_WIDTH = 128
# Rays that are worked on at a time: as many as stay in a CPU's cache, or fill a GPU without filling its memory.
_ON_CPU, _ON_GPU = 2**16, 2**21


@dataclass(frozen=True)
class Blocks:
    """Blocks of rays: `owner` (B,) is the portrait that a block belongs to, `flat` (B, W) the rays' pixels, counted
    through all portraits, row by row."""

    owner: Tensor
    flat: Tensor

    def slices(self) -> Iterator[Blocks]:
        """The same blocks, a limited number at a time."""
        size = max(1, (_ON_GPU if self.flat.is_cuda else _ON_CPU) // _WIDTH)
        for i in range(0, len(self.owner), size):
            yield Blocks(self.owner[i : i + size], self.flat[i : i + size])

    def each(self, work: Callable[[Blocks], None], pool: Executor | None = None) -> None:
        """Calls `work` with each of `slices`, in the threads of a pool where there is one.

        No pixel is in two slices, so that `work` may write to the pixels that it is given.
        """
        if pool is None:
            for few in self.slices():
                work(few)
        else:
            for _ in pool.map(work, self.slices()):
                pass


def pack(mask: Tensor) -> Blocks:
    """The true pixels of a mask (N, P) as blocks; the last block of each portrait is filled up with
    its own first pixel."""
    flat = mask.reshape(-1).nonzero()[:, 0]
    counts = mask.sum(1)
    blocks = (counts + _WIDTH - 1) // _WIDTH
    first_block, first_pixel = blocks.cumsum(0) - blocks, counts.cumsum(0) - counts
    owners = torch.repeat_interleave(torch.arange(len(mask), device=mask.device), blocks)
    # Where each block's pixels stand in `flat`, held within those of its portrait.
    place = (torch.arange(len(owners), device=mask.device) - first_block[owners]) * _WIDTH
    within = place[:, None] + torch.arange(_WIDTH, device=mask.device)
    within = torch.where(within < counts[owners][:, None], within, place[:, None]) + first_pixel[owners][:, None]
    return Blocks(owners, flat[within])
