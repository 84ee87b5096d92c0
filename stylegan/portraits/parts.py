"""Batches of portraits as dataclasses of tensors, and parts that only some of the portraits have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

_Batch = TypeVar("_Batch")


@dataclass(frozen=True)
class Part(Generic[_Batch]):
    """Something that M of N portraits have: `rows` (M,) says which, `values` what it is like, in M rows.

    `slot` (N,) is each portrait's row of the values, -1 without one. What nobody has costs nothing.
    """

    slot: Tensor
    rows: Tensor
    values: _Batch

    def of(self, whole: Tensor) -> Tensor:
        """The rows of something (N, ...) that belong to portraits with the part: (M, ...)."""
        return whole if len(self.rows) == len(self.slot) else whole.index_select(0, self.rows)

    def put(self, whole: Tensor, changed: Tensor) -> Tensor:
        """`whole` (N, P) with `changed` (M, P) in the rows of the portraits that have the part."""
        return changed if len(self.rows) == len(self.slot) else whole.index_copy(0, self.rows, changed)


def part(on: Tensor, batch: _Batch) -> Part[_Batch]:
    """The part that the portraits of a mask `on` (N,) or (N, 1) have; the batch's rows are those of all N."""
    rows = on.reshape(-1).nonzero()[:, 0]
    return Part(_slots(rows, on.numel()), rows, select(batch, rows))


def _slots(rows: Tensor, count: int) -> Tensor:
    slot = torch.full((count,), -1, device=rows.device)
    slot[rows] = torch.arange(len(rows), device=rows.device)
    return slot


def select(batch: _Batch, rows: Tensor) -> _Batch:
    """The same dataclass of tensors (or of dicts, dataclasses and parts of them) with these rows of the batch."""
    return _cut(batch, rows)


def distinct(batch: Any) -> tuple[Tensor, Tensor]:
    """Which rows of a batch of N (a dataclass as `select` takes it, a tensor, or a tuple of these) are all different.

    Returns:
        `first` (M,), the first of each kind of equal rows, and `like` (N,), the place in `first` of each row's kind.
    """
    columns = torch.cat(list(_columns(batch)), 1)
    _, kind = torch.unique(columns, dim=0, return_inverse=True)
    order = torch.arange(len(columns), device=columns.device)
    first = torch.full_like(order, len(order)).scatter_reduce_(0, kind, order, "amin")[: int(kind.max()) + 1]
    # In the order of the batch, so that a batch without equal rows stays as it is.
    first, back = first.sort()
    return first, back.argsort()[kind]


def _columns(value: Any) -> Iterator[Tensor]:
    """All numbers of each row, (N, K) at a time."""
    if isinstance(value, torch.Tensor):
        yield value.flatten(1).float()
    elif isinstance(value, tuple):
        for v in value:
            yield from _columns(v)
    elif isinstance(value, Part):
        on = (value.slot >= 0).float()[:, None]
        yield on
        if len(value.rows):
            for column in _columns(value.values):
                yield column[value.slot.clamp(min=0)] * on
    else:
        for f in fields(value):
            yield from _columns(getattr(value, f.name))


def _cut(value: Any, rows: Tensor) -> Any:
    if isinstance(value, torch.Tensor):
        return value[rows]
    if isinstance(value, dict):
        return {k: _cut(v, rows) for k, v in value.items()}
    if isinstance(value, Part):
        slot = value.slot[rows]
        chosen = (slot >= 0).nonzero()[:, 0]
        return Part(_slots(chosen, len(slot)), chosen, _cut(value.values, slot[chosen]))
    return type(value)(**{f.name: _cut(getattr(value, f.name), rows) for f in fields(value)})
