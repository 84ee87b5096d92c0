"""The walk of the method "fast".

A step of this walk is a look at the whole picture: one pass through all of the generator, without a gradient. Between
two looks, a round of gradient steps moves the point on the low resolutions alone, where a step costs a tenth. What they
get wrong was measured at the last look and is added to what they say, so that both agree there (output space mapping:
J. Bandler et al., Space mapping: the state of the art, IEEE Trans. MTT 52(1), 2004). A row ends at its first look
within eps. A row that the low resolutions bring no further lets its styles move further apart; if that does not help
either, it begins anew by the method "bounded" (`rest`). Where a generator has no low resolutions that help, rounds take
coarse pictures, whose steps cost less than half; a row that these bring no further goes on with the whole network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from pulse import losses, sphere
from pulse.fast.prepare import Prepared
from pulse.fast.rest import walk_rest
from pulse.fast.rows import Rows
from pulse.fast.shared import parts_of, share, threads_for
from pulse.walk import Course, Point, clamp_straight_through, measure, where
from stylegan.networks.light import light_gradients, make_room

# Gradient steps between two looks, at most: a row that seems to have arrived waits for the look.
_ROUND = 10
# The low resolutions aim at this part of where a row ends, so that the next look lies within it.
_AIM = 0.8
# Rows of one step on the low resolutions: more take as long for each, and more memory.
_LARGEST_ROUND = 32
# How far the styles of one image move apart, relative to how far they move together: at first, and where that does not
# suffice. Of 100 held-out portraits, 5 need more than the first.
_APART, _FURTHER = 0.05, 0.2
# Looks help that bring the error below this part of what it was. After so many that did not, a row goes on in the next
# way, and ends in the last.
_HELPED, _PATIENCE = 0.95, 2
# A row that is not within eps after so many looks leaves the low resolutions; the steps that are left are for the whole
# network.
_MOST_LOOKS = 20
# A row within eps ends at its first look that leaves more than this part of what its last look left.
_WORTH = 0.8


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

    @property
    def end(self) -> float:
        """The mean squared error at which a row ends."""
        options = self.course.options
        return options.eps if options.stop_when_reached else min(self.course.floor, options.eps)

    def at(self, rows: Tensor, variables: Sequence[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Latents, styles and noise maps of rows, from their rows of the variables.

        The variables are the coordinates (M, 1, k) that all vectors of a row share; then, where there are several
        vectors, what each has beside them, (M, vectors, k); then the noise maps that move.
        """
        maps = dict(zip(self.trained, variables[len(variables) - len(self.trained) :], strict=True))
        coordinates = variables[0]
        space = self.course.space
        if space.vectors > 1:
            coordinates = coordinates + variables[1]
        if self.radius is not None:
            coordinates = coordinates * (self.radius[rows] / sphere.norms(coordinates))
        latents = self.prepared.whitening.decode(coordinates) + self.rest[rows]
        space = space if space.rows is None else space.of(space.rows[rows])
        noise = [maps[i] if i in maps else x[rows] for i, x in enumerate(self.course.noise)]
        return latents, space.to_ws(latents), noise

    def low(self, ws: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Small pictures from the low resolutions, twice: the losses of `loss_str` do not read the images."""
        assert self.prepared.low is not None
        small = self.prepared.low(ws, noise)
        return small, small

    def coarse(self, ws: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Small pictures from coarse ones, twice, as of `low`."""
        assert self.prepared.coarse is not None
        with self._half():
            small = self.prepared.coarse(ws, noise)
        return small, small

    def whole(self, ws: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Images of the whole network, and what the operator makes of them."""
        with self._half(), light_gradients():
            drawn = self.course.G.synthesis(ws, noise=noise)
        images = clamp_straight_through((drawn.float() + 1) / 2)
        return images, self.course.operator.A(images)

    def _half(self) -> torch.autocast:
        # With its cache, autocast would keep a second copy of the weights until the end of the block.
        return torch.autocast("cpu", torch.bfloat16, enabled=self.prepared.half, cache_enabled=False)


@dataclass
class _Look:
    """Whole pictures of M rows, as `Point` has them, with the noise maps that move."""

    images: Tensor
    small: Tensor
    error: Tensor
    loss: Tensor
    latents: Tensor
    maps: list[Tensor]

    def put(self, rows: Tensor, new: _Look) -> None:
        """Puts a look at some rows in their places."""
        for name in ("images", "small", "error", "loss", "latents"):
            getattr(self, name)[rows] = getattr(new, name)
        for old, part in zip(self.maps, new.maps, strict=True):
            old[rows] = part


def walk(course: Course, prepared: Prepared, rngs: Sequence[torch.Generator]) -> Iterator[Point]:
    """Walks as `pulse.walk.walk` does, with points of the same form, by the method "fast".

    `options.steps` is the largest number of moves, each followed by a look at the whole picture. What the low
    resolutions do not bring within eps goes on in `walk_rest`. `lr_schedule` has an effect only there, since the number
    of steps is not known beforehand.

    Args:
        course: what the walk is given; its latents and noise stay as they are.
        prepared: what is known of the generator.
        rngs: of each row, for where it begins anew.
    """
    target, options, at_once = course.target, course.options, course.at_once
    threads = threads_for(course)
    ((way, state),) = share(partial(_begin, course), [prepared], threads)
    active = torch.ones(len(target), dtype=torch.bool, device=target.device)
    on_whole = torch.full_like(active, prepared.low is None and prepared.coarse is None)
    beyond = torch.zeros_like(active)
    further = torch.full_like(active, course.space.vectors == 1)
    least = torch.full((len(target),), torch.inf, device=target.device)
    mark = least.clone()
    idle = torch.zeros_like(active, dtype=torch.int64)
    best = state.flat.clone()
    looks = _empty(way, state)
    for step in range(options.steps + 1):
        # Those of the last step belong to its point: a second copy of large pictures would lie there during the round.
        looks.images = looks.images.clone()
        make_room(target.device, int(course.G.img_resolution) ** 2)
        parts = parts_of(_numbers(active), at_once, threads)
        for rows, look in zip(parts, share(partial(_look, way, state=state), parts, threads), strict=True):
            looks.put(rows, look)
        active = active & looks.loss.isfinite() & looks.error.isfinite()
        point = _point(way, step, active, looks)
        yield point
        active = active & (looks.error > way.end)
        near = looks.error <= options.eps
        much = near & (looks.error < _WORTH * mark)
        helped = looks.error < _HELPED * mark
        mark, idle = torch.where(helped, looks.error, mark), torch.where(helped, 0, idle + 1)
        # Whoever is within eps goes on as long as cheap steps bring much.
        active = active & (~near | much)
        tired = active & (idle >= _PATIENCE)
        if prepared.low is None:
            active = active & ~(tired & on_whole)
        else:
            beyond = beyond | (tired & further) | (active & ~near & (step >= _MOST_LOOKS))
            active = active & ~beyond
        if step == options.steps or not active.any():
            break

        lower = active & (looks.error < least)
        least, best = torch.where(lower, looks.error, least), where(lower, state.flat, best)
        tired = tired & active
        idle = torch.where(tired, 0, idle)
        if prepared.low is None:
            on_whole = on_whole | tired
        elif tired.any():
            state.rates[_numbers(tired), state.columns(1)] = _FURTHER
        # A row that is tired goes back to its best place, and is looked at there again before it goes on.
        state.flat = where(tired, best, state.flat)
        further = further | tired
        cheap = way.coarse if prepared.low is None else way.low
        for draw, chosen, most in ((cheap, ~on_whole, _LARGEST_ROUND), (way.whole, on_whole, at_once)):
            parts = parts_of(_numbers(active & chosen & ~tired), most, threads)
            for lost in share(partial(_round, way, state, looks, draw), parts, threads):
                active[lost] = False
    yield from walk_rest(course, _numbers(beyond), point, rngs)


def _begin(course: Course, prepared: Prepared) -> tuple[_Way, Rows]:
    """The way of a walk and the variables at its start."""
    whitening, space, target, options = prepared.whitening, course.space, course.target, course.options
    coordinates = whitening.encode(course.latents)
    shared = coordinates.mean(1, keepdim=True)
    rest = course.latents - whitening.decode(coordinates)
    if course.drawn and space.spherical:
        shared = sphere.project(shared)
        coordinates = shared.expand_as(coordinates)
        rest = torch.zeros_like(rest)
    variables, spherical, rates = [shared], [space.spherical], [1.0]
    if space.vectors > 1:
        variables, spherical, rates = [shared, coordinates - shared], [space.spherical, False], [1.0, _APART]
    trained = course.trained
    variables += [course.noise[i] for i in trained]
    spherical, rates = [*spherical, *([True] * len(trained))], [*rates, *([1.0] * len(trained))]
    radius = sphere.norms(coordinates) if space.spherical else None
    way = _Way(course, prepared, rest, radius, trained)
    if course.drawn and prepared.gain is not None:
        with torch.no_grad():
            _, ws, maps = way.at(torch.arange(len(target), device=target.device), variables)
            cheap = prepared.low or prepared.coarse
            if cheap is None:
                with light_gradients():
                    drawn = course.G.synthesis(ws, noise=maps)
                small = course.operator.A((drawn.float() + 1) / 2)
            else:
                small = cheap(ws, maps)
            moved = variables[0] + prepared.gain(target - small).unsqueeze(1)
            variables[0] = sphere.project(moved) if space.spherical else moved
    return way, Rows(options.opt_name, options.learning_rate, variables, spherical, rates)


def _empty(way: _Way, state: Rows) -> _Look:
    """Room for looks at all rows."""
    G, target = way.course.G, way.course.target
    images = target.new_zeros(len(target), int(G.img_channels), *[int(G.img_resolution)] * 2)
    loss = target.new_full((len(target),), torch.inf)
    maps = [way.course.noise[i].clone() for i in way.trained]
    return _Look(images, torch.zeros_like(target), loss, loss.clone(), torch.zeros_like(way.rest), maps)


@torch.no_grad()
def _look(way: _Way, rows: Tensor, state: Rows) -> _Look:
    """Draws whole pictures of rows, in float32."""
    course = way.course
    target = course.target[rows]
    latents, ws, noise = way.at(rows, state.parts(state.flat[rows]))
    with light_gradients():
        drawn = course.G.synthesis(ws, noise=noise)
    images = ((drawn.float() + 1) / 2).clamp(0, 1)
    error, small = measure(course.operator, images, target)
    loss = course.loss_to(target, course.floor)(images, small, latents, ws)
    return _Look(images, small, error, loss, latents, [noise[i] for i in way.trained])


def _round(
    way: _Way,
    state: Rows,
    looks: _Look,
    draw: Callable[[Tensor, list[Tensor]], tuple[Tensor, Tensor]],
    rows: Tensor,
) -> Tensor:
    """Moves rows, by their numbers, between two looks; returns the numbers of those that are not finite any more.

    `draw` gives images for the losses, and small pictures, from styles and noise maps.
    """
    course = way.course
    aim = _AIM * way.end
    lost = [rows[:0]]
    off: Tensor | None = None
    for _ in range(_ROUND if len(rows) else 0):
        target = course.target[rows]
        leaf = state.flat[rows].requires_grad_()
        latents, ws, noise = way.at(rows, state.parts(leaf))
        images, small = draw(ws, noise)
        if off is None:
            off = looks.small[rows] - small.detach()
        away = losses.l2(small.detach() + off, target) > aim
        if not away.any():
            break
        value = course.loss_to(target, aim)(images, small + off, latents, ws)
        # The gradient does not need them, and they would lie beside what it does need.
        del images
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        finite = gradient.isfinite().all(1)
        lost.append(rows[~finite])
        rows, off, gradient = (x[away & finite] for x in (rows, off, gradient))
        if not len(rows):
            break
        state.step(rows, gradient)
    return torch.cat(lost)


def _point(way: _Way, step: int, active: Tensor, looks: _Look) -> Point:
    maps = dict(zip(way.trained, looks.maps, strict=True))
    return Point(
        step=step,
        active=active,
        loss=looks.loss.clone(),
        error=looks.error.clone(),
        images=looks.images,
        downsampled=looks.small.clone(),
        l2=looks.error.clone(),
        latents=looks.latents.clone(),
        noise=[maps[i].clone() if i in maps else x for i, x in enumerate(way.course.noise)],
    )


def _numbers(chosen: Tensor) -> Tensor:
    return chosen.nonzero()[:, 0]
