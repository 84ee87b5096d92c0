"""The methods of a search by name: what each prepares, and the walk that each takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from pulse.latents import Space
from pulse.losses import LossFunction, parse_loss, total_loss
from pulse.options import SearchOptions
from pulse.walk import Point, walk

if TYPE_CHECKING:
    from pulse.fast import Prepared


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


def points(
    G: Any,
    target: Tensor,
    latents: Tensor,
    noise: list[Tensor],
    *,
    space: Space,
    operator: Any,
    more: Sequence[tuple[float, LossFunction]],
    options: SearchOptions,
    prepared: Prepared | None,
    drawn: bool,
    at_once: int,
) -> Iterator[Point]:
    """The walk of some starts by the method of the options.

    Arguments as of `pulse.walk.walk` and `pulse.fast.walk`, and:

    Args:
        more: the caller's losses with their weights.
    """
    loss = parse_loss(options.loss_str)

    def loss_to(targets: Tensor, floor: float) -> LossFunction:
        return total_loss(loss, more, targets, options.method, floor)

    if prepared is None:
        whole = loss_to(target, options.eps)
        yield from walk(G, target, latents, noise, space=space, operator=operator, loss=whole, options=options)
        return
    from pulse import fast

    yield from fast.walk(
        G,
        target,
        latents,
        noise,
        space=space,
        operator=operator,
        loss_to=loss_to,
        options=options,
        prepared=prepared,
        drawn=drawn,
        at_once=at_once,
    )
