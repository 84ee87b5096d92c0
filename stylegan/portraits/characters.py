"""Characters: the coordinates that follow those of people, and what they mean.

A character is a point of a cube of 128 dimensions. The first 64 are those of people and keep their meaning. The first
of the others, `character`, says whether the rest counts at all: up to 0.5 the portrait is one of people, exactly.
Evenly drawn, half of all characters are therefore people.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.smooth import Parameters, ramp


@dataclass(frozen=True)
class Coordinate:
    """One axis of the cube.

    Args:
        name: as in `COORDINATES` and `EXTRAS`.
        kind: "continuous"; "switch", off up to the first bound and on beyond it; or "choice", one thing out of several,
            each an interval. A derivative sees nothing of switches and choices: a solver has to try their values.
        bounds: where intervals end, without the last one's 1; none of a continuous one.
        names: what the intervals are called.
    """

    name: str
    kind: str
    bounds: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    def value(self, name: str) -> float:
        """The middle of the interval of that name."""
        i = self.names.index(name)
        edges = (0.0, *self.bounds, 1.0)
        return (edges[i] + edges[i + 1]) / 2


def _continuous(*names: str) -> tuple[Coordinate, ...]:
    return tuple(Coordinate(name, "continuous") for name in names)


def _colour(name: str) -> tuple[Coordinate, ...]:
    """A switch between the colour that people have and a free one, and the free one's sRGB."""
    switch = Coordinate(f"{name}_own", "switch", (0.5,), ("as people", "own"))
    return (switch, *_rgb(name))


def _rgb(name: str) -> tuple[Coordinate, ...]:
    return _continuous(*(f"{name}_{channel}" for channel in ("red", "green", "blue")))


def _choice(name: str, **shares: float) -> Coordinate:
    ends = torch.tensor(list(shares.values()), dtype=torch.float64).cumsum(0)
    assert abs(float(ends[-1]) - 1) < 1e-9
    names = tuple(key.replace("_", " ") for key in shares)
    return Coordinate(name, "choice", tuple(round(float(end), 4) for end in ends[:-1]), names)


HEADGEAR = _choice(
    "headgear",
    none=0.37,
    open_helmet=0.07,
    crested_helmet=0.07,
    visored_helmet=0.07,
    crown=0.07,
    pointed_hat=0.07,
    brimmed_hat=0.07,
    cap=0.07,
    bandana=0.07,
    hood=0.07,
)
EARS = _choice("ears", human=0.4, pointed=0.18, large=0.09, cat=0.14, bear=0.1, none=0.09)
HORNS = _choice("horns", none=0.68, short=0.1, bull=0.12, ram=0.1)
TEETH = _choice("teeth", none=0.7, tusks=0.15, fangs=0.15)
EYES = _choice(
    "eye_style", human=0.5, plain=0.08, glowing=0.1, hollow=0.08, slit=0.07, dots=0.09, arcs=0.04, hearts=0.04
)
EYEWEAR = _choice(
    "eyewear", none=0.64, left_patch=0.06, right_patch=0.06, mask=0.07, scarf=0.06, shades=0.05, visor=0.06
)
FINISH = _choice("skin_finish", skin=0.5, metal=0.1, stone=0.1, fur=0.14, cloth=0.06, ghost=0.1)
MARKS = _choice("marks", none=0.76, stripes=0.12, band=0.12)
BODY = _choice("body", plain=0.34, tunic=0.2, armour=0.18, collar=0.14, none=0.14)
LIGHT = _choice("light_style", studio=0.4, flat=0.25, even=0.2, rim=0.15)
GROUND = _choice("ground_style", soft=0.3, plain=0.3, split=0.2, gradient=0.2)

