"""What the search minimises: terms per image, and the strings that combine them.

The terms are those of S. Menon, A. Damian, S. Hu, N. Ravi, C. Rudin, PULSE: Self-Supervised Photo Upsampling via
Latent Space Exploration of Generative Models, CVPR 2020: the downscaling loss, and GEOCROSS, which keeps the styles of
one image together. PULSE adds them up over the batch; here each image has its own value, so that an image in a batch is
treated as it would be alone, and the sum of the values is PULSE's number.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

TERMS = ("L2", "L1", "GEOCROSS")


def l2(generated: Tensor, target: Tensor, eps: float = 0.0) -> Tensor:
    """Mean squared error of each image, at least `eps`: two (N, C, h, w) in [0, 1] -> (N,).

    Below the floor the gradient is 0: an image within `eps` of its target is near enough.
    """
    return (generated - target).square().mean((1, 2, 3)).clamp(min=eps)


def l1(generated: Tensor, target: Tensor, eps: float = 0.0) -> Tensor:
    """Ten times the mean absolute error of each image, the mean being at least `eps`: two (N, C, h, w) in [0, 1] ->
    (N,).

    The ten is PULSE's; it brings the term near to L2's usual weight.
    """
    return 10 * (generated - target).abs().mean((1, 2, 3)).clamp(min=eps)


def geocross(latents: Tensor) -> Tensor:
    """How far the styles of each image lie apart on the sphere of radius sqrt(d): (N, n, d) -> (N,); 0 for a single
    style.

    An eighth of the mean, over all n * n pairs, of the squared geodesic distance d * (2 atan2(|x - y|, |x + y|))^2.
    """
    n, dim = latents.shape[1:]
    if n == 1:
        return latents.new_zeros(latents.shape[0])
    # A style is at distance 0 from itself and the pairs are symmetric: half of them is enough.
    i, j = torch.triu_indices(n, n, offset=1, device=latents.device)
    x, y = latents[:, i], latents[:, j]
    # The tiny number keeps the square root's gradient finite where two styles coincide.
    apart = ((x - y).square().sum(-1) + 1e-9).sqrt()
    together = ((x + y).square().sum(-1) + 1e-9).sqrt()
    angle = 2 * torch.atan2(apart, together)
    return angle.square().sum(-1) * (2 * dim / (8 * n * n))


@dataclass(frozen=True)
class Loss:
    """A weighted sum of terms, made by `parse_loss`.

    terms: (weight, name) in the order of the string; the names are those of `TERMS`.
    """

    terms: tuple[tuple[float, str], ...]

    def __call__(self, generated: Tensor, target: Tensor, latents: Tensor, eps: float = 0.0) -> Tensor:
        """The loss of each image: generated and target (N, C, h, w) in [0, 1], latents (N, n, d) -> (N,).

        `eps` is the floor of the terms L2 and L1.
        """
        total = generated.new_zeros(generated.shape[0])
        for weight, name in self.terms:
            if name == "L2":
                total = total + weight * l2(generated, target, eps)
            elif name == "L1":
                total = total + weight * l1(generated, target, eps)
            else:
                total = total + weight * geocross(latents)
        return total


def parse_loss(loss_str: str) -> Loss:
    """Read a loss in PULSE's notation: terms joined by +, each `weight*NAME` or `NAME` for a weight of 1.

    Names are L2, L1 and GEOCROSS; spaces and case do not matter. Raises ValueError with one sentence for anything else.

    >>> parse_loss("100*L2+0.05*GEOCROSS").terms
    ((100.0, 'L2'), (0.05, 'GEOCROSS'))
    """
    terms = []
    # The plus of an exponent (1e+2) joins no terms.
    for part in re.split(r"(?<![0-9.][eE])\+", str(loss_str)):
        match = re.fullmatch(r"\s*(?:([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*\*)?\s*(\w+)\s*", part)
        name = match[2].upper() if match else ""
        weight = _number(match[1]) if match else math.nan
        if name not in TERMS or not math.isfinite(weight):
            raise ValueError(
                f"The loss {loss_str!r} cannot be read at {part.strip()!r}; write terms such as 100*L2+0.05*GEOCROSS "
                f"with a weight that is not negative and a name out of {', '.join(TERMS)}."
            )
        terms.append((weight, name))
    return Loss(tuple(terms))


def _number(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return math.nan
