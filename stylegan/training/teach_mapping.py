"""Teaching the mapping network to describe portraits, before the synthesis network is trained.

A style w should describe what a picture shows. The renderer knows what it shows: colours, light, pose, 68 landmarks.
If the mapping network has learnt to write this description into w, the synthesis network has less to learn. With the
true description as w, a quarter of the pictures gave the same distance at 16 px. A taught network describes less than
that, and gains less.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylegan.checkpoints.formats import native
from stylegan.common.console import say
from stylegan.common.ownership import check_replaceable
from stylegan.common.progress import progress as progress_bar
from stylegan.networks.layers import FullyConnectedLayer
from stylegan.networks.stylegan2 import Generator
from stylegan.portraits.camera import to_pixels
from stylegan.portraits.characters import GROUND, HORNS, TABLE, decode_extras, neutral
from stylegan.portraits.coordinates import COORDINATES, decode, meaning
from stylegan.portraits.head import Shape, build
from stylegan.portraits.landmarks import frame, jaw_contour
from stylegan.portraits.palette import hue
from stylegan.portraits.smooth import Parameters
from stylegan.training.growth import centre_styles, grow_into
from stylegan.training.mapping_switches import value_names, write_switches
from stylegan.training.networks import new_generator, options_of, weights_from
from stylegan.training.options import TrainingOptions
from stylegan.training.pairs import coordinates_of, kind_of, z_dim_of

# Descriptions are shifted this far from 0, where the mapping network's last activation has its kink.
_ABOVE = 3.0
_GROUP = 256


@torch.no_grad()
def describe(u: Tensor, beyond_people: bool = False) -> Tensor:
    """Numbers (N, D) that describe what the portraits u (N, K) show; each has its own range.

    Args:
        u: people (N, 64) or characters (N, 128).
        beyond_people: leave out what the mapping network of a generator of people knows already: of characters, the
            coordinates of people.
    """
    return torch.cat([_describe_few(part, beyond_people) for part in u.split(_GROUP)])


def _describe_few(u: Tensor, beyond_people: bool) -> Tensor:
    shape = build(decode(u))
    numbers = _parts(shape.p) + _own_colours(shape) if u.shape[1] > len(COORDINATES) else []
    if not beyond_people:
        numbers += list(meaning(u[:, : len(COORDINATES)]).values())
    return torch.cat([*numbers, *_seen(shape)], 1)


def _part_names() -> list[str]:
    """What the first numbers of a character's description are called."""
    raw = {row.name for row in TABLE if row.kind == "continuous"}
    return [name for name in decode_extras(neutral(1)) if name not in raw]


def _parts(p: Parameters) -> list[Tensor]:
    """What characters have and people do not: switches, choices, sizes of what is there."""
    sizes = {"ear_size": "ears", "horn_size": "horns", "headgear_size": "headgear"}
    numbers = [p[name] for name in _part_names()]
    for size, choice in sizes.items():
        there = sum(value for name, value in p.items() if name.startswith(f"{choice}: "))
        numbers.append(p[size] * there)
    return numbers


def _own_colours(shape: Shape) -> list[Tensor]:
    """Colours (N, 3) of what only characters have, black where it is not there."""
    p, c = shape.p, shape.colours
    bone = torch.stack([p["antennae"], *(p[f"horns: {name}"] for name in HORNS.names[1:])]).amax(0)
    second = p["ground_style: split"] + p["ground_style: gradient"]
    return [
        _as_seen(c.iris),
        _as_seen(c.bone) * bone,
        _as_seen(c.trim) * p["character"],
        _as_seen(c.second) * second,
    ]


def _seen(shape: Shape) -> list[Tensor]:
    """Colours (N, 3), light and landmarks of a picture of 128 px."""
    p, c = shape.p, shape.colours
    view = frame(shape)
    hair, beard = _as_seen(c.hair), _as_seen(c.whiskers)
    soft = 1 - sum(p[f"ground_style: {name}"] for name in GROUND.names[1:])
    people = _as_seen(hue(p["background_hue"], 0.5, 0.18 + 0.7 * p["background_shade"]))
    colours = [
        _as_seen(c.skin),
        hair,
        hair * p["length"] * (1 - p["bald"]),
        beard * p["beard_full"],
        _as_seen(c.hat) * (p["hat_on"] + p["geared"]),
        _as_seen(c.cloth),
        people * soft + _as_seen(c.ground) * (1 - soft),
    ]
    light = (p["light_side"] - 0.5) * 2.1
    landmarks = torch.cat([jaw_contour(shape), view.features], 1)
    return [*colours, light.sin(), light.cos(), to_pixels(view, landmarks, 128).flatten(1)]


