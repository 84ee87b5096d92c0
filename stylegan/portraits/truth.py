"""What is true about a portrait: landmarks, skin tone, pose and attributes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stylegan.portraits.camera import to_pixels
from stylegan.portraits.characters import TABLE
from stylegan.portraits.colours import tone_index
from stylegan.portraits.coordinates import COORDINATES, check, check_resolution, decode
from stylegan.portraits.head import build
from stylegan.portraits.landmarks import frame, jaw_contour
from stylegan.portraits.smooth import Parameters
from stylegan.portraits.words import describe

_GROUP = 256
# Attributes that are read off the decoded parameters as they are.
_PLAIN = {
    "male": "male",
    "hair_length": "length",
    "hair_volume": "volume",
    "hair_curl": "curl",
    "hair_hue": "hair_hue",
    "receding": "recede",
    "bun": "bun",
    "grey": "grey",
    "beard": "beard_full",
    "moustache": "moustache_full",
    "stubble": "stubble_dark",
    "freckles": "freckles",
    "smile": "happy",
    "sadness": "sad",
    "mouth_open": "mouth_open",
    "brow_raise": "brow_raise",
    "eye_open": "eye_open",
    "gaze_x": "gaze_x",
    "gaze_y": "gaze_y",
}


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true about one portrait.

    Args:
        landmarks: (68, 2) float32, x to the right and y down, in pixels, the middle of the top left pixel at (0, 0);
            iBUG order, as dlib's predictor gives them. Features count where they are drawn, also behind glasses;
            the jaw counts under a beard and behind hair.
        tone: Monk skin tone, 1 (lightest) to 10 (darkest).
        yaw: degrees; positive when the face turns to the right of the picture.
        pitch: degrees; positive when it looks down.
        roll: degrees that are left after the picture was framed; positive counterclockwise.
        attributes: `age` in years, `glasses` and `hat` as booleans; the others are strengths from 0 to 1, `gaze_x`
            and `gaze_y` from left to right and from low to high. Of portraits with 128 coordinates also `character` as
            a boolean and, as words, what was chosen of each kind of part: `headgear`, `ears`, `horns` and so on.
        words: the portrait in a few words, as `describe` gives them.
    """

    landmarks: Tensor
    tone: int
    yaw: float
    pitch: float
    roll: float
    attributes: dict[str, float | bool | str]
    words: str


def truth(u: Tensor, resolution: int = 128) -> list[Truth]:
    """Tell what is true about portraits when they are drawn at `resolution` pixels.

    Args:
        u: (N, 64) for people or (N, 128) for characters, in [0, 1].
        resolution: pixels along a side, from 8 to 1024; landmarks are counted in them.

    Raises:
        ValueError: if u or the resolution is something else.
    """
    check(u)
    check_resolution(resolution)
    with torch.no_grad():
        return [fact for part in u.split(_GROUP) for fact in _facts(part, resolution)] if len(u) else []


def _facts(u: Tensor, resolution: int) -> list[Truth]:
    p = decode(u)
    shape = build(p)
    view = frame(shape)
    flat = torch.cat([jaw_contour(shape), view.features], 1)
    landmarks = to_pixels(view, flat, resolution).cpu()
    tilt = torch.atan2(view.axes[:, 0, 1], view.axes[:, 0, 0])
    angles = torch.stack([p["yaw_rad"][:, 0], p["pitch_rad"][:, 0], p["roll_rad"][:, 0] - tilt], 1) * (180 / math.pi)
    tones = (tone_index(p) + 1).tolist()
    attributes, words = _attributes(p, u), describe(u)
    return [
        Truth(landmarks[i], tones[i], yaw, pitch, roll, attributes[i], words[i])
        for i, (yaw, pitch, roll) in enumerate(angles.tolist())
    ]


def _attributes(p: Parameters, u: Tensor) -> list[dict[str, float | bool | str]]:
    columns: dict[str, list[Any]] = {name: p[key][:, 0].tolist() for name, key in _PLAIN.items()}
    columns["age"] = (4 + 76 * p["age"][:, 0]).tolist()
    columns["glasses"] = (p["glasses_on"][:, 0] > 0).tolist()
    columns["hat"] = (p["hat_on"][:, 0] > 0).tolist()
    if u.shape[1] > len(COORDINATES):
        columns["character"] = (p["character"][:, 0] > 0).tolist()
        for row in TABLE:
            if row.kind == "choice":
                chosen = torch.cat([p[f"{row.name}: {name}"] for name in row.names[1:]], 1)
                index = torch.where(chosen.amax(1) > 0, chosen.argmax(1) + 1, 0)
                columns[row.name] = [row.names[i] for i in index.tolist()]
            elif row.kind == "switch" and not row.name.endswith("_own") and row.name != "character":
                columns[row.name] = (p[row.name][:, 0] > 0).tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
