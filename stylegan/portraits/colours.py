"""The colours of a portrait: those of people, and those that characters choose for themselves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.palette import blend, hue, palette, pick, to_linear
from stylegan.portraits.smooth import Parameters

MONK_TONES = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")

HAIR = ("0d0a09", "1f1512", "3a2418", "5a3825", "7a3f22", "8f6238", "b8905a", "d9bd85")

IRIS = ("2c1a10", "4a2c16", "6b4a22", "6d6a35", "4f7048", "4d7388", "6d93b5", "8496a0")

HAT = ("2b3350", "7a2f2f", "c9b28a", "3f5a45", "3a3a3e", "b5533c", "5a7fa0", "d9d2c5")


@dataclass(frozen=True)
class Colours:
    """Albedos (N, 3) in linear light. `ground` and `second` are free colours of the background; `natural` (N, 1)
    is 1 for skin as people have it and 0 for another."""

    skin: Tensor
    hair: Tensor
    whiskers: Tensor
    brows: Tensor
    iris: Tensor
    cloth: Tensor
    hat: Tensor
    bone: Tensor
    trim: Tensor
    ground: Tensor
    second: Tensor
    natural: Tensor


def colours(p: Parameters) -> Colours:
    """The colours of the portraits with parameters `p`."""
    hair = hair_colour(p)
    metal = sum((p[f"headgear: {name}"] for name in ("open helmet", "crested helmet", "visored helmet")), 0 * p["tone"])
    steel = torch.tensor([[0.42, 0.44, 0.47]], device=hair.device)
    gold = torch.tensor([[0.80, 0.52, 0.10]], device=hair.device)
    hat = pick(HAT, p["hat_hue"])
    hat = hat + (steel - hat) * metal
    hat = hat + (gold - hat) * p["headgear: crown"]
    cloth = hue(p["cloth_hue"], 0.6, 0.25 + 0.65 * p["cloth_shade"])
    cloth = cloth + (steel - cloth) * p["body: armour"]
    grey = torch.tensor([[0.36, 0.35, 0.33]], device=hair.device)
    skin = skin_colour(p)
    # Without a colour of its own, metal is steel and stone is grey.
    skin = skin + (steel - skin) * p["skin_finish: metal"]
    skin = skin + (grey - skin) * p["skin_finish: stone"]
    return Colours(
        skin=_own(p, "skin", skin),
        hair=_own(p, "hair", hair),
        whiskers=_own(p, "whisker", _own(p, "hair", hair)),
        brows=_own(p, "whisker", _own(p, "hair", hair_colour(p, 0.45)) * 0.45),
        iris=_own(p, "iris", pick(IRIS, p["iris_hue"] ** 1.6) * (0.35 + 0.45 * p["iris_shade"])),
        cloth=_own(p, "cloth", cloth),
        hat=_own(p, "hat", hat),
        bone=_free(p, "bone"),
        trim=_free(p, "trim"),
        ground=_free(p, "ground", 1.12),
        second=_free(p, "second", 1.12),
        natural=(1 - p["skin_own"]) * (1 - p["skin_finish: metal"]) * (1 - p["skin_finish: stone"]),
    )


def _free(p: Parameters, name: str, most: float = 0.98) -> Tensor:
    """The colour that a character chose: its three coordinates are sRGB, up to `most`."""
    rgb = torch.cat([p[f"{name}_{channel}"] for channel in ("red", "green", "blue")], 1)
    return to_linear(0.02 + (most - 0.02) * rgb)


def _own(p: Parameters, name: str, people: Tensor) -> Tensor:
    """The colour that people have, or a free one, blended as the eye sees them."""
    own = p[f"{name}_own"]
    free = _free(p, name)
    mixed = to_linear(people.clamp(min=0) ** (1 / 2.2) * (1 - own) + free ** (1 / 2.2) * own)
    return torch.where(own > 0, mixed, people)


def tone_index(p: Parameters) -> Tensor:
    """Monk tone (N,) from 0 to 9."""
    return (p["tone"][:, 0] * 10).floor().long().clamp(0, 9)


def skin_colour(p: Parameters) -> Tensor:
    """Linear albedo (N, 3) of the Monk tone (Monk Skin Tone scale, Google 2022).

    The swatches are colours of skin in a picture, where a camera has exposed for the face; the darkest of them, taken
    as albedo under one light for all, would be charcoal. They are lifted and warmed towards what a portrait shows.
    A tone's middle has the colour of its swatch. From middle to middle the colour goes evenly, as the eye sees it:
    people are of all tones between, and a network can follow.
    """
    swatch = palette(MONK_TONES, p["tone"])
    dark = torch.exp(swatch.mean(dim=1, keepdim=True) / -0.06)
    warmth = torch.tensor([0.60, 0.04, -0.36], device=swatch.device)
    seen = (swatch * (1 + 3.4 * dark) * (1 + dark * warmth)) ** (1 / 2.2)
    last = len(MONK_TONES) - 1
    return to_linear(blend(seen, (p["tone"] * len(MONK_TONES) - 0.5) / last))


def hair_colour(p: Parameters, greying: float = 0.92) -> Tensor:
    """Linear albedo (N, 3) of the hair, at most as far as `greying` on its way to grey with age."""
    base = pick(HAIR, p["hair_hue"]) * (0.75 + 0.5 * p["hair_shade"])
    grey = torch.tensor([0.42, 0.41, 0.40], device=base.device) * (0.6 + 0.7 * p["hair_shade"])
    return base + (grey - base) * p["grey"] * greying
