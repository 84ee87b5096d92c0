"""The options of training the upscaler and the landmark network; a run is only continued with those it began with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _option(default: Any, text: str, **metadata: Any) -> Any:
    return field(default=default, metadata={"help": text, **metadata})


@dataclass(frozen=True)
class LandmarkOptions:
    """How the landmark network is taught."""

    steps: int = _option(4000, "Steps of the whole run.")
    batch_size: int = _option(32, "Pictures a step.")
    learning_rate: float = _option(3e-3, "The highest learning rate of the optimiser, Muon.")
    seed: int = _option(0, "The same seed gives the same run.")

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 2 or not self.learning_rate > 0:
            raise ValueError("A landmark network needs steps, batches of 2 pictures and a learning rate; give more.")


@dataclass(frozen=True)
class UpscalerOptions:
    """How an upscaler is trained.

    The losses are those of Kim et al. 2019, section 3; their weights are ours, and not tuned yet.
    """

    kimg: float = _option(60.0, "Length of the whole run, in thousands of pictures.")
    step_kimg: float = _option(6.0, "Thousands of pictures that each step before the last takes.")
    fade_kimg: float = _option(2.0, "Thousands of pictures in which a new step is faded in.")
    first_step: int = _option(1, "The step to begin with: 3 for an upscaler that is trained already.")
    decay: float = _option(0.3, "Last part of the run in which the learning rate falls to 0.")
    batch_size: int = _option(16, "Pictures a step, over all processes.")
    learning_rate: float = _option(2e-3, "Learning rate of the upscaler, by Muon.")
    critic_rate: float = _option(1e-3, "Learning rate of the critic, by Adam.")
    pixel: float = _option(1.0, "Weight of the mean squared difference of pixels.")
    perceptual: float = _option(0.0, "Weight of the mean squared difference of features.")
    adversarial: float = _option(0.0, "Weight of the critic's opinion; 0 for no critic.")
    penalty: float = _option(10.0, "Weight of the critic's gradient penalty.")
    heatmap: float = _option(0.0, "Weight of the mean squared difference of landmark heatmaps.")
    attention: float = _option(0.0, "Weight of the difference of pixels near landmarks.")
    chain: float = _option(
        0.5, "Share of pictures made small by way of 64 and 32 px; the others are by bicubic and by area."
    )
    mirror: bool = _option(True, "Show half of the pictures mirrored.")
    bfloat16: bool = _option(
        False, "Compute the convolutions in bfloat16.", default_help="where the processor or the GPU has it"
    )
    seed: int = _option(0, "The same seed gives the same run.")

    def __post_init__(self) -> None:
        if self.first_step not in (1, 2, 3):
            raise ValueError(f"An upscaler has no step {self.first_step}; give 1, 2 or 3.")
        if self.batch_size < 2 or not min(self.learning_rate, self.critic_rate) > 0:
            raise ValueError("An upscaler needs batches of at least 2 pictures and learning rates above 0; give more.")
        # Also false for NaN.
        if not (self.kimg > 0 and self.step_kimg > 0 and 0 <= self.fade_kimg <= self.step_kimg):
            raise ValueError(
                "The lengths of a run must be above 0, and fade_kimg at most step_kimg; give such numbers."
            )
        if not (0 <= self.decay <= 1 and 0 <= self.chain <= 1):
            raise ValueError("Decay and chain are shares; give numbers from 0 to 1.")
        weights = (self.pixel, self.perceptual, self.adversarial, self.penalty, self.heatmap, self.attention)
        if not (min(weights) >= 0 and max(weights) > 0):
            raise ValueError("The weights of losses cannot be negative, and one of them must be above 0; give others.")

    def stage(self, step: int) -> tuple[int, float]:
        """Which step of the network is trained in step number `step` of the run, and its alpha.

        >>> options = UpscalerOptions(step_kimg=4, fade_kimg=1, batch_size=10)
        >>> options.stage(0), options.stage(450), options.stage(799), options.stage(5000)
        ((1, 1.0), (2, 0.5), (2, 1.0), (3, 1.0))
        """
        kimg = step * self.batch_size / 1000
        number = min(3, self.first_step + int(kimg / self.step_kimg))
        if number == self.first_step or self.fade_kimg == 0:
            return number, 1.0
        since = kimg - (number - self.first_step) * self.step_kimg
        return number, min(1.0, since / self.fade_kimg)

    def rate(self, step: int) -> float:
        """The factor on the learning rates in step number `step`: 1, and in the last part of the run down to 0."""
        left = 1 - step * self.batch_size / 1000 / self.kimg
        return max(0.0, min(1.0, left / self.decay)) if self.decay > 0 else 1.0
