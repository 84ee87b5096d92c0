"""Batches of portraits as dataclasses of tensors, and parts that only some of the portraits have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

_Batch = TypeVar("_Batch")


@dataclass(frozen=True)
class Part(Generic[_Batch]):
    """Something that M of N portraits have: `rows` (M,) says which, `values` what it is like, in M rows.

    `slot` (N,) is each portrait's row of the values, -1 without one. What nobody has costs nothing, and has no values.
    """

    slot: Tensor
    rows: Tensor
    values: _Batch

    @property
    def worn(self) -> bool:
        """Whether anybody has it."""
        return self.rows.shape[0] > 0

    @property
    def worn_by_all(self) -> bool:
        """Whether everybody has it."""
        return self.rows.shape == self.slot.shape

    def of(self, whole: Tensor) -> Tensor:
        """The rows of something (N, ...) that belong to portraits with the part: (M, ...)."""
        return whole if self.worn_by_all else whole.index_select(0, self.rows)

    def put(self, whole: Tensor, changed: Tensor) -> Tensor:
        """`whole` (N, P) with `changed` (M, P) in the rows of the portraits that have the part."""
        return changed if self.worn_by_all else whole.index_copy(0, self.rows, changed)


def part(on: Tensor, make: Callable[[], _Batch]) -> Part[_Batch]:
    """The part that the portraits of a mask `on` (N,) or (N, 1) have.

    `make` gives it for all N of them; it is called only if somebody has it.
    """
    rows = on.reshape(-1).nonzero()[:, 0]
    values: Any = select(make(), rows) if rows.shape[0] else None
    return Part(_slots(rows, on.numel()), rows, values)


def _slots(rows: Tensor, count: int) -> Tensor:
    slot = torch.full((count,), -1, device=rows.device)
    slot[rows] = torch.arange(len(rows), device=rows.device)
    return slot


def select(batch: _Batch, rows: Tensor) -> _Batch:
    """The same dataclass of tensors (or of dicts, tuples, dataclasses and parts of them) with these rows of the
    batch."""
    # A call for each of some two hundred columns (N, 1) would take longer than what is then computed with them.
    columns = list(_narrow(batch))
    picked = torch.stack(columns)[:, rows].unbind(0) if columns else ()
    return _cut(batch, rows, iter(picked))


def distinct(batch: Any) -> tuple[Tensor, Tensor]:
    """Which rows of a batch of N (a dataclass as `select` takes it, a tensor, or a tuple of these) are all different.

    Returns:
        `first` (M,), the first of each kind of equal rows, and `like` (N,), the place in `first` of each row's kind.
    """
    columns = torch.cat(list(_columns(batch)), 1)
    if len(columns) == 1:
        only = torch.zeros(1, dtype=torch.int64, device=columns.device)
        return only, only
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
        if value.worn:
            for column in _columns(value.values):
                yield column[value.slot.clamp(min=0)] * on
    else:
        for v in vars(value).values():
            yield from _columns(v)


def _is_narrow(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.float32 and value.shape[1:] == (1,)


def _narrow(value: Any) -> Iterator[Tensor]:
    """All columns (N, 1) but those of parts."""
    if _is_narrow(value):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from _narrow(v)
    elif isinstance(value, tuple):
        for v in value:
            yield from _narrow(v)
    elif not isinstance(value, (torch.Tensor, Part)):
        for v in vars(value).values():
            yield from _narrow(v)


def _cut(value: Any, rows: Tensor, narrow: Iterator[Tensor]) -> Any:
    """These rows of a value; `narrow` are those of its columns (N, 1), in the order of `_narrow`."""
    if isinstance(value, torch.Tensor):
        return next(narrow) if _is_narrow(value) else value[rows]
    if isinstance(value, dict):
        return {k: _cut(v, rows, narrow) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(_cut(v, rows, narrow) for v in value)
    if isinstance(value, Part):
        slot = value.slot[rows]
        if not value.worn:
            return Part(slot, value.rows, value.values)
        if value.worn_by_all:
            every = torch.arange(len(slot), device=slot.device)
            return Part(every, every, select(value.values, slot))
        chosen = (slot >= 0).nonzero()[:, 0]
        return Part(_slots(chosen, len(slot)), chosen, select(value.values, slot[chosen]))
    return type(value)(**{name: _cut(v, rows, narrow) for name, v in vars(value).items()})
