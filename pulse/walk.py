"""PULSE's loop: from a point on the sphere to its image, to the image made small, to the loss, and a step downhill.

Source: S. Menon, A. Damian, S. Hu, N. Ravi, C. Rudin, PULSE: Self-Supervised Photo Upsampling via Latent Space
Exploration of Generative Models, CVPR 2020, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pulse import losses
from pulse.latents import Space
from pulse.losses import LossFunction, parse_loss, total_loss
from pulse.noise import parse_bad_noise_layers, trainable_layers
from pulse.optimizer import SphericalOptimizer, lr_factors
from pulse.options import SearchOptions


@dataclass(frozen=True)
class Point:
    """Where the M starts of a walk are after `step` moves; no tensor in it requires a gradient.

    Attributes:
        step: how many moves led here.
        active: (M,) rows still walked; False once dropped for a value that is not finite, or stopped within eps.
        loss: (M,) what is minimised.
        error: (M,) the mean squared error in it, of the images as the method compares them.
        images: (M, 3, H, W) clamped to [0, 1], the pictures that would be returned.
        downsampled: what the operator makes of `images`.
        l2: (M,) the mean squared error of `downsampled`.
        latents, noise: the variables, as in `Result`.
        accepted: (M,), of samples of a posterior the share of proposals that were taken; else None.
    """

    step: int
    active: Tensor
    loss: Tensor
    error: Tensor
    images: Tensor
    downsampled: Tensor
    l2: Tensor
    latents: Tensor
    noise: list[Tensor]
    accepted: Tensor | None = None


@dataclass(frozen=True)
class Course:
    """What a walk of M starts is given, by whichever method.

    Attributes:
        G: the generator.
        target: (M, ...), a row for each start, as `operator.A` gives it.
        latents: (M, vectors, dim) in `space`, where the walk begins.
        noise: one (M, 1, h, w) for each noise input.
        space: maps latents to styles.
        operator: anything with `A` for images (M, 3, H, W).
        more: the caller's losses with their weights, beside those of `options.loss_str`.
        options: those of the search.
        drawn: whether the generator drew the latents; else they were given, and a walk begins there and nowhere else.
        at_once: how many whole images are drawn at once, where the method has a choice.
    """

    G: Any
    target: Tensor
    latents: Tensor
    noise: list[Tensor]
    space: Space
    operator: Any
    more: Sequence[tuple[float, LossFunction]]
    options: SearchOptions
    drawn: bool = True
    at_once: int = 1

    @property
    def trained(self) -> list[int]:
        """The numbers of the noise inputs that are searched."""
        options = self.options
        bad = parse_bad_noise_layers(options.bad_noise_layers)
        return trainable_layers(len(self.noise), options.noise_type, options.num_trainable_noise_layers, bad)

    @property
    def floor(self) -> float:
        """The mean squared error below which L2 and L1 ask for no more."""
        return self.options.eps if self.options.floor is None else self.options.floor

    @property
    def method(self) -> str:
        """How the search goes; by now somebody has said it."""
        assert self.options.method is not None
        return self.options.method

    def loss_to(self, target: Tensor, floor: float) -> LossFunction:
        """What is minimised for some targets, from images, what the operator makes of them, latents and styles.

        Args:
            target: (m, ...), of some of the starts.
            floor: the least error that counts.
        """
        return total_loss(parse_loss(self.options.loss_str), self.more, target, self.method, floor)


def walk(course: Course) -> Iterator[Point]:
    """Walks from the course's latents and noise towards images that the operator makes equal to the target.

    Yields the starting point, then the point after each of `options.steps` moves; ends early when no row is active.
    With the method "pulse" this is the published algorithm. "bounded" compares images clamped to [0, 1], so that pixel
    values outside the range cannot hide an error; the gradient ignores the clamp (a straight-through estimator: Bengio
    et al., Estimating or Propagating Gradients, 2013, section 4).

    The walk changes the latents, on the spheres that they are on, and the noise maps that are searched, on theirs.
    """
    G, target, operator, options = course.G, course.target, course.operator, course.options
    latents, noise, space, trained = course.latents, course.noise, course.space, course.trained
    loss = course.loss_to(target, course.floor)
    variables = [latents.requires_grad_(), *(noise[i].requires_grad_() for i in trained)]
    on_sphere = [space.spherical] + [True] * len(trained)
    optimizer = SphericalOptimizer(options.opt_name, variables, options.learning_rate, on_sphere)
    active = torch.ones(len(target), dtype=torch.bool, device=target.device)
    last_good = [_copy(v) for v in variables]
    bounded = options.method == "bounded"

    for step, factor in enumerate([*lr_factors(options.lr_schedule, options.steps), None]):
        ws = space.to_ws(latents)
        images = (G.synthesis(ws, noise=noise).float() + 1) / 2
        if bounded:
            images = clamp_straight_through(images)
        error, small = measure(operator, images, target)
        value = loss(images, small, latents, ws)

        active = active & value.isfinite() & error.isfinite()
        pictures = images.detach().clamp(0, 1)
        l2, shown = (error.detach(), small.detach()) if bounded else measure(operator, pictures, target)
        yield Point(
            step=step,
            active=active,
            loss=value.detach(),
            error=error.detach(),
            images=pictures,
            downsampled=shown,
            l2=l2,
            latents=_copy(latents),
            # All points share the noise that is not trained.
            noise=[_copy(x) if x.requires_grad else x for x in noise],
        )
        if options.stop_when_reached:
            active = active & (l2 > options.eps)
        if factor is None or not active.any():
            return

        active = _backward(value, variables, active)
        _hold(variables, last_good, active)
        # Downhill in the plain space, then back to the sphere.
        optimizer.step(factor)


def measure(operator: Any, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The mean squared error (M,) of A(images) to the target, and A(images); fused where the operator has `l2`.

    Raises:
        ValueError: A(images) has another shape than the target.
    """
    if hasattr(operator, "l2"):
        return operator.l2(images, target)
    small = operator.A(images)
    if small.shape != target.shape:
        raise ValueError(
            f"The operator makes {tuple(small.shape[1:])} of an image, the target has {tuple(target.shape[1:])}; "
            "give a target of the operator's shape."
        )
    return losses.l2(small, target), small


def where(rows: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Row i of `yes` where `rows` (M,) is true at i, of `no` elsewhere."""
    return torch.where(rows.view(-1, *[1] * (yes.ndim - 1)), yes, no)


def _backward(value: Tensor, variables: Sequence[Tensor], active: Tensor) -> Tensor:
    """Sets the variables' gradients, 0 in rows that are not active; returns which rows are still active."""
    gradients = torch.autograd.grad(value[active].sum(), variables, allow_unused=True, materialize_grads=True)
    for gradient in gradients:
        active = active & gradient.isfinite().flatten(1).all(1)
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.grad = where(active, gradient, torch.zeros_like(gradient))
    return active


@torch.no_grad()
def _hold(variables: Sequence[Tensor], last_good: Sequence[Tensor], active: Tensor) -> None:
    """Moves rows that are not active back to their last finite place, and remembers the place of the others."""
    for variable, good in zip(variables, last_good, strict=True):
        good.copy_(where(active, variable, good))
        variable.copy_(good)


def _copy(x: Tensor) -> Tensor:
    return x.detach().clone()


def clamp_straight_through(images: Tensor) -> Tensor:
    # A plain clamp has no gradient for pixels out of range, so they could never come back.
    return images + (images.clamp(0, 1) - images).detach()
