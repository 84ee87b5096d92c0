"""The walk of the method "fast".

A step of this walk is a look at the whole picture: one pass through all of the generator, without a gradient. Between
two looks, a round of gradient steps moves the point on the low resolutions alone, where a step costs a tenth. What they
get wrong was measured at the last look and is added to what they say, so that both agree there (output space mapping:
J. Bandler et al., Space mapping: the state of the art, IEEE Trans. MTT 52(1), 2004). A row ends at its first look
within eps. A row that the low resolutions bring no further goes on with gradients of the whole network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pulse import sphere
from pulse.fast.prepare import Prepared
from pulse.optimizer import SphericalOptimizer
from pulse.walk import Course, Point, clamp_straight_through, measure, where

# Gradient steps between two looks.
_ROUND = 10
# The low resolutions aim at this part of eps, so that the next look lies within it.
_AIM = 0.8
# How far the styles of one image move apart, relative to how far they move together.
_APART = 0.05
# A look helps that leaves less than this part of the least error so far. After so many looks in a row that did not
# help, a row goes on with the whole network.
_HELPED, _PATIENCE = 0.95, 2


@dataclass(frozen=True)
class _Way:
    """What all of a walk shares.

    Attributes:
        course: what the walk is given.
        prepared: what is known of the generator.
        rest: (M, vectors, dim), what of the starting points no coordinate describes.
        radius: (M, vectors, 1), the lengths of the coordinates; None in a space without a sphere.
        trained: the numbers of the noise maps that move.
    """

    course: Course
    prepared: Prepared
    rest: Tensor
    radius: Tensor | None
    trained: list[int]

    def at(self, rows: Tensor, variables: Sequence[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Latents, styles and noise maps of rows, from their rows of the variables.

        The variables are the coordinates (M, 1, k) that all vectors of a row share; then, where there are several
        vectors, what each has beside them, (M, vectors, k), over `_APART`; then the noise maps that move.
        """
        maps = dict(zip(self.trained, variables[len(variables) - len(self.trained) :], strict=True))
        coordinates = variables[0]
        space = self.course.space
        if space.vectors > 1:
            coordinates = coordinates + _APART * variables[1]
        if self.radius is not None:
            coordinates = coordinates * (self.radius[rows] / sphere.norms(coordinates))
        latents = self.prepared.whitening.decode(coordinates) + self.rest[rows]
        space = space if space.rows is None else space.of(space.rows[rows])
        noise = [maps[i] if i in maps else x[rows] for i, x in enumerate(self.course.noise)]
        return latents, space.to_ws(latents), noise


@dataclass
class _Look:
    """Whole pictures of M rows, as `Point` has them, with the maps that move alone, and the gradients of the loss."""

    images: Tensor
    small: Tensor
    error: Tensor
    loss: Tensor
    latents: Tensor
    maps: list[Tensor]
    gradients: list[Tensor]

    def put(self, rows: Tensor, new: _Look) -> None:
        """Puts a look at some rows in their places."""
        for name in ("images", "small", "error", "loss", "latents"):
            getattr(self, name)[rows] = getattr(new, name)
        for old, part in zip(self.maps + self.gradients, new.maps + new.gradients, strict=True):
            old[rows] = part


def walk(course: Course, prepared: Prepared) -> Iterator[Point]:
    """Walks as `pulse.walk.walk` does, with points of the same form, by the method "fast".

    `options.steps` is the largest number of moves, each followed by a look at the whole picture. `lr_schedule` has no
    effect, since the number of steps is not known beforehand.

    Args:
        course: what the walk is given; its latents and noise stay as they are.
        prepared: what is known of the generator.
    """
    target, options, at_once = course.target, course.options, course.at_once
    way, variables = _begin(course, prepared)
    optimizer = _optimizer(way, variables)
    active = torch.ones(len(target), dtype=torch.bool, device=target.device)
    on_whole = torch.full_like(active, prepared.low is None)
    least = torch.full((len(target),), torch.inf, device=target.device)
    idle = torch.zeros_like(active, dtype=torch.int64)
    best = [v.detach().clone() for v in variables]
    looks = _empty(way, variables)
    for step in range(options.steps + 1):
        for graded in (False, True):
            for rows in _numbers(active & (on_whole == graded)).split(at_once):
                # Nothing splits into one empty part.
                if len(rows):
                    looks.put(rows, _look(way, rows, variables, graded))
        active = active & looks.loss.isfinite() & looks.error.isfinite()
        yield _point(way, step, active, looks)
        for gradient in looks.gradients:
            active = active & gradient.isfinite().flatten(1).all(1)
        active = active & (looks.error > options.eps)
        if step == options.steps or not active.any():
            return

        lower = active & (looks.error < least)
        idle = torch.where(looks.error < _HELPED * least, 0, idle + 1)
        least = torch.where(lower, looks.error, least)
        best = [where(lower, v.detach(), b) for v, b in zip(variables, best, strict=True)]
        tired = active & ~on_whole & (idle >= _PATIENCE)
        _put(variables, best, tired)
        if (active & on_whole).any():
            _step(optimizer, variables, looks.gradients, active & on_whole)
        on_whole = on_whole | tired
        if (active & ~on_whole).any():
            active = active & (on_whole | _round(way, optimizer, variables, looks, active & ~on_whole))


