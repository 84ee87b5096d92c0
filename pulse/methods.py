"""The methods of a search by name: what each prepares, and the walk that each takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pulse import posterior
from pulse.latents import Space
from pulse.options import SearchOptions
from pulse.walk import Course, Point, walk

if TYPE_CHECKING:
    from pulse.fast import Prepared


# The part of eps that L2 goes down to by default. A search that asks for eps alone stops on its way from a face of a
# middle tone: over 80 held-out portraits dark skin stays 1.8 L* too light; with a tenth, 0.4 (docs/fairness.md).
_PART = 0.1


def named(options: SearchOptions, G: Any, own: bool) -> str:
    """The option `method` where nobody says it.

    Over 80 held-out portraits "fast" takes a thirteenth of the time of the others, and its faces are nearer to the
    truth than those of "pulse" (docs/options.md). Only a loop of all steps has a schedule, and knows nothing of what is
    compared.

    Args:
        options: of the search.
        G: the generator.
        own: whether the search has an operator or losses of the caller's own.
    """
    if options.method is not None:
        return options.method
    # Of a conditional generator, what "fast" knows would depend on all labels of a call.
    if own or int(getattr(G, "c_dim", 0)) > 0 or options.lr_schedule != SearchOptions.lr_schedule:
        return "bounded"
    from stylegan.networks import stylegan1, stylegan2

    draws = isinstance(G, (stylegan1.Generator, stylegan2.Generator)) and int(G.mapping.num_layers) > 0
    return "fast" if draws else "bounded"


def floor(options: SearchOptions, own_operator: bool) -> float:
    """The option `floor` where nobody says it.

    With an operator of the caller's own eps is the variance of its noise, and whoever goes below it fits the noise.
    """
    return options.eps if options.method == "pulse" or own_operator else _PART * options.eps


def settled(options: SearchOptions, G: Any, own_operator: bool, own_losses: bool) -> SearchOptions:
    """The options with the method and the floor that nobody has said."""
    options = replace(options, method=named(options, G, own_operator or own_losses))
    if options.floor is None and options.draw == "best":
        return replace(options, floor=floor(options, own_operator))
    return options


def prepare(
    G: Any, space: Space, operator: Any, labels: Tensor | None, own_losses: bool, options: SearchOptions
) -> tuple[Space, Prepared | None]:
    """The space with the starting points of the method, and what the method "fast" has to know; else None."""
    if options.method != "fast":
        return space, None
    # Here, because it loads parts of `stylegan`, and `import pulse` does not.
    from pulse import fast

    prepared = fast.prepare(G, space, operator, labels, own_losses)
    return prepared.space, prepared


def points(course: Course, prepared: Prepared | None, rngs: list[torch.Generator]) -> Iterator[Point]:
    """The walk that the options ask for.

    Args:
        course: what the walk is given.
        prepared: what `prepare` gave.
        rngs: of each row, for random numbers after its start.
    """
    if course.options.draw == "posterior":
        return posterior.walk(course, rngs, prepared)
    if prepared is None:
        return walk(course)
    from pulse import fast

    return fast.walk(course, prepared, rngs)
