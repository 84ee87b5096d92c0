"""A drawn answer in words, and drawn again with other attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pulse.fit_portrait import NAMES, PEOPLE, drawn, to_normal, to_unit
from pulse.fit_portrait.problem import SWITCHES
from pulse.operators import downsample
from pulse.pictures import Colour, parse_colour
from stylegan import portraits
from stylegan.portraits.coordinates import check_resolution
from stylegan.portraits.tint import TINTED, Tint
from stylegan.portraits.units import UNITS

_ROWS = {row.name: row for row in portraits.TABLE}
# Parts whose colour is three coordinates.
_COLOURED = tuple(name.removesuffix("_red") for name in NAMES if name.endswith("_red"))

# With which coordinates the paint of each material goes: the beginnings of their names.
_PAINTED = {
    "skin": ("skin_", "tone", "character", "muzzle", "head_block"),
    "hair": ("hair_", "bald", "character"),
    "cloth": ("cloth_", "body", "character"),
    "hat": ("hat", "headgear", "character"),
    "bone": ("bone_", "horn", "teeth", "antennae"),
    "trim": ("trim_", "headgear"),
    "ground": ("ground_", "second_", "background_", "character"),
}


def describe(latents: Tensor) -> str:
    """What a drawn answer shows, in words, from its latents (1, K)."""
    return portraits.describe(to_unit(latents))[0]


def redraw(facts: Mapping[str, Any], resolution: int, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a result of one drawn answer, with other attributes; arguments as of `Result.redraw`."""
    check_resolution(resolution)
    u = to_unit(facts["latents"][0])
    asked = {k: v for name, given in attributes.items() for k, v in _coordinates(name, given).items()}
    if attributes and any(name in _ROWS for name in asked):
        u = portraits.as_characters(u)
        if float(u[0, PEOPLE]) <= 0.5 and "character" not in asked:
            u[0, PEOPLE:] = _plain_character()
    for name, value in asked.items():
        u[0, NAMES.index(name)] = value
    v = to_normal(u) if asked else facts["latents"][0]
    paint = None if facts["paint"] is None else _without(facts["paint"], tuple(asked))
    tint = None if paint is None else Tint(paint, to_unit(facts["painted_at"]))
    images = drawn(to_unit(v), resolution, tint)
    target = facts["target"]
    small = downsample(images, size=(target.shape[2], target.shape[3]))
    error = (small - target).square().mean((1, 2, 3))
    reached = error <= facts["settings"]["eps"]
    return {
        **facts,
        "images": images,
        "downsampled": small,
        "loss": error,
        "l2": error,
        "reached": reached,
        "reached_at": torch.where(reached, 0, -1),
        "best_at": torch.zeros_like(facts["best_at"]),
        "latents": v[:, None],
        "paint": paint,
        "history": {name: error[:, None].clone() for name in facts["history"]},
        "settings": {
            **facts["settings"],
            "resolution": resolution,
            "redrawn": {**facts["settings"].get("redrawn", {}), **attributes},
        },
    }


def _without(paint: Tensor, changed: tuple[str, ...]) -> Tensor:
    """The paint (1, 7, 3, 16, 16) without that of materials whose colour or shape these coordinates changed."""
    paint = paint.clone()
    for material, beginnings in _PAINTED.items():
        if any(name.startswith(beginnings) for name in changed):
            paint[:, TINTED.index(material)] = 0
    return paint


def _coordinates(name: str, given: Any) -> dict[str, float]:
    """The coordinates that an attribute stands for, with their values from 0 to 1.

    Raises:
        ValueError: there is no such attribute, or not with that value.
    """
    row, unit = _ROWS.get(name), UNITS.get(name)
    if name in _COLOURED and (name not in NAMES or isinstance(given, (str, tuple, list))):
        return _own_colour(name, given)
    if name not in NAMES:
        raise ValueError(
            f"A portrait has no attribute {name!r}; give names of stylegan.portraits.COORDINATES or EXTRAS, such as "
            "age, smile, yaw, glasses or headgear, or a part with a colour, such as skin."
        )
    if row is not None and isinstance(given, str) and given in row.names:
        return {name: row.value(given)}
    if isinstance(given, bool) and name in SWITCHES:
        off, _, on = SWITCHES[name]
        return {name: on if given else off}
    if isinstance(given, bool) and row is not None and row.kind == "switch":
        return {name: row.value(row.names[given])}
    number = isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given)
    if unit is not None:
        if not number or not unit.least <= given <= unit.most:
            raise ValueError(
                f"The attribute {name} is {given!r}; give {unit.word} from {unit.least:g} to {unit.most:g}."
            )
        return {name: unit.coordinate(float(given))}
    if not number or not 0 <= given <= 1:
        words = f", or one of {', '.join(row.names)}" if row is not None and row.names else ""
        words = ", or True or False" if name in SWITCHES else words
        raise ValueError(f"The attribute {name} is {given!r}; give a number from 0 to 1{words}.")
    return {name: float(given)}


def _own_colour(name: str, given: Colour) -> dict[str, float]:
    colour = parse_colour(given)
    found = {f"{name}_{channel}": float(c) for channel, c in zip(("red", "green", "blue"), colour, strict=True)}
    if f"{name}_own" in NAMES:
        found[f"{name}_own"] = _ROWS[f"{name}_own"].value("own")
    return found


def _plain_character() -> Tensor:
    """The extra coordinates (64,) of a character who looks like a person, to which one thing can be added."""
    # The camera stands where it stands for people.
    known = {"character": 0.75, "camera_zoom": 0.461}
    plain = [known.get(row.name, row.value(row.names[0]) if row.names else 0.5) for row in portraits.TABLE]
    return torch.tensor(plain)