def _begin(course: Course, prepared: Prepared) -> tuple[_Way, list[Tensor]]:
    """The way of a walk and the variables at its start."""
    whitening, space, target = prepared.whitening, course.space, course.target
    coordinates = whitening.encode(course.latents)
    shared = coordinates.mean(1, keepdim=True)
    rest = course.latents - whitening.decode(coordinates)
    if course.drawn and space.spherical:
        shared = sphere.project(shared)
        coordinates = shared.expand_as(coordinates)
        rest = torch.zeros_like(rest)
    variables = [shared.clone()]
    if space.vectors > 1:
        variables.append((coordinates - shared) / _APART)
    variables += [course.noise[i].clone() for i in course.trained]
    radius = sphere.norms(coordinates) if space.spherical else None
    way = _Way(course, prepared, rest, radius, course.trained)
    if course.drawn and prepared.gain is not None:
        with torch.no_grad():
            _, ws, maps = way.at(torch.arange(len(target), device=target.device), variables)
            if prepared.low is None:
                small = course.operator.A((course.G.synthesis(ws, noise=maps).float() + 1) / 2)
            else:
                small = prepared.low(ws, maps)
            moved = variables[0] + prepared.gain(target - small).unsqueeze(1)
            variables[0] = sphere.project(moved) if space.spherical else moved
    return way, variables


def _optimizer(way: _Way, variables: list[Tensor]) -> SphericalOptimizer:
    options = way.course.options
    spherical = [way.radius is not None, *([False] if way.course.space.vectors > 1 else [])]
    spherical += [True] * len(way.trained)
    return SphericalOptimizer(options.opt_name, variables, options.learning_rate, spherical)


def _empty(way: _Way, variables: list[Tensor]) -> _Look:
    """Room for looks at all rows."""
    G, target = way.course.G, way.course.target
    images = target.new_zeros(len(target), int(G.img_channels), *[int(G.img_resolution)] * 2)
    loss = target.new_full((len(target),), torch.inf)
    maps = [way.course.noise[i].clone() for i in way.trained]
    gradients = [torch.zeros_like(v) for v in variables]
    return _Look(images, torch.zeros_like(target), loss, loss.clone(), torch.zeros_like(way.rest), maps, gradients)


def _look(way: _Way, rows: Tensor, variables: Sequence[Tensor], graded: bool) -> _Look:
    """Draws whole pictures of rows; with gradients where wanted, else they are 0."""
    course = way.course
    target = course.target[rows]
    leaves = [v.detach()[rows].requires_grad_(graded) for v in variables]
    with torch.set_grad_enabled(graded):
        latents, ws, noise = way.at(rows, leaves)
        images = clamp_straight_through((course.G.synthesis(ws, noise=noise).float() + 1) / 2)
        error, small = measure(course.operator, images, target)
        loss = course.loss_to(target, course.options.eps)(images, small, latents, ws)
    gradients = [torch.zeros_like(leaf) for leaf in leaves]
    if graded:
        gradients = _slopes(loss, leaves)
    maps = [noise[i].detach() for i in way.trained]
    return _Look(images.detach(), small.detach(), error.detach(), loss.detach(), latents.detach(), maps, gradients)


def _round(way: _Way, optimizer: SphericalOptimizer, variables: list[Tensor], looks: _Look, chosen: Tensor) -> Tensor:
    """Moves the chosen rows on the low resolutions alone; returns which of them are still finite (M,)."""
    low, course = way.prepared.low, way.course
    assert low is not None
    rows = _numbers(chosen)
    loss = course.loss_to(course.target[rows], _AIM * course.options.eps)
    off: Tensor | None = None
    for _ in range(_ROUND):
        leaves = [v.detach()[rows].requires_grad_() for v in variables]
        latents, ws, noise = way.at(rows, leaves)
        small = low(ws, noise)
        if off is None:
            off = looks.small[rows] - small.detach()
        # The losses of `loss_str` do not read the images.
        value = loss(small, small + off, latents, ws)
        gradients = [torch.zeros_like(v) for v in variables]
        for gradient, slope in zip(gradients, _slopes(value, leaves), strict=True):
            gradient[rows] = slope
        for gradient in gradients:
            chosen = chosen & gradient.isfinite().flatten(1).all(1)
        _step(optimizer, variables, gradients, chosen)
    return chosen


@torch.no_grad()
def _step(
    optimizer: SphericalOptimizer, variables: Sequence[Tensor], gradients: Sequence[Tensor], chosen: Tensor
) -> None:
    """One step of the optimiser that moves the chosen rows only."""
    before = [v.clone() for v in variables]
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.grad = where(chosen, gradient, torch.zeros_like(gradient))
    optimizer.step()
    _put(variables, before, ~chosen)


@torch.no_grad()
def _put(variables: Sequence[Tensor], values: Sequence[Tensor], chosen: Tensor) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.copy_(where(chosen, value, variable))


def _slopes(loss: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    gradients = torch.autograd.grad(loss.sum(), leaves, allow_unused=True, materialize_grads=True)
    return list(gradients)


def _point(way: _Way, step: int, active: Tensor, looks: _Look) -> Point:
    maps = dict(zip(way.trained, looks.maps, strict=True))
    return Point(
        step=step,
        active=active,
        loss=looks.loss.clone(),
        error=looks.error.clone(),
        images=looks.images.clone(),
        downsampled=looks.small.clone(),
        l2=looks.error.clone(),
        latents=looks.latents.clone(),
        noise=[maps[i].clone() if i in maps else x for i, x in enumerate(way.course.noise)],
    )


def _numbers(chosen: Tensor) -> Tensor:
    return chosen.nonzero()[:, 0]
