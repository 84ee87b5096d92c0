"""A drawn answer in words, and drawn again with other attributes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pulse.fit_portrait import NAMES, PEOPLE, to_unit
from stylegan import portraits


def describe(latents: Tensor) -> str:
    """What a drawn answer shows, in words, from its latents (1, K)."""
    return portraits.describe(to_unit(latents))[0]


def redraw(latents: Tensor, resolution: int, attributes: Mapping[str, float | str]) -> Tensor:
    """Draws an answer (1, K) again, (3, resolution, resolution); arguments as of `Result.redraw`."""
    u = portraits.as_characters(to_unit(latents))
    rows = {row.name: row for row in portraits.TABLE}
    if any(name in rows and name != "character" for name in attributes) and float(u[0, PEOPLE]) <= 0.5:
        u[0, PEOPLE:] = _plain_character()
    for name, given in attributes.items():
        if name not in NAMES:
            raise ValueError(
                f"A portrait has no attribute {name!r}; give names of stylegan.portraits.COORDINATES or EXTRAS, such "
                "as age, smile, yaw, glasses or headgear."
            )
        row = rows.get(name)
        value = row.value(given) if row is not None and isinstance(given, str) and given in row.names else given
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            words = f", or one of {', '.join(row.names)}" if row is not None and row.names else ""
            raise ValueError(f"The attribute {name} is {given!r}; give a number from 0 to 1{words}.")
        u[0, NAMES.index(name)] = float(value)
    return portraits.render(u, resolution)[0]


def _plain_character() -> Tensor:
    """The extra coordinates (64,) of a character who looks like a person, to which one thing can be added."""
    values = []
    for row in portraits.TABLE:
        values.append(0.75 if row.name == "character" else row.value(row.names[0]) if row.names else 0.5)
    return torch.tensor(values)
