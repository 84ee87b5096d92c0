"""What a callback of a search sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


Callback = Callable[[int, SearchState], object]