TABLE: tuple[Coordinate, ...] = (
    Coordinate("character", "switch", (0.5,), ("people", "character")),
    *_continuous("camera_zoom", "camera_lift", "camera_shift"),
    *_colour("skin"),
    *_colour("hair"),
    *_colour("whisker"),
    *_colour("iris"),
    *_colour("cloth"),
    *_colour("hat"),
    *_rgb("bone"),
    *_rgb("trim"),
    GROUND,
    *_rgb("ground"),
    *_rgb("second"),
    FINISH,
    *_continuous("outline"),
    MARKS,
    *_continuous("head_round"),
    Coordinate("head_block", "switch", (0.86,), ("no", "yes")),
    Coordinate("bald", "switch", (0.7,), ("no", "yes")),
    *_continuous("nose_size"),
    Coordinate("muzzle", "switch", (0.85,), ("no", "yes")),
    EARS,
    *_continuous("ear_size"),
    HORNS,
    *_continuous("horn_size"),
    Coordinate("antennae", "switch", (0.93,), ("no", "yes")),
    TEETH,
    EYES,
    *_continuous("eye_large"),
    EYEWEAR,
    *_continuous("brow_size", "beard_length"),
    HEADGEAR,
    *_continuous("headgear_size"),
    BODY,
    LIGHT,
)

EXTRAS: tuple[str, ...] = tuple(row.name for row in TABLE)


def neutral(count: int, device: torch.device | str = "cpu") -> Tensor:
    """The extra coordinates (count, 64) of portraits of people: all 0.5 but `character`, which is 0.25."""
    u = torch.full((count, len(EXTRAS)), 0.5, device=device)
    u[:, 0] = 0.25
    return u


def decode_extras(u: Tensor) -> Parameters:
    """What the extra coordinates u (N, 64) mean, each (N, 1); of people they mean nothing."""
    p: Parameters = {}
    raw = {name: u[:, i : i + 1] for i, name in enumerate(EXTRAS)}
    on = (raw["character"] > 0.5).float()
    p["character"] = on
    for row in TABLE[1:]:
        if row.kind == "choice":
            bounds = torch.tensor(row.bounds, device=u.device)
            kind = torch.bucketize(raw[row.name].contiguous(), bounds) * on.long()
            for i, name in enumerate(row.names[1:], 1):
                p[f"{row.name}: {name}"] = (kind == i).float()
        elif row.kind == "switch":
            # A colour of one's own comes gradually; whether there is a part does not.
            own = row.name.endswith("_own")
            x = raw[row.name]
            p[row.name] = on * (ramp(x, 0.45, 0.55) if own else (x > row.bounds[0]).float())
        else:
            p[row.name] = raw[row.name]
    # From a face that fills the picture to a head with its shoulders.
    p["zoom"] = 1 + on * (0.32 * p["camera_zoom"] + 0.53 * p["camera_zoom"] ** 2 - 0.26)
    # What stands high above the head lifts the camera.
    tall = p["headgear: pointed hat"] + 0.5 * (p["headgear: crown"] + p["headgear: brimmed hat"] + p["headgear: hood"])
    tall = tall + 0.5 * (p["headgear: crested helmet"] + p["ears: cat"] + p["horns: short"]) + 0.3 * p["horns: bull"]
    p["tall"] = torch.maximum(tall, 0.8 * p["antennae"]).clamp(max=1)
    p["lift"] = on * (p["camera_lift"] - 0.5) * 0.7
    p["shift"] = on * (p["camera_shift"] - 0.5) * 0.36
    p["outlined"] = on * ramp(p["outline"], 0.6, 1.0)
    p["round"] = on * ramp(p["head_round"], 0.6, 0.95) * (1 - p["head_block"])
    # 1 is a nose as people have it, 0 none.
    size = p["nose_size"]
    p["nose"] = 1 + on * (ramp(size, 0.6, 1.0) * 1.1 - ramp(0.4 - size, 0.0, 0.3))
    p["big_eyes"] = on * ramp(p["eye_large"], 0.5, 1.0)
    # 1 are brows as people have them, 0 none.
    p["brows"] = 1 + on * (ramp(p["brow_size"], 0.6, 1.0) - ramp(0.35 - p["brow_size"], 0.0, 0.15))
    p["long_beard"] = on * ramp(p["beard_length"], 0.6, 1.0)
    geared = torch.cat([p[f"headgear: {name}"] for name in HEADGEAR.names[1:]], 1).sum(1, keepdim=True)
    p["geared"] = geared
    return p
