"""The coordinates of a portrait: the axes of the unit cube and what each point of it means."""

from __future__ import annotations

import torch

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

Parameters = dict[str, torch.Tensor]


def sample(count: int, rng: torch.Generator) -> torch.Tensor:
    """Draw `count` portraits evenly from the unit cube.

    Returns:
        u (count, K) float32 in [0, 1) on the device of `rng`, K = len(COORDINATES).

    Raises:
        ValueError: if `count` is negative.
    """
    if count < 0:
        raise ValueError(f"The number of portraits is {count}; give zero or more.")
    return torch.rand(count, len(COORDINATES), generator=rng, device=rng.device)


def check(u: torch.Tensor) -> None:
    """Raise ValueError unless u is (N, K) with values in [0, 1]."""
    if not isinstance(u, torch.Tensor):
        raise ValueError(f"The portraits are a {type(u).__name__}; give a tensor (N, {len(COORDINATES)}).")
    if u.ndim != 2 or u.shape[1] != len(COORDINATES):
        raise ValueError(f"The portraits have shape {tuple(u.shape)}; give (N, {len(COORDINATES)}).")
    if u.numel() and not bool(((u >= 0) & (u <= 1)).all()):
        raise ValueError("The portraits have coordinates that are not in [0, 1]; clamp them first.")


def check_resolution(resolution: int) -> None:
    """Raise ValueError unless `resolution` is a whole number from 8 to 1024."""
    if isinstance(resolution, bool) or not isinstance(resolution, int) or not 8 <= resolution <= 1024:
        raise ValueError(f"The resolution is {resolution}; give a whole number from 8 to 1024.")


def _ramp(x: torch.Tensor, low: float, high: float) -> torch.Tensor:
    x = ((x - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def decode(u: torch.Tensor) -> Parameters:
    """Turn points u (N, K) of the cube into named parameters, each (N, 1): raw coordinates under their own name
    and, beside them, the quantities that several coordinates decide together (how strong a beard is at this age)."""
    p: Parameters = {name: u[:, i : i + 1].float() for i, name in enumerate(COORDINATES)}
    age, sex = p["age"], _ramp(p["sex"], 0.25, 0.75)
    p["male"] = sex
    child = 1 - _ramp(age, 0.05, 0.3)
    p["child"] = child
    p["old"] = _ramp(age, 0.5, 1.0)
    grown_man = sex * _ramp(age, 0.22, 0.34)
    p["beard_full"] = grown_man * _ramp(p["beard"], 0.62, 0.85)
    p["moustache_full"] = grown_man * torch.maximum(_ramp(p["moustache"], 0.68, 0.85), 0.9 * p["beard_full"])
    p["stubble_dark"] = grown_man * _ramp(p["stubble"], 0.35, 1.0)
    p["glasses_on"] = (p["glasses"] > 0.78).float()
    p["hat_on"] = (p["hat"] > 0.88).float()
    p["length"] = p["hair_length"] ** (0.65 + 2.0 * sex)
    p["recede"] = _ramp(p["hair_line"], 0.5, 1.0) * (0.1 + 0.9 * sex) * (0.05 + 0.95 * _ramp(age, 0.3, 0.8))
    p["bun"] = _ramp(p["hair_bun"], 0.72, 0.9) * (1 - sex)
    p["curl"] = _ramp(p["hair_curl"], 0.3, 1.0)
    p["volume"] = (0.15 + 0.85 * p["hair_volume"]) * (1 - 0.45 * p["recede"]) * (1 - 0.35 * p["hat_on"])
    p["grey"] = _ramp(age + 0.25 * (p["hair_shade"] - 0.5), 0.62, 0.95)
    p["happy"] = _ramp(p["smile"], 0.3, 1.0)
    p["sad"] = 1 - _ramp(p["smile"], 0.0, 0.22)
    p["teeth"] = _ramp(p["smile"], 0.5, 0.85)
    p["open"] = 0.11 * _ramp(p["mouth_open"], 0.45, 1.0) + 0.06 * p["teeth"]
    p["yaw_rad"] = (p["yaw"] - 0.5) * 2 * 0.45 * (0.35 + 0.65 * (2 * p["yaw"] - 1).abs())
    p["pitch_rad"] = (p["pitch"] - 0.5) * 2 * 0.2
    p["roll_rad"] = (p["roll"] - 0.5) * 2 * 0.2
    return p
