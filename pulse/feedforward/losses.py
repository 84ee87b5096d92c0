"""The losses of Progressive Face Super-Resolution (Kim et al. 2019, section 3), each a plain function.

Pictures x (the upscaler's) and y (the true ones) are (N, 3, S, S) in about [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi

import torch
from torch import Tensor

from pulse.feedforward.landmarks import SIGMA, LandmarkNet, attention, seen

# From pictures (N, 3, S, S) in [-1, 1] to feature maps of any shapes.
Features = Callable[[Tensor], Sequence[Tensor]]


def pixel_loss(x: Tensor, y: Tensor) -> Tensor:
    """The mean squared difference of pixels."""
    return (x - y).square().mean()


def perceptual_loss(x: Tensor, y: Tensor, features: Features) -> Tensor:
    """The mean squared difference of features, summed over the maps (Johnson et al. 2016).

    Kim et al. take those of VGG-16. Its weights are not here; `landmark_features` are the default of the training.
    """
    with torch.no_grad():
        true = features(y)
    return torch.stack([(a - b).square().mean() for a, b in zip(features(x), true, strict=True)]).sum()


def landmark_features(network: LandmarkNet) -> Features:
    """The features of a landmark network, from coarse to fine what tells faces apart."""
    return lambda pictures: network.features(seen(pictures))


def heatmap_loss(x: Tensor, y: Tensor, network: LandmarkNet) -> Tensor:
    """The mean squared difference of landmark heatmaps, whose peaks are about 1."""
    with torch.no_grad():
        true = _heatmaps(network, y)
    return (_heatmaps(network, x) - true).square().mean()


def attention_loss(x: Tensor, y: Tensor, network: LandmarkNet) -> Tensor:
    """The facial attention loss: the mean absolute difference of pixels, each weighted by how near a landmark it is.

    The weight is the highest of all heatmaps of the true picture there; far from the face it is 0.
    """
    with torch.no_grad():
        near = attention(network(seen(y)), y.shape[-1])
    return (near * (x - y).abs()).mean()


def critic_loss(true_scores: Tensor, made_scores: Tensor) -> Tensor:
    """What the critic minimises beside the penalty: minus the Wasserstein distance that it sees (Arjovsky et al. 2017).

    The small second term keeps the scores near 0 (Karras et al. 2018, appendix A.1).
    """
    return made_scores.mean() - true_scores.mean() + 1e-3 * true_scores.square().mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, rng: torch.Generator) -> Tensor:
    """WGAN-GP's penalty: gradients between true and made pictures should have length 1 (Gulrajani et al. 2017, eq. 3).

    Args:
        critic: from pictures to scores (N,).
        x: made pictures, without gradient.
        y: true ones.
        rng: what the places between them are drawn from, on their device.
    """
    share = torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device)
    between = torch.lerp(x, y, share).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def _heatmaps(network: LandmarkNet, pictures: Tensor) -> Tensor:
    return network(seen(pictures)).exp() * (2 * pi * SIGMA**2)
