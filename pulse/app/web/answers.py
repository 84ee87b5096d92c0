"""Answers as the page keeps them: small, in memory, the oldest forgotten first; nothing of a visitor is on disk."""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pulse import pictures
from pulse.app.web.asked import SLIDERS, Asked
from pulse.app.web.limits import Limits
from pulse.fit_portrait import NAMES, to_unit
from pulse.operators import downsample
from pulse.pictures.gallery import disagreement_map
from pulse.pictures.sheet import SheetRow, contact_sheet
from pulse.result import Result
from stylegan.common.pixels import to_pil
from stylegan.portraits.units import UNITS

# Sides of pictures that are kept, in pixels.
_THUMBNAIL, _KEPT = 96, 64
# Of a map of where faces disagree.
_MAP = 400
# About what an answer takes beside its files.
_BESIDE = 50_000


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        number: of all answers of this page.
        asked: what it answers; asked again, it gives this answer alone.
        png: the file.
        thumbnail: a small WebP.
        result: the result with a small picture; it can be drawn again if the answer is drawn.
        seen: what the search saw on its way: portraits (1, K) of drawn answers, small WebPs of others.
        words: what it shows, and how well it fits.
        what: which of several faces it is, in a few words; "" of a single one.
        unsure: of samples, a PNG that shows where they disagree.
    """

    number: int
    asked: Asked
    png: bytes
    thumbnail: bytes
    result: Result
    seen: tuple[bytes | Tensor, ...]
    words: str
    what: str = ""
    unsure: bytes | None = None

    @property
    def drawn(self) -> bool:
        return self.result.made_by == "drawn"

    @property
    def bytes(self) -> int:
        seen = sum(one.nbytes if isinstance(one, Tensor) else len(one) for one in self.seen)
        return len(self.png) + len(self.thumbnail) + seen + len(self.unsure or b"") + _BESIDE

    @property
    def title(self) -> str:
        """What the picture is called, and which of several faces this is."""
        return f"{self.asked.name}, {self.what}" if self.what else self.asked.name


class Shelf:
    """The answers of all visitors, by visitor."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, list[Answer]] = OrderedDict()
        self._numbers = 0

    def number(self) -> int:
        """A number that no other answer has."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def keep(self, owner: str, answer: Answer) -> None:
        """Keeps an answer as its owner's newest, or in place of the one of the same number."""
        with self._lock:
            mine = self._kept.setdefault(owner, [])
            self._kept.move_to_end(owner)
            place = next((i for i, one in enumerate(mine) if one.number == answer.number), None)
            if place is None:
                mine.insert(0, answer)
            else:
                mine[place] = answer
            del mine[self.limits.kept :]
            while self._bytes() > self.limits.kept_bytes and len(self._kept) > 1:
                self._kept.popitem(last=False)

    def of(self, owner: str) -> list[Answer]:
        """The owner's answers, the newest first."""
        with self._lock:
            return list(self._kept.get(owner, ()))

    def find(self, owner: str, number: Any) -> Answer:
        """The owner's answer of a number.

        Raises:
            ValueError: in one sentence, if it is not there.
        """
        for answer in self.of(owner):
            if answer.number == number:
                return answer
        raise ValueError("That face is no longer remembered here; find it again.")

    def forget(self, owner: str) -> None:
        """Forgets all answers of a visitor who left."""
        with self._lock:
            self._kept.pop(owner, None)

    def _bytes(self) -> int:
        return sum(answer.bytes for mine in self._kept.values() for answer in mine)


def answer_of(
    number: int,
    asked: Asked,
    result: Result,
    seen: Sequence[bytes | Tensor] = (),
    *,
    what: str = "",
    unsure: bytes | None = None,
) -> Answer:
    """The answer that a result of one image is; further arguments as of `Answer`."""
    maker = asked.maker if result.made_by == "network" else "default"
    more = {"which": what} if what else {}
    text = pictures.story(result, 0, maker, source=asked.name, size=str(asked.side), link=f"?{asked.query()}", **more)
    image = to_pil(result.images[0])
    png = file_bytes("face.png", lambda path: pictures.write_picture(path, image, text))
    shows = result.describe() if result.made_by == "drawn" else ""
    said = [f"{words[:1].upper()}{words[1:]}." for words in (what, shows) if words]
    words = " ".join([*said, _fit_in_words(result, asked.target)])
    small = image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return Answer(number, asked, png, webp(small), _without_pixels(result), tuple(seen), words, what, unsure)


