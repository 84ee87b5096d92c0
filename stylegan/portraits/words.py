"""What a portrait shows, in words."""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor

from stylegan.portraits.characters import EARS, HEADGEAR, HORNS, Coordinate
from stylegan.portraits.colours import colours
from stylegan.portraits.coordinates import check, decode

_HUES = ((0.03, "red"), (0.11, "orange"), (0.19, "yellow"), (0.44, "green"), (0.53, "turquoise"), (0.70, "blue"))
_HEADGEAR = {
    "open helmet": "an open helmet",
    "crested helmet": "a crested helmet",
    "visored helmet": "a helmet with a visor",
    "crown": "a crown",
    "pointed hat": "a pointed hat",
    "brimmed hat": "a brimmed hat",
    "cap": "a cap with a badge",
    "bandana": "a bandana",
    "hood": "a hood",
}
_EARS = {"pointed": "pointed ears", "large": "large ears", "cat": "pointed animal ears", "bear": "round animal ears"}
_HORNS = {"short": "horns", "bull": "a bull's horns", "ram": "a ram's horns"}
_MATERIALS = {"metal": "of metal", "stone": "of stone", "fur": "with fur", "cloth": "of cloth"}


def describe(u: Tensor) -> list[str]:
    """Say in a few words what each of the portraits shows.

    Such as "a man of about 60, bald, white beard, glasses, smiling", "a green goblin with tusks" or "a knight in an
    open helmet".

    Args:
        u: (N, 64) for people or (N, 128) for characters, in [0, 1].

    Raises:
        ValueError: if u is something else.
    """
    check(u)
    with torch.no_grad():
        p = decode(u)
        c = colours(p)
        seen = {name: getattr(c, name).clamp(0, 1) ** (1 / 2.2) for name in ("skin", "hair", "whiskers", "hat", "trim")}
    rows = {name: value[:, 0].tolist() for name, value in p.items()}
    shades = {name: [_shade(rgb) for rgb in value.tolist()] for name, value in seen.items()}
    return [_words({k: v[i] for k, v in rows.items()}, {k: v[i] for k, v in shades.items()}) for i in range(len(u))]


def _shade(rgb: list[float]) -> str:
    """The name of an sRGB colour."""
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
    if value < 0.2:
        return "black"
    if saturation < 0.18:
        return "white" if value > 0.8 else "grey"
    name = next((name for end, name in _HUES if hue < end), "purple" if hue < 0.83 else "pink" if hue < 0.95 else "red")
    if name in ("orange", "red", "yellow") and hue < 0.17 and value < 0.62:
        return "brown"
    return "blond" if name in ("orange", "yellow") and saturation < 0.6 and value > 0.6 else name


def _chosen(p: dict[str, float], row: Coordinate) -> str:
    return next((name for name in row.names[1:] if p[f"{row.name}: {name}"] > 0), row.names[0])


def _words(p: dict[str, float], shade: dict[str, str]) -> str:
    headgear, ears, horns = (_chosen(p, row) for row in (HEADGEAR, EARS, HORNS))
    who = _who(p, shade, headgear, ears, horns)
    having = []
    if headgear in _HEADGEAR:
        having.append(f"in {_HEADGEAR[headgear]}")
    elif p["hat_on"] > 0:
        having.append("in " + _a(f"{shade['hat'].replace('blond', 'beige')} hat"))
    extras = [_EARS[ears]] if ears in _EARS and not ("elf" in who or "goblin" in who) else []
    extras += [_HORNS[horns]] if horns in _HORNS and "demon" not in who else []
    named = {"antennae": "antennae", "teeth: tusks": "tusks", "teeth: fangs": "fangs", "muzzle": "a muzzle"}
    extras += [word for key, word in named.items() if p[key] > 0 and not (key == "muzzle" and "animal" in who)]
    extras += [
        f"{style} eyes"
        for style in ("glowing", "hollow", "plain", "slit", "heart")
        if p[f"eye_style: {'hearts' if style == 'heart' else style}"] > 0
    ]
    if p["eyewear: left patch"] + p["eyewear: right patch"] > 0:
        extras.append("an eye patch")
    if p["eyewear: shades"] > 0:
        extras.append("dark glasses")
    extras += [f"a {worn}" for worn in ("mask", "scarf", "visor") if p[f"eyewear: {worn}"] > 0]
    if extras:
        having.append("with " + (", ".join(extras[:-1]) + " and " if extras[1:] else "") + extras[-1])
    details = [" ".join([who, *having])]
    hair = _hair(p, shade["hair"])
    if hair and headgear not in ("open helmet", "crested helmet", "visored helmet", "hood"):
        details.append(hair)
    if p["beard_full"] > 0.5:
        details.append(f"{'long ' if p['long_beard'] > 0.3 else ''}{shade['whiskers']} beard")
    elif p["moustache_full"] > 0.5:
        details.append("moustache")
    if p["glasses_on"] > 0:
        details.append("glasses")
    details += ["smiling"] if p["happy"] > 0.5 else ["sad"] if p["sad"] > 0.5 else []
    return ", ".join(details)


def _hair(p: dict[str, float], shade: str) -> str:
    if p["bald"] > 0 or p["recede"] > 0.7:
        return "bald"
    length = "long " if p["length"] > 0.45 else "short " if p["length"] < 0.12 else ""
    return f"{length}{'curly ' if p['curl'] > 0.5 else ''}{shade} hair"


def _who(p: dict[str, float], shade: dict[str, str], headgear: str, ears: str, horns: str) -> str:
    """The being itself, with its article."""
    if not p["character"]:
        return _person(p)
    own = p["skin_own"] > 0.5
    material = next((words for name, words in _MATERIALS.items() if p[f"skin_finish: {name}"] > 0), "")
    if p["skin_finish: ghost"] > 0:
        being = "ghost"
    elif p["eye_style: hollow"] > 0 and p["nose"] < 0.5:
        being = "skeleton"
    elif p["head_block"] > 0:
        being = "block head"
    elif p["muzzle"] > 0 and ears in ("cat", "bear"):
        being = "animal"
    elif own and p["teeth: tusks"] > 0 and ears == "pointed":
        being = "goblin"
    elif own and p["teeth: tusks"] > 0:
        being = "orc"
    elif p["teeth: fangs"] > 0 and p["body: collar"] > 0:
        being = "vampire"
    elif own and horns != "none":
        being = "demon"
    elif own and (p["antennae"] > 0 or p["big_eyes"] > 0.5):
        being = "alien"
    elif ears == "pointed":
        being = "goblin" if own and shade["skin"] == "green" else "elf"
    elif "helmet" in headgear:
        being = "knight"
    elif headgear == "pointed hat":
        being = "witch" if p["male"] < 0.5 else "wizard"
    elif headgear == "crown":
        being = "queen" if p["male"] < 0.5 else "king"
    elif own:
        being = "creature"
    else:
        return " ".join(filter(None, (_person(p), material)))
    colour = shade["skin"].replace("blond", "yellow") if own else ""
    return " ".join(filter(None, (_a(" ".join(filter(None, (colour, being)))), material)))


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _person(p: dict[str, float]) -> str:
    age = 4 + 76 * p["age"]
    young = age < 18
    noun = ("boy" if young else "man") if p["male"] > 0.5 else "girl" if young else "woman"
    return f"a {noun} of about {round(age) if young else 5 * round(age / 5)}"
