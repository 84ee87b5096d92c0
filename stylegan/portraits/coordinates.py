"""The coordinates of a portrait: the axes of the unit cube and what each point of it means."""

from __future__ import annotations

import torch

from stylegan.portraits.characters import EXTRAS, decode_extras, neutral
from stylegan.portraits.smooth import Parameters, centred, ramp

COORDINATES: tuple[str, ...] = (
    "tone",
    "age",
    "sex",
    "head_width",
    "head_height",
    "jaw_width",
    "chin_length",
    "cheeks",
    "cheekbones",
    "brow_ridge",
    "eye_size",
    "eye_spacing",
    "eye_tilt",
    "eye_lid",
    "nose_length",
    "nose_width",
    "nose_tip",
    "mouth_width",
    "lip_upper",
    "lip_lower",
    "neck_width",
    "iris_hue",
    "iris_shade",
    "brow_thickness",
    "brow_height",
    "brow_arch",
    "hair_length",
    "hair_volume",
    "hair_curl",
    "hair_part",
    "hair_fringe",
    "hair_line",
    "hair_hue",
    "hair_shade",
    "hair_bun",
    "beard",
    "moustache",
    "stubble",
    "glasses",
    "glasses_shape",
    "glasses_shade",
    "hat",
    "hat_shape",
    "hat_hue",
    "smile",
    "mouth_open",
    "brow_raise",
    "eye_open",
    "gaze_x",
    "gaze_y",
    "yaw",
    "pitch",
    "roll",
    "light_side",
    "light_height",
    "light_warmth",
    "light_fill",
    "cloth_hue",
    "cloth_shade",
    "background_hue",
    "background_shade",
    "background_shape",
    "freckles",
    "lip_colour",
)


KINDS = ("people", "characters")


def sample(count: int, rng: torch.Generator, kind: str = "people") -> torch.Tensor:
    """Draw `count` portraits evenly from the unit cube.

    Args:
        count: how many.
        rng: where the random numbers come from.
        kind: "people", or "characters", of which half are people.

    Returns:
        u (count, K) float32 in [0, 1) on the device of `rng`; K is 64 for people, 128 for characters.

    Raises:
        ValueError: if `count` is negative or the kind is unknown.
    """
    if count < 0:
        raise ValueError(f"The number of portraits is {count}; give zero or more.")
    if kind not in KINDS:
        raise ValueError(f"The kind of portraits is {kind!r}; give one of {', '.join(KINDS)}.")
    k = len(COORDINATES) if kind == "people" else len(COORDINATES) + len(EXTRAS)
    return torch.rand(count, k, generator=rng, device=rng.device)


def as_characters(u: torch.Tensor) -> torch.Tensor:
    """The same portraits as points (N, 128): those of people (N, 64) get their neutral extra coordinates."""
    return torch.cat([u, neutral(len(u), u.device).to(u)], 1) if u.shape[1] == len(COORDINATES) else u


def check(u: torch.Tensor) -> None:
    """Raise ValueError unless u is (N, 64) or (N, 128) with values in [0, 1]."""
    people, characters = len(COORDINATES), len(COORDINATES) + len(EXTRAS)
    if not isinstance(u, torch.Tensor):
        raise ValueError(f"The portraits are a {type(u).__name__}; give a tensor (N, {people}) or (N, {characters}).")
    if u.ndim != 2 or u.shape[1] not in (people, characters):
        raise ValueError(f"The portraits have shape {tuple(u.shape)}; give (N, {people}) or (N, {characters}).")
    if u.numel() and not bool(((u >= 0) & (u <= 1)).all()):
        raise ValueError("The portraits have coordinates that are not in [0, 1]; clamp them first.")


def check_resolution(resolution: int) -> None:
    """Raise ValueError unless `resolution` is a whole number from 8 to 1024."""
    if isinstance(resolution, bool) or not isinstance(resolution, int) or not 8 <= resolution <= 1024:
        raise ValueError(f"The resolution is {resolution}; give a whole number from 8 to 1024.")