def map_of(unsure: Tensor) -> bytes:
    """A PNG of where faces disagree, from `pulse.disagreement`."""
    text = {"Software": pictures.software(), "synthetic": "true", "Description": "Where synthetic faces disagree."}
    return file_bytes("map.png", lambda path: pictures.write_picture(path, disagreement_map(unsure, _MAP), text))


def redrawn(result: Result, changed: Mapping[str, float], resolution: int | None = None) -> Result:
    """A drawn answer with what the sliders change, of any size; by default of the size that it has.

    Raises:
        ValueError: the answer was not drawn.
    """
    attributes: dict[str, Any] = dict(changed)
    return result.redraw(resolution=resolution, **attributes)


def attributes(answer: Answer) -> dict[str, float]:
    """Where the sliders stand for the answer as it was found; empty if it was not drawn."""
    if not answer.drawn:
        return {}
    unit = to_unit(answer.result.latents[0])[0]
    return {name: round(_measure(name, float(unit[NAMES.index(name)])), 3) for name in SLIDERS}


def sheet(answers: Sequence[Answer]) -> bytes:
    """A contact sheet of answers as a PNG."""
    rows = []
    for answer in answers:
        image = pictures.read_picture(Image.open(io.BytesIO(answer.png)))[0]
        target = answer.result.target[0]
        small = downsample(image[None], size=(target.shape[1], target.shape[2]))[0]
        error = float((small - target).square().mean())
        reached = error <= answer.result.settings["eps"]
        title = f"{answer.title}, seed {answer.asked.seed}"
        rows.append(SheetRow(title, target, image, small, error, reached, answer.words, made_by=answer.result.made_by))
    text = {"Software": pictures.software(), "synthetic": "true"}
    text["Description"] = "Synthetic faces; they show no real person."
    return file_bytes("sheet.png", lambda path: pictures.write_picture(path, contact_sheet(rows), text))


def webp(picture: Image.Image) -> bytes:
    """A picture as a small WebP, for looking at."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=86, method=2)
    return file.getvalue()


def picture_of(image: Tensor) -> bytes:
    """An image (3, H, W) in [0, 1] as a small WebP."""
    return webp(to_pil(image))


def url_of(data: bytes, kind: str) -> str:
    """A file as a `data:` address, which the page shows without another request."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def pixels_url(target: Tensor) -> str:
    """A target (1, 3, s, s) in [0, 1] as the address of a PNG of as many pixels."""
    file = io.BytesIO()
    to_pil(target[0]).save(file, "PNG")
    return url_of(file.getvalue(), "image/png")


def file_bytes(name: str, write: Callable[[Path], Any]) -> bytes:
    """The bytes of a file that `write` writes to the path it is given; the file itself is removed."""
    with TemporaryDirectory(prefix="pulse_app_") as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _fit_in_words(result: Result, asked: Tensor) -> str:
    side, levels = result.target.shape[-1], 255 * float(result.l2[0].clamp(min=0)) ** 0.5
    near = "as near as the search wants it" if bool(result.reached[0]) else "the best that was found"
    whose = "your pixels" if torch.equal(result.target, asked) else "the pixels that it was asked for"
    return f"Made {side}x{side}, it differs from {whose} by {levels:.0f} of 255 grey levels: {near}."


def _without_pixels(result: Result) -> Result:
    """The same with a picture of a few pixels, and without noise."""
    images = result.images
    if images.shape[-1] > _KEPT:
        images = downsample(images, size=_KEPT)
    return replace(result, images=images, noise=[], ws=result.ws.new_zeros(len(result), 0, 0))


def _measure(name: str, coordinate: float) -> float:
    """The angle, the age or the share that a coordinate from 0 to 1 stands for."""
    unit = UNITS.get(name)
    if unit is None:
        return coordinate
    low, high = unit.least, unit.most
    # `coordinate` grows with the measure.
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if unit.coordinate(middle) < coordinate else (low, middle)
    return (low + high) / 2


def blank() -> Tensor:
    """A white picture (1, 3, 16, 16), with which the drawing board begins."""
    return torch.ones(1, 3, 16, 16)
