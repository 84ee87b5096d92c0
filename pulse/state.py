"""What a callback of a search sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pulse.best import Best


@dataclass(frozen=True)
class SearchState:
    """What a callback sees at each step of a batch of M starts; tensors live on the generator's device.

    Of drawn answers there is one batch with a row for each image, its best start; `images` are previews of 64 px, and
    a step is one of the fit's, for `pulse.draw` the last one the drawing itself.

    Attributes:
        step, steps: the point after `step` of `steps` moves has been evaluated.
        batch, batches: which batch this is, from 0, of how many.
        search: which search this is, from 0, where one call makes several.
        image, start: (M,) which image and which of its starts each row is.
        active: (M,) rows still searched; False once dropped for a value that is not finite, or ended by
            `stop_when_reached`.
        images, downsampled: (M, 3, H, W) and (M, 3, h, w), as in `Result`, of this step.
        loss, l2: (M,) of this step, as minimised; NaN for rows that are not active.
        history: "loss" and "l2", (M, step + 1) each: these of all steps so far.
        best: the best so far.
    """

    step: int
    steps: int
    batch: int
    batches: int
    image: Tensor
    start: Tensor
    active: Tensor
    images: Tensor
    downsampled: Tensor
    loss: Tensor
    l2: Tensor
    history: dict[str, Tensor]
    best: Best
    search: int = 0


def state_of_drawn(
    step: int, steps: int, images: Tensor, small: Tensor, v: Tensor, history: Tensor, reached_at: Tensor
) -> SearchState:
    """The state of a fit of drawn answers v (M, K), whose errors so far are `history` (M, n): one row for each."""
    rows, error = torch.arange(len(v)), history[:, -1]
    return SearchState(
        step=step,
        steps=steps,
        batch=0,
        batches=1,
        image=rows,
        start=torch.zeros_like(rows),
        active=torch.ones(len(v), dtype=torch.bool),
        images=images,
        downsampled=small,
        loss=error,
        l2=error,
        history={"loss": history, "l2": history.clone()},
        best=Best(images, small, v[:, None], [], error, error, torch.full((len(v),), step), reached_at),
    )


Callback = Callable[[int, SearchState], object]
