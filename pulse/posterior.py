"""Answers as frequent as they are probable: samples of a generator's posterior given the small picture.

A search gives the answer that fits best, and of many faces that fit alike, what is common wins (A. Jalal et al.,
Fairness for Image Generation with Uncertain Sensitive Attributes, ICML 2021). Samples of the posterior show each face
as often as it is probable. The prior are the generator's own images: z is normal. The picture is such an image made
small, with normal noise in each value, whose variance is `eps` times the temperature. `pulse.ensemble` leads there, and
`pulse.langevin` draws the samples.

The method "fast" compares what the generator's low resolutions predict of the small picture. The error of the
prediction is measured on the first images, and its mean square added to the variance of the noise (J. Kaipio and
E. Somersalo, J. Comput. Appl. Math. 198(2), 2007, treat errors of a model so).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pulse.langevin import Chains, langevin
from pulse.options import SearchOptions
from pulse.walk import Course, Point, clamp_straight_through, measure

if TYPE_CHECKING:
    from pulse.fast import Prepared

# Fewer chains than this learn the metric and the step sizes too slowly.
LEAST_CHAINS = 8
# Of the steps, those that only lead to the posterior; the rounds of the ensemble stand for most of them.
_BURN_IN = 0.6
# Whole images are drawn at the start and so often.
_LOOKS = 2
# What only a search for the best answer has.
_ONLY_BEST = (
    "init",
    "learning_rate",
    "loss_str",
    "losses",
    "lr_schedule",
    "opt_name",
    "return_all",
    "starts",
    "stop_when_reached",
    "tile_latent",
)
_ONLY_POSTERIOR = ("samples", "temperature")


def settled(options: SearchOptions, given: Collection[str]) -> SearchOptions:
    """The options of a search, with the space and the number of chains of a posterior where one is asked for.

    Args:
        options: as the caller said.
        given: names of the options and of the arguments of `pulse.search` that the caller gave.

    Raises:
        ValueError: in one sentence, for options that do not go together.
    """
    if options.draw != "posterior":
        for name in _ONLY_POSTERIOR:
            if name in given:
                raise ValueError(f"Only samples of the posterior have {name}; leave it out, or say draw='posterior'.")
        return options
    for name in _ONLY_BEST:
        if name in given:
            raise ValueError(f"Samples of the posterior have no {name}; leave it out, or say draw='best'.")
    if options.space not in ("z", SearchOptions.space):
        raise ValueError(
            f"Samples of the posterior are drawn in the space z, whose points are the generator's own images, and the "
            f"option space is {options.space!r}; leave it out."
        )
    return replace(options, space="z", starts=max(options.samples, LEAST_CHAINS))


def check_generator(G: Any) -> None:
    """Raises ValueError, in one sentence, for a generator without a prior to sample."""
    if int(getattr(G.mapping, "num_layers", 1)) == 0:
        raise ValueError(
            "The generator has no mapping network, so nobody knows how probable its images are; leave draw out, or "
            "choose a whole generator."
        )


def walk(course: Course, rngs: list[torch.Generator], prepared: Prepared | None) -> Iterator[Point]:
    """Walks the chains of one picture, the rows of the course, into its posterior.

    Yields a point for the start and for every half of the steps; the last one holds the samples. All chains have the
    noise maps of the first.
    """
    options, target = course.options, course.target[0]
    low = None if prepared is None else prepared.low
    start = course.latents[:, 0]

    def styles(z: Tensor) -> Tensor:
        rows = course.space.rows
        space = course.space if rows is None else course.space.of(rows[: len(z)])
        return space.to_ws(z[:, None])

    def noise_of(count: int) -> list[Tensor]:
        return [one[:1].expand(count, -1, -1, -1) for one in course.noise]

    def images_of(z: Tensor) -> Tensor:
        return clamp_straight_through((course.G.synthesis(styles(z), noise=noise_of(len(z))).float() + 1) / 2)

    def values(z: Tensor) -> Tensor:
        small = course.operator.A(images_of(z)) if low is None else low(styles(z), noise_of(len(z)))
        return small.flatten(1)

    def look(chains: Chains) -> Point:
        with torch.no_grad():
            images = torch.cat([images_of(some) for some in chains.x.split(course.at_once)])
            error, small = measure(course.operator, images, course.target)
        return Point(
            step=chains.step,
            active=chains.finite & error.isfinite(),
            loss=chains.energy,
            error=error,
            images=images,
            downsampled=small,
            l2=error,
            latents=chains.x[:, None],
            noise=[one.clone() for one in noise_of(len(images))],
            accepted=chains.accepted,
        )

    # This first look also tells an operator and a target that do not fit.
    nothing = start.new_zeros(len(start))
    first = look(Chains(0, start, nothing, nothing, nothing, torch.ones_like(nothing, dtype=torch.bool)))
    off = 0.0
    if low is not None:
        with torch.no_grad():
            foretold = torch.cat([values(some) for some in start.split(4 * course.at_once)])
        off = float((foretold - first.downsampled.flatten(1)).square().mean().nan_to_num(0))
    every, looked = max(1, options.steps // _LOOKS), -1
    for chains in langevin(
        values,
        start,
        target.flatten(),
        max(options.eps + off / options.temperature, 1e-12),
        rngs,
        steps=options.steps,
        burn_in=int(_BURN_IN * options.steps),
        temperature=options.temperature,
        at_once=course.at_once if low is None else 4 * course.at_once,
    ):
        if chains.step == 0 and looked < 0:
            looked = 0
            yield replace(first, loss=chains.energy)
        elif chains.step // every > looked or chains.step == options.steps > 0:
            looked = chains.step // every
            yield look(chains)
