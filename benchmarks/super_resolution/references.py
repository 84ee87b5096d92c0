"""Rows that no method can be asked for: the truths, and what the generator makes of somebody whom it is told of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.super_resolution.methods import Method, Task
from benchmarks.super_resolution.summary import TOLD, TRUTH
from pulse.batch.plan import weights_digest

# Portraits that show whether a generator draws them, and the part of the error of other portraits that it may leave.
_ASKED, _LEAVES = 16, 0.5


def truth(images: Tensor, seed: int) -> Method:
    """The truths (N, 3, R, R) as the answers of a method that knows them; it finds its picture by the seed."""

    def known(questions: Tensor, task: Task) -> Tensor:
        return images[[one - seed for one in task.seeds]]

    return Method("truth", (TRUTH,), known, "The pictures themselves.", at_once=64)


def told(u: Tensor | None, images: Tensor, G: Any, seed: int) -> Method | None:
    """What the generator draws from the coordinates of the truths, without a search.

    It shows what is the generator's own: if it draws somebody lighter than they are, so do all that search it.

    Args:
        u: the truths as points (N, K) of the unit cube; None if nobody knows them.
        images: the truths (N, 3, R, R) in [0, 1].
        G: the generator.
        seed: of the first picture.

    Returns:
        None if the generator was not taught to draw portraits from their coordinates.
    """
    if u is None or int(G.z_dim) != u.shape[1] or int(getattr(G, "c_dim", 0)) > 0:
        return None
    # Not infinite where a coordinate is at the end of its range.
    z = torch.special.ndtri(u.double().clamp(1e-6, 1 - 1e-6)).float()
    if not _draws_them(G, z[:_ASKED], images[:_ASKED]):
        return None

    def drawn(questions: Tensor, task: Task) -> Tensor:
        return _drawn(task.generator, z[[one - seed for one in task.seeds]])

    about = "The generator's picture of the truth's own coordinates, without a search: what it makes of a person."
    return Method("told", (TOLD,), drawn, about, weights=lambda task: weights_digest(task.generator))


@torch.no_grad()
def _drawn(G: Any, z: Tensor) -> Tensor:
    return ((G(z).float() + 1) / 2).clamp(0, 1)


def _draws_them(G: Any, z: Tensor, images: Tensor) -> bool:
    """Whether it draws these people nearer to themselves than to each other."""
    pictures = torch.nn.functional.interpolate(_drawn(G, z), size=images.shape[-2:], mode="area")
    mine, others = (float((pictures - some).square().mean()) for some in (images, images.roll(1, 0)))
    return mine < _LEAVES * others
