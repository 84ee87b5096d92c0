"""Teaching the mapping network what it maps to, before any picture is drawn.

A style vector should lay out plainly what a picture shows. The renderer knows what that is: colours, light, pose,
where 68 landmarks lie. A mapping network that has learnt to write this description of the portrait into w leaves its
synthesis network far less to find out; with the true description for w, a quarter of the pictures was enough for the
same distance at 16 px. A taught network leaves some of it out, and gains less.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from stylegan.networks.layers import FullyConnectedLayer
from stylegan.networks.stylegan2 import Generator
from stylegan.portraits.camera import to_pixels
from stylegan.portraits.coordinates import decode
from stylegan.portraits.hair import hair_colour
from stylegan.portraits.head import build
from stylegan.portraits.landmarks import frame, jaw_contour
from stylegan.portraits.palette import HAT, hue, pick
from stylegan.portraits.skin import skin_colour
from stylegan.training.networks import centre_styles
from stylegan.training.pairs import coordinates_of

# The last activation of a mapping network bends at 0: descriptions are written this far above it.
_ABOVE = 3.0
_GROUP = 256


@torch.no_grad()
def describe(u: Tensor) -> Tensor:
    """What is to be seen in the portraits u (N, K): numbers (N, D), each of a range of its own."""
    return torch.cat([_describe_few(part) for part in u.split(_GROUP)])


def _describe_few(u: Tensor) -> Tensor:
    p = decode(u)
    shape = build(p)
    view = frame(shape)
    hair = _as_seen(hair_colour(p))
    hat = _as_seen(pick(HAT, p["hat_hue"]))
    colours = [
        _as_seen(skin_colour(p)),
        hair,
        hair * p["length"],
        hair * p["beard_full"],
        hat * p["hat_on"],
        _as_seen(hue(p["cloth_hue"], 0.6, 0.25 + 0.65 * p["cloth_shade"])),
        _as_seen(hue(p["background_hue"], 0.5, 0.18 + 0.7 * p["background_shade"])),
    ]
    light = (p["light_side"] - 0.5) * 2.1
    landmarks = torch.cat([jaw_contour(shape), view.features], 1)
    places = to_pixels(view, landmarks, 128).flatten(1)
    return torch.cat([*p.values(), *colours, light.sin(), light.cos(), places], 1)


def _as_seen(linear: Tensor) -> Tensor:
    return linear.clamp(0, 1) ** (1 / 2.2)


def teach_mapping(
    generator: Generator,
    count: int = 65536,
    steps: int = 6000,
    batch_size: int = 512,
    learning_rate: float = 3e-3,
    progress: Callable[[int, float], None] | None = None,
) -> float:
    """Make the mapping network write the description of the portrait that z stands for into the first D numbers of w.

    Args:
        generator: a fresh one of 64-dimensional z; changed in place: its mapping network, `w_avg`, and the biases of
            its styles, so that the average w still modulates by 1.
        count: portraits that are described, none of them drawn.
        steps: of Adam, its rate rising and falling (Smith and Topin 2018).
        batch_size: portraits a step.
        learning_rate: the highest, for a layer of learning-rate multiplier 1.
        progress: called now and then with the step and the mean loss since the last call.

    Returns:
        The share of variance that is not explained, mean over the description, of up to 2,048 portraits never seen.

    Raises:
        ValueError: if w is shorter than the description.
    """
    mapping = generator.mapping
    held_out = min(2048, count)
    z = torch.randn(count + held_out, generator.z_dim)
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
    total = 0.0
    every = max(steps // 20, 1)
    for step in range(steps):
        index = torch.randint(count, (batch_size,))
        loss = (mapping(z[index])[:, 0, :known] - target[index]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item()
        if progress is not None and (step + 1) % every == 0:
            progress(step + 1, total / every)
            total = 0.0
    with torch.no_grad():
        unexplained = (mapping(z[count:])[:, 0, :known] - target[count:]).square().mean()
        mapping.w_avg.copy_(mapping(z[:held_out])[:, 0].mean(0))
    centre_styles(generator)
    return unexplained.item()
