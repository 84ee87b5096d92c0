"""What a visitor asks for, and the link that says it whole: options, seed and the pixels themselves."""

from __future__ import annotations

import base64
import binascii
import math
import operator
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlencode

import torch
from torch import Tensor

from pulse.app.web.limits import Limits
from pulse.options import DrawnOptions
from stylegan.checkpoints import zoo
from stylegan.common.console import printable
from stylegan.common.pixels import to_bytes

DRAWN = "drawn"
KINDS = ("any", "people")
RESOLUTIONS = (256, 512, 1024)
# Jonathan Fly's tricks that end in several faces; a picture is made soft before any of them.
TRICKS = ("none", "iterate", "explore")
# Of a drawn answer, what the page has sliders for: the lowest and highest value.
SLIDERS: dict[str, tuple[float, float]] = {
    "yaw": (-25, 25),
    "pitch": (-11, 11),
    "age": (4, 80),
    "smile": (0, 1),
    "light_side": (0, 1),
    "light_height": (0, 1),
}
_SMALLEST = 8
# Stages of an answer that is answered again.
STAGES = (2, 10)
_STAGES = 5
_NAME = 80
_MOST_SEED = 2**32 - 1
# More faces than one request ever gives.
_SHOWN = 100


def makers() -> dict[str, str]:
    """Who can answer, and the words that the page shows: the renderer, and the named generators on this machine.

    A generator that would have to be fetched is not among them, so that no visitor starts a download.
    """
    found = {DRAWN: "Drawn portrait"}
    for model in zoo.MODELS:
        # Two names of one file.
        if model.here() is not None and model.name != "portraits128":
            found[model.name] = f"Network {model.name}, {model.resolution} px"
    return found


@dataclass(frozen=True)
class Asked:
    """One request.

    Args:
        side: of the small picture, in pixels.
        rgb: its side * side * 3 bytes, row by row.
        name: what the picture is called.
        maker: one of `makers`.
        kind: of a drawn answer, as of `pulse.draw`.
        fidelity: of a drawn answer, as of `pulse.draw`.
        resolution: of a drawn answer, one of `RESOLUTIONS`.
        samples: how many faces, as different as they can be (`pulse.samples`).
        seed: of the first one.
        trick: one of `TRICKS`: the answer is answered again and again (`pulse.iterate`), or the picture is answered
            moved, scaled and resampled (`pulse.explore`).
        stages: of `trick="iterate"`.
        soften: whether the picture's edges are made soft first (`pulse.soften`).
        shown: which of several faces is shown, from 0; None for the last stage, and else the first.
        changed: what the sliders change of that face, if it is drawn, by the names of `SLIDERS`.

    Raises:
        ValueError: in one sentence, for a value that the page does not offer.
    """

    side: int
    rgb: bytes
    name: str = "picture"
    maker: str = DRAWN
    kind: str = "any"
    fidelity: float = DrawnOptions.fidelity
    resolution: int = DrawnOptions.resolution
    samples: int = 1
    seed: int = 0
    trick: str = "none"
    stages: int = _STAGES
    soften: bool = False
    shown: int | None = None
    changed: Mapping[str, float] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not _SMALLEST <= self.side <= self.limits.side:
            raise ValueError(
                f"The picture is {self.side} pixels wide; draw one of {_SMALLEST} to {self.limits.side} pixels."
            )
        if len(self.rgb) != 3 * self.side**2:
            raise ValueError("The picture has too few or too many pixels; draw it again, or drop a picture.")
        if self.maker not in makers():
            raise ValueError(
                f"The generator {printable(self.maker, 40)!r} is not offered here; choose another from the list."
            )
        if self.kind not in KINDS:
            raise ValueError(f"The kind is {printable(self.kind, 40)!r}; choose one of {', '.join(KINDS)}.")
        if self.resolution not in RESOLUTIONS:
            raise ValueError(f"The size is {self.resolution} px; choose one of {', '.join(map(str, RESOLUTIONS))}.")
        if not 1 <= self.samples <= self.limits.samples:
            raise ValueError(f"The number of faces is {self.samples}; give from 1 to {self.limits.samples}.")
        if self.trick not in TRICKS:
            raise ValueError(f"The trick is {printable(self.trick, 40)!r}; choose one of {', '.join(TRICKS)}.")
        if not STAGES[0] <= self.stages <= STAGES[1]:
            raise ValueError(f"The number of stages is {self.stages}; give from {STAGES[0]} to {STAGES[1]}.")
        if self.trick != "none" and self.samples > 1:
            raise ValueError(f"The trick {self.trick} gives several faces of its own; ask for one face with it.")
        if self.shown is not None and not 0 <= self.shown < _SHOWN:
            raise ValueError(f"The face that is shown is {self.shown}; give a number from 0 to {_SHOWN - 1}.")
        if not 0 <= self.seed <= _MOST_SEED:
            raise ValueError(f"The seed is {self.seed}; give a whole number from 0 to {_MOST_SEED}.")
        # Checked by the one list of options.
        DrawnOptions(self.kind, self.resolution, self.fidelity)
        check_changed(self.changed)

    @property
    def target(self) -> Tensor:
        """The small picture (1, 3, side, side) in [0, 1]."""
        pixels = torch.frombuffer(bytearray(self.rgb), dtype=torch.uint8).view(1, self.side, self.side, 3)
        return pixels.permute(0, 3, 1, 2).float() / 255

    def query(self) -> str:
        """The query of a link that asks for the same again."""
        packed = base64.urlsafe_b64encode(zlib.compress(bytes([self.side]) + self.rgb, 9)).decode().rstrip("=")
        said: dict[str, Any] = {"pixels": packed, "seed": self.seed}
        plain = {one.name: one.default for one in fields(self)}
        names = ("name", "maker", "kind", "fidelity", "resolution", "samples", "trick", "stages", "soften", "shown")
        for name in names:
            value = getattr(self, name)
            if value != plain[name]:
                said[name] = int(value) if isinstance(value, bool) else value
        return urlencode(said | {name: f"{value:g}" for name, value in self.changed.items()})


