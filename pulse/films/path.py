"""Paths through points of a latent space, walked at constant speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pulse import sphere


@dataclass(frozen=True)
class Path:
    """Points that are joined in order, by arcs of great circles or by straight lines.

    Attributes:
        points: (K, n, d), each n vectors of length d; at least one point.
        spherical: each vector turns along the shorter great circle, and its length changes linearly (`sphere.slerp`);
            otherwise it moves along a line.
        loop: the last point is joined to the first.
        noise: noise maps (K, 1, h, w) that belong to the points; they turn along great circles, so that noise between
            two maps is as strong as theirs.
        fields: further tensors (K, ...) that belong to the points and move along lines, such as paint.
    """

    points: Tensor
    spherical: bool
    loop: bool = False
    noise: Sequence[Tensor] = ()
    fields: Sequence[Tensor] = ()

    def lengths(self) -> list[float]:
        """The length of each segment; of an arc, the root of the sum of the squares of its n angles."""
        count = len(self.points)
        here = torch.arange(count if self.loop else count - 1)
        x, y = self.points[here].double(), self.points[(here + 1) % count].double()
        steps = sphere.distance(x, y) if self.spherical else (y - x).norm(dim=2)
        return steps.norm(dim=1).tolist()

    def walk(self, frames: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Yields (n, d) of each frame, and with it the noise maps (1, h, w) and then the fields.

        The first frame is the first point itself. An open path ends at its last point; on a loop the frame after the
        last would be the first again.
        """
        for segment, t in places(self.lengths(), frames, self.loop):
            ends = (segment, (segment + 1) % len(self.points))
            more = [_between(x, ends, t, True) for x in self.noise] + [_between(x, ends, t, False) for x in self.fields]
            yield _between(self.points, ends, t, self.spherical), more


def places(lengths: Sequence[float], frames: int, loop: bool = False) -> Iterator[tuple[int, float]]:
    """Where each frame is on a path of segments with these lengths: the segment, and how far it is along it, 0 to 1.

    All frames are equally far apart; where the lengths are all 0, so are they in number of segments.

    >>> list(places([1.0, 3.0], 5))
    [(0, 0.0), (1, 0.0), (1, 0.3333333333333333), (1, 0.6666666666666666), (1, 1.0)]
    >>> list(places([2.0, 2.0], 4, loop=True))
    [(0, 0.0), (0, 0.5), (1, 0.0), (1, 0.5)]
    """
    if not lengths:
        yield from ((0, 0.0) for _ in range(frames))
        return
    lengths = lengths if sum(lengths) > 0 else [1.0] * len(lengths)
    steps = frames if loop else max(frames - 1, 1)
    segment, before = 0, 0.0
    for frame in range(frames):
        far = sum(lengths) * frame / steps
        while segment < len(lengths) - 1 and far >= before + lengths[segment]:
            before += lengths[segment]
            segment += 1
        ends = not loop and frame == frames - 1 and frame > 0
        yield (len(lengths) - 1, 1.0) if ends else (segment, min((far - before) / (lengths[segment] or 1.0), 1.0))


def _between(x: Tensor, ends: tuple[int, int], t: float, spherical: bool) -> Tensor:
    start, end = x[ends[0]], x[ends[1]]
    # The points themselves, not what rounding makes of them.
    if t in (0.0, 1.0):
        return (end if t else start).clone()
    if not spherical:
        return torch.lerp(start, end, t)
    shape = start.shape
    if x.ndim == 4:
        start, end = start.flatten(1), end.flatten(1)
    return sphere.slerp(start.double(), end.double(), t).to(x.dtype).view(shape)