def _as_seen(linear: Tensor) -> Tensor:
    return linear.clamp(0, 1) ** (1 / 2.2)


def teach_new_generator(
    output: Path,
    given: Mapping[str, Any],
    count: int,
    steps: int,
    kind: str = "people",
    start: Generator | None = None,
    overwrite: bool = False,
) -> int:
    """Makes a generator whose mapping network describes portraits: the command `stylegan teach-mapping`.

    Args:
        output: the safetensors file to write.
        given: options of `TrainingOptions` that shape the generator; the others are those of `start`, or the defaults.
        count: portraits that are described.
        steps: of Adam.
        kind: "people" or "characters".
        start: a generator that the new one grows out of. It still draws the same; what it knows of people is kept, and
            the numbers that its w gains describe what it does not know.
        overwrite: replace an existing file.

    Returns:
        The exit code 0.

    Raises:
        ValueError: if the file may not be written, or the options do not fit.
    """
    if output.suffix != ".safetensors":
        raise ValueError(f"{output} does not end in .safetensors, the one format that is written; name it so.")
    check_replaceable(output, overwrite=overwrite)
    begun = {} if start is None else options_of(start)
    options = TrainingOptions(**(begun | dict(given) | {"z_dim": z_dim_of(kind)}))
    with weights_from(options.seed):
        generator = new_generator(options)
    if start is not None:
        grow_into(start, generator)
    rng = torch.Generator().manual_seed(options.seed)
    with progress_bar("Teaching the mapping network", steps) as advance:
        left = teach_mapping(generator, rng, count, steps, start=start, progress=lambda step, loss: advance(1))
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
    start: Generator | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> float:
    """Teaches the mapping network to write the description of z's portrait into D numbers of w.

    Args:
        generator: a fresh or a grown one of 64 or 128-dimensional z, on the CPU. Its mapping network changes, its
            `w_avg`, and of a fresh one the biases of its style layers, so that the average w still modulates by 1.
        rng: what latents and batches are drawn from, on the CPU.
        count: portraits that are described, none of them drawn.
        steps: of Adam, with a learning rate that rises and falls (Smith and Topin 2018).
        batch_size: portraits a step.
        learning_rate: the highest, for a layer of learning-rate multiplier 1.
        start: the generator that was grown into this one (`growth.grow_into`). Its numbers of w stay as they are, the
            description comes after them, and for characters it leaves out what they hold already.
        progress: called after each step with its number, from 1, and its loss.

    Returns:
        The share of the variance that is not explained, averaged over the description, of up to 2,048 unseen portraits.

    Raises:
        ValueError: if w has no room for the description, a mapping network for characters none for their switches, or
            portraits of no kind have such a z.
    """
    mapping = generator.mapping
    first = 0 if start is None else start.w_dim
    held_out = min(2048, count)
    z = torch.randn(count + held_out, generator.z_dim, generator=rng)
    description = describe(coordinates_of(z), beyond_people=start is not None)
    known = slice(first, first + description.shape[1])
    if known.stop > generator.w_dim:
        raise ValueError(
            f"w has {generator.w_dim} numbers, and {known.stop} are needed for the description; give a longer w_dim."
        )
    mean, spread = description.mean(0), description.std(0) + 1e-3
    target = (description - mean) / spread + _ABOVE
    layer = mapping.fc0
    assert isinstance(layer, FullyConnectedLayer)
    if kind_of(generator.z_dim) == "characters":
        parts = _part_names()
        places = torch.tensor([parts.index(name) for name in value_names()])
        hidden = 0 if start is None else len(start.mapping.state_dict()["fc0.bias"])
        scale = 1 / spread[places]
        write_switches(mapping, (hidden, first), places.tolist(), scale, _ABOVE - mean[places] * scale)
    rate = learning_rate / layer.bias_gain
    optimizer = torch.optim.Adam(mapping.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        index = torch.randint(count, (batch_size,), generator=rng)
        loss = (mapping(z[index])[:, 0, known] - target[index]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if start is not None:
            _hold_rows_of(start.mapping, mapping)
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, loss.item())
    with torch.no_grad():
        w = mapping(z[count:])[:, 0]
        unexplained = (w[:, known] - target[count:]).square().mean()
        mapping.w_avg[first:] = mapping(z[:held_out])[:, 0, first:].mean(0)
    if start is None:
        centre_styles(generator)
    return unexplained.item()


def _hold_rows_of(small: nn.Module, large: nn.Module) -> None:
    """Sets the gradients of those rows to 0 that `large` has from `small`; Adam then leaves them as they are."""
    old = dict(small.named_parameters())
    for name, parameter in large.named_parameters():
        if parameter.grad is not None:
            parameter.grad[: len(old[name])] = 0