def from_query(query: Mapping[str, str], limits: Limits) -> Asked | None:
    """What a link asks for; None where it holds no pixels.

    Raises:
        ValueError: in one sentence, if the link is damaged, or asks for what is not offered.
    """
    if "pixels" not in query:
        return None
    side, rgb = _unpacked(query["pixels"], limits)
    given: dict[str, Any] = {
        "name": named(query.get("name")),
        "maker": query.get("maker", DRAWN),
        "kind": query.get("kind", "any"),
        "trick": query.get("trick", "none"),
    }
    for name in ("seed", "samples", "resolution", "fidelity", "stages", "soften", "shown"):
        if name in query:
            given[name] = _number(name, query[name], float if name == "fidelity" else int)
    if "soften" in given:
        given["soften"] = given["soften"] != 0
    changed = {name: _number(name, query[name], float) for name in SLIDERS if name in query}
    return Asked(side, rgb, **given, changed=changed, limits=limits)


def from_board(value: Any, **given: Any) -> Asked:
    """What is asked for the picture on the drawing board; `given` are further fields of `Asked`.

    Args:
        value: what the board says of itself: "side", "rgb" in hexadecimal digits, and perhaps "name".

    Raises:
        ValueError: in one sentence, if that is no picture, or a field has no such value.
    """
    try:
        side, rgb = operator.index(value["side"]), bytes.fromhex(value["rgb"])
    except (TypeError, KeyError, ValueError):
        raise ValueError("There is no picture yet; draw one, drop one, or take an example.") from None
    return Asked(side, rgb, named(value.get("name")), **given)


def to_board(target: Tensor, name: str = "picture", notes: list[str] | None = None) -> dict[str, Any]:
    """What the drawing board shows for a target (1, 3, s, s) in [0, 1]; the inverse of `from_board`."""
    pixels = to_bytes(target[0]).permute(1, 2, 0).contiguous()
    return {"side": target.shape[-1], "rgb": pixels.numpy().tobytes().hex(), "name": name, "notes": notes or []}


def named(given: Any) -> str:
    """A picture's name as it may be shown: no folders, nothing invisible, not long."""
    if not isinstance(given, str):
        return "picture"
    return printable(given.replace("\\", "/").rsplit("/", 1)[-1], _NAME) or "picture"


def check_changed(changed: Any) -> dict[str, float]:
    """What the sliders say, as numbers.

    Raises:
        ValueError: there is no such slider, or its value is outside of what it offers.
    """
    if not isinstance(changed, Mapping):
        raise ValueError("The sliders say nothing that can be read; move one of them again.")
    for name, value in changed.items():
        low, high = SLIDERS.get(name, (math.inf, math.inf))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            shown = printable(name, 40)
            raise ValueError(f"The slider {shown} has no value {printable(value, 40)}; move it again.")
    return {name: float(value) for name, value in changed.items()}


def _unpacked(packed: str, limits: Limits) -> tuple[int, bytes]:
    """The side and the bytes of a picture in a link; a link cannot make more of them than a picture may have."""
    damaged = ValueError("The link is damaged: it holds no picture; copy it again, whole.")
    most = 1 + 3 * limits.side**2
    try:
        data = base64.urlsafe_b64decode(packed[: 2 * most] + "=" * (-len(packed) % 4))
        reader = zlib.decompressobj()
        pixels = reader.decompress(data, most)
    except (ValueError, binascii.Error, zlib.error):
        raise damaged from None
    if not pixels or not reader.eof:
        raise damaged
    return pixels[0], pixels[1:]


def _number(name: str, given: str, kind: type[int] | type[float]) -> Any:
    try:
        return kind(given[:_NAME])
    except ValueError:
        raise ValueError(f"The link says {name}={printable(given, 40)}; give a number there.") from None
