"""What the low resolutions cannot answer: rows that begin anew by the method "bounded".

A target that is far from all that the generator draws, such as a sprite for one of people, is beyond the low
resolutions. There the loop of all steps finds clearer faces than steps of the whole network from where the low
resolutions end: of 12 sprites, dlib sees a face in 8 of its answers, and in 1 of theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pulse.fast.shared import parts_of, share, threads_for
from pulse.options import SearchOptions
from pulse.walk import Course, Point, walk

# A row within eps ends when so many steps leave more than this part of its error.
_STEPS, _WORTH = 10, 0.8


def walk_rest(course: Course, rows: Tensor, before: Point, rngs: Sequence[torch.Generator]) -> Iterator[Point]:
    """Walks rows, by their numbers (m,), in the steps that are left, as if they began now.

    They begin at random points of their spheres, as "bounded" does, unless the caller said where. A row ends within the
    floor, or within eps when more steps bring it little.

    Args:
        course: of all rows, where they began.
        rows: those that walk; the others stay where they are and are not active.
        before: the last point of all rows.
        rngs: of all rows.
    """
    left = course.options.steps - before.step
    if left < 1 or not len(rows):
        return
    # The first point of a walk is its start.
    options = replace(course.options, method="bounded", steps=left - 1)
    threads = threads_for(course)
    parts = parts_of(rows, course.at_once, threads)
    walks = [walk(_of_rows(course, part, options, rngs)) for part in parts]
    point, floor = before, min(course.floor, options.eps)
    going = torch.zeros_like(before.active)
    going[rows] = True
    errors: deque[Tensor] = deque(maxlen=_STEPS + 1)
    while True:
        still = [(part, one) for part, one in zip(parts, walks, strict=True) if going[part].any()]
        points = share(lambda pair: next(pair[1], None), still, threads)
        found = [(part, new) for (part, _), new in zip(still, points, strict=True) if new is not None]
        if not found:
            return
        point = _with(point, course.trained, found, going)
        yield point
        errors.append(point.error)
        slow = point.error > _WORTH * errors[0] if len(errors) > _STEPS else torch.zeros_like(going)
        going = going & (point.error > floor) & ((point.error > options.eps) | ~slow)


def _of_rows(course: Course, rows: Tensor, options: SearchOptions, rngs: Sequence[torch.Generator]) -> Course:
    space = course.space if course.space.rows is None else course.space.of(course.space.rows[rows])
    space = replace(space, natural=None)
    latents = course.latents[rows].clone()
    if course.drawn:
        latents = space.initial([rngs[row] for row in rows.tolist()]).to(latents)
    return replace(
        course,
        target=course.target[rows],
        latents=latents,
        noise=[x[rows].clone() for x in course.noise],
        space=space,
        options=options,
    )


def _with(point: Point, trained: list[int], found: list[tuple[Tensor, Point]], going: Tensor) -> Point:
    """The next point of all rows: what was found at some, the last point elsewhere."""
    names = ("loss", "error", "images", "downsampled", "l2", "latents")
    values = {name: getattr(point, name).clone() for name in names}
    active = torch.zeros_like(point.active)
    # All points share the noise that is not trained.
    noise = [x.clone() if i in trained else x for i, x in enumerate(point.noise)]
    for rows, new in found:
        active[rows] = new.active & going[rows]
        for name, value in values.items():
            value[rows] = getattr(new, name)
        for i in trained:
            noise[i][rows] = new.noise[i]
    return replace(point, step=point.step + 1, active=active, noise=noise, **values)
