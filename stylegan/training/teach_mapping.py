"""Teaching the mapping network to describe portraits, before the synthesis network is trained.

A style w should describe what a picture shows. The renderer knows what it shows: colours, light, pose, 68 landmarks.
If the mapping network has learnt to write this description into w, the synthesis network has less to learn. With the
true description as w, a quarter of the pictures gave the same distance at 16 px. A taught network describes less than
that, and gains less.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from stylegan.checkpoints.formats import native
from stylegan.common.console import say
from stylegan.common.ownership import check_replaceable
from stylegan.common.progress import progress as progress_bar
from stylegan.networks.layers import FullyConnectedLayer
from stylegan.networks.stylegan2 import Generator
from stylegan.portraits.camera import to_pixels
from stylegan.portraits.coordinates import decode, meaning
from stylegan.portraits.head import build
from stylegan.portraits.landmarks import frame, jaw_contour
from stylegan.portraits.palette import hue
from stylegan.training.networks import centre_styles, new_generator, weights_from
from stylegan.training.options import TrainingOptions
from stylegan.training.pairs import coordinates_of

# Descriptions are shifted this far from 0, where the mapping network's last activation has its kink.
_ABOVE = 3.0
_GROUP = 256


@torch.no_grad()
def describe(u: Tensor) -> Tensor:
    """Numbers (N, D) that describe what the portraits u (N, K) show; each has its own range."""
    return torch.cat([_describe_few(part) for part in u.split(_GROUP)])


def _describe_few(u: Tensor) -> Tensor:
    p = decode(u)
    shape = build(p)
    view = frame(shape)
    hair, hat = _as_seen(shape.colours.hair), _as_seen(shape.colours.hat)
    colours = [
        _as_seen(shape.colours.skin),
        hair,
        hair * p["length"],
        hair * p["beard_full"],
        hat * p["hat_on"],
        _as_seen(shape.colours.cloth),
        _as_seen(hue(p["background_hue"], 0.5, 0.18 + 0.7 * p["background_shade"])),
    ]
    light = (p["light_side"] - 0.5) * 2.1
    landmarks = torch.cat([jaw_contour(shape), view.features], 1)
    places = to_pixels(view, landmarks, 128).flatten(1)
    return torch.cat([*meaning(u).values(), *colours, light.sin(), light.cos(), places], 1)


def _as_seen(linear: Tensor) -> Tensor:
    return linear.clamp(0, 1) ** (1 / 2.2)


def teach_new_generator(output: Path, options: TrainingOptions, count: int, steps: int, overwrite: bool) -> int:
    """Makes a generator whose mapping network describes portraits: the command `stylegan teach-mapping`.

    Returns:
        The exit code 0.

    Raises:
        ValueError: if the file may not be written, or the options do not fit.
    """
    if output.suffix != ".safetensors":
        raise ValueError(f"{output} does not end in .safetensors, the one format that is written; name it so.")
    check_replaceable(output, overwrite=overwrite)
    with weights_from(options.seed):
        generator = new_generator(options)
    rng = torch.Generator().manual_seed(options.seed)
    with progress_bar("Teaching the mapping network", steps) as advance:
        left = teach_mapping(generator, rng, count, steps, progress=lambda step, loss: advance(1))
    native.save(generator, output)
    say(f"{left:.1%} of the variance of unseen descriptions is not explained")
    say(str(output))
    return 0


def teach_mapping(
    generator: Generator,
    rng: torch.Generator,
    count: int = 65536,
    steps: int = 6000,
    batch_size: int = 512,
    learning_rate: float = 3e-3,
    progress: Callable[[int, float], None] | None = None,
) -> float:
    """Teaches the mapping network to write the description of z's portrait into the first D numbers of w.

    Args:
        generator: a fresh one of 64-dimensional z, on the CPU. Its mapping network changes, its `w_avg`, and the biases
            of its style layers, so that the average w still modulates by 1.
        rng: what latents and batches are drawn from, on the CPU.
        count: portraits that are described, none of them drawn.
        steps: of Adam, with a learning rate that rises and falls (Smith and Topin 2018).
        batch_size: portraits a step.
        learning_rate: the highest, for a layer of learning-rate multiplier 1.
        progress: called after each step with its number, from 1, and its loss.

    Returns:
        The share of the variance that is not explained, averaged over the description, of up to 2,048 unseen portraits.

    Raises:
        ValueError: if w is shorter than the description.
    """
    mapping = generator.mapping
    held_out = min(2048, count)
    z = torch.randn(count + held_out, generator.z_dim, generator=rng)
    description = describe(coordinates_of(z))
    if description.shape[1] > generator.w_dim:
        raise ValueError(
            f"w has {generator.w_dim} numbers and the description {description.shape[1]}; give a longer w_dim."
        )
    mean, spread = description.mean(0), description.std(0) + 1e-3
    target = (description - mean) / spread + _ABOVE
    known = target.shape[1]
    first = mapping.fc0
    assert isinstance(first, FullyConnectedLayer)
    rate = learning_rate / first.bias_gain
    optimizer = torch.optim.Adam(mapping.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        index = torch.randint(count, (batch_size,), generator=rng)
        loss = (mapping(z[index])[:, 0, :known] - target[index]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, loss.item())
    with torch.no_grad():
        unexplained = (mapping(z[count:])[:, 0, :known] - target[count:]).square().mean()
        mapping.w_avg.copy_(mapping(z[:held_out])[:, 0].mean(0))
    centre_styles(generator)
    return unexplained.item()