def decode(u: torch.Tensor) -> Parameters:
    """Turn points u (N, K) of the cube into named parameters, each (N, 1).

    Raw coordinates keep their name; beside them stand the quantities that several of them decide together, such as how
    strong a beard is at this age.
    """
    u = as_characters(u)
    p: Parameters = {name: u[:, i : i + 1].float() for i, name in enumerate(COORDINATES)}
    age, sex = p["age"], ramp(p["sex"], 0.25, 0.75)
    p["male"] = sex
    child = 1 - ramp(age, 0.05, 0.3)
    p["child"] = child
    p["old"] = ramp(age, 0.5, 1.0)
    grown_man = sex * ramp(age, 0.22, 0.34)
    p["beard_full"] = grown_man * ramp(p["beard"], 0.62, 0.85)
    p["moustache_full"] = grown_man * torch.maximum(ramp(p["moustache"], 0.68, 0.85), 0.9 * p["beard_full"])
    p["stubble_dark"] = grown_man * ramp(p["stubble"], 0.35, 1.0)
    p["glasses_on"] = (p["glasses"] > 0.78).float()
    p["hat_on"] = (p["hat"] > 0.88).float()
    p |= decode_extras(u[:, len(COORDINATES) :].float())
    p |= _cartoon(p)
    p["hat_on"] = p["hat_on"] * (1 - p["geared"])
    p["long_beard"] = p["long_beard"] * p["beard_full"]
    p["length"] = p["hair_length"] ** (0.65 + 2.0 * sex)
    p["recede"] = ramp(p["hair_line"], 0.5, 1.0) * (0.1 + 0.9 * sex) * (0.05 + 0.95 * ramp(age, 0.3, 0.8))
    p["bun"] = ramp(p["hair_bun"], 0.72, 0.9) * (1 - sex)
    p["curl"] = ramp(p["hair_curl"], 0.3, 1.0)
    p["volume"] = (0.15 + 0.85 * p["hair_volume"]) * (1 - 0.45 * p["recede"]) * (1 - 0.35 * (p["hat_on"] + p["geared"]))
    p["grey"] = ramp(age + 0.25 * (p["hair_shade"] - 0.5), 0.62, 0.95)
    p["happy"] = ramp(p["smile"], 0.3, 1.0)
    p["sad"] = 1 - ramp(p["smile"], 0.0, 0.22)
    p["teeth"] = ramp(p["smile"], 0.5, 0.85)
    p["open"] = 0.11 * ramp(p["mouth_open"], 0.45, 1.0) + 0.06 * p["teeth"]
    p["yaw_rad"] = (p["yaw"] - 0.5) * 2 * 0.45 * (0.35 + 0.65 * (2 * p["yaw"] - 1).abs())
    p["pitch_rad"] = (p["pitch"] - 0.5) * 2 * 0.2
    p["roll_rad"] = (p["roll"] - 0.5) * 2 * 0.2
    return p


def _cartoon(p: Parameters) -> Parameters:
    """What the coordinates of people also do to characters: heads, eyes and mouths of sizes that only games draw."""
    on = p["character"]
    return {
        "broad": on * centred(p["head_width"]),
        "high": on * centred(p["head_height"]),
        "wide_eyes": on * ramp(p["eye_spacing"], 0.7, 1.0),
        "tall_eyes": on * ramp(p["eye_open"], 0.7, 1.0),
        "wide_mouth": on * ramp(p["mouth_width"], 0.6, 1.0),
        "inked_lips": on * ramp(p["lip_colour"], 0.5, 1.0),
        "gaping": on * ramp(p["mouth_open"], 0.7, 1.0),
        # Where the rim of headgear sits, in decimetres from its usual place.
        "rim": p["geared"] * (0.14 * centred(p["hat_shape"]) + 0.08 * centred(p["head_height"])),
    }


def meaning(u: torch.Tensor) -> Parameters:
    """What `decode` says about u (N, K), without what is the same for all people when K is 64."""
    p = decode(u)
    return p if u.shape[1] > len(COORDINATES) else {k: v for k, v in p.items() if k not in decode_extras(neutral(1))}
