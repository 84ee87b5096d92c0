"""What the workers do: find faces, redraw them, make films. Nothing here knows of the page."""

from __future__ import annotations

import base64
import binascii
import functools
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import pulse
from pulse import pictures
from pulse.app import sprites
from pulse.app.web.answers import Answer, Shelf, answer_of, file_bytes, picture_of, redrawn, webp
from pulse.app.web.asked import DRAWN, Asked
from pulse.app.web.jobs import Job
from pulse.app.web.limits import Limits
from pulse.depixelizer import crop_picture
from pulse.generators import load_generator
from pulse.pictures.film import write_film
from pulse.result import Result
from pulse.state import SearchState
from stylegan import portraits
from stylegan.common import pictures as files
from stylegan.common.pixels import to_pil
from stylegan.portraits import encoder

# Of a film: its side, frames a second, how long the input stands still, how far the head turns, and its frames.
_FILM, _FPS, _STILL, _TURN, _FRAMES = 256, 15, 10, 20.0, 16
# What the board can show of a picture that is dropped, and how many sprites of a sheet.
PARTS, _PIECES = ("all", "head", "sheet"), 48
# The most previews of one search that are kept for its film.
_SEEN = 40
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        part: from 0 to 1.
        words: what it is doing.
        preview: the best face so far as a WebP; None where there is none yet.
        found: answers that are done.
    """

    part: float
    words: str
    preview: bytes | None = None
    found: tuple[Answer, ...] = ()


def warm_up() -> None:
    """Loads what the first visitor would wait for."""
    encoder.read(sprites.load(sprites.names()[0]))
    portraits.render(portraits.sample(1, torch.Generator().manual_seed(0), "characters"), 64)


def find_faces(job: Job, asked: Asked, shelf: Shelf) -> tuple[Answer, ...]:
    """Finds the answers to a request; a job that must end has its best so far."""
    found: list[Answer] = []
    for i in range(asked.samples):
        if job.left or (found and job.must_end):
            break
        # Asked so, it is this face alone.
        this = replace(asked, seed=asked.seed + i, samples=1)
        which = f"Face {i + 1} of {asked.samples}: step" if asked.samples > 1 else "Step"
        watcher = _Watcher(job, which, i, asked.samples, tuple(found))
        result = _search(this, watcher)
        if this.changed and result.made_by == "drawn":
            result = redrawn(result, this.changed)
        else:
            this = replace(this, changed={})
        answer = answer_of(shelf.number(), this, result, watcher.seen())
        if not job.left:
            shelf.keep(job.owner, answer)
        found.append(answer)
    return tuple(found)


def read_upload(data: Any, size: int, part: Any, limits: Limits, notes: list[str]) -> list[tuple[str, Tensor]]:
    """What the drawing board shows of a file that the page sent in base64: names, and targets of `size` pixels a side.

    Args:
        data: the file.
        size: pixels along a side; a picture of fewer keeps its own.
        part: one of `PARTS`: all of it, the head of the figure in it, or each sprite of a sheet.
        limits: of the file.
        notes: gets a sentence for each surprise.

    Raises:
        ValueError: in one sentence, if it is too large, or no picture that can be read.
    """
    if part not in PARTS:
        raise ValueError(f"Of a picture can be taken {', '.join(PARTS)}; choose one of them.")
    if not isinstance(data, str):
        raise ValueError("No picture came; drop one, or choose a file.")
    if len(data) > limits.file_bytes * 4 // 3 + 4:
        raise ValueError(f"The picture has more than {limits.file_bytes >> 20} MiB; make it smaller first.")
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ValueError("The picture came damaged; drop it again.") from None
    # A photograph is made small anyway; heads and sprites are looked for in all pixels.
    largest = 32 * size if part == "all" else None
    picture = files.read(io.BytesIO(content), name="The picture", limit=limits.pixels, largest=largest, notes=notes)
    if part == "sheet":
        pieces = pulse.cut_sheet(picture, notes=notes)
        if len(pieces) > _PIECES:
            notes.append(f"The first {_PIECES} are shown.")
        return [
            (piece.name, pictures.read_target(piece.picture, limits.side, size, grid="off"))
            for piece in pieces[:_PIECES]
        ]
    if part == "head":
        head = crop_picture(picture, head=True, notes=notes)
        return [("head", pictures.read_target(head, limits.side, size, grid="off", notes=notes))]
    return [("", pictures.read_target(picture, limits.side, size, notes=notes))]


def film(job: Job, answer: Answer) -> bytes:
    """A film as an animated WebP: the pixels, the search on its way, the face, and the head turning if it is drawn."""
    frames = list(_film_frames(job, answer))
    text = {"Description": "Synthetic face; it shows no real person.", "source": answer.asked.name}
    return file_bytes("film.webp", lambda path: write_film(path, frames, fps=_FPS, text=text))


def _search(asked: Asked, callback: Callable[[int, SearchState], bool]) -> Result:
    target, seed = asked.target, asked.seed
    if asked.maker == DRAWN:
        return pulse.draw(
            target,
            kind=asked.kind,
            resolution=asked.resolution,
            fidelity=asked.fidelity,
            seed=seed,
            callback=callback,
        )
    G, lock = _network(asked.maker)
    # One search at a time changes the state of a network.
    with lock:
        return pulse.search(G, target, finish="network", method="fast", seed=seed, callback=callback)


@functools.lru_cache(maxsize=2)
def _loaded(name: str) -> tuple[Any, threading.Lock]:
    return load_generator(name), threading.Lock()


def _network(name: str) -> tuple[Any, threading.Lock]:
    with _LOCK:
        return _loaded(name)


class _Watcher:
    """Tells a job how far one search is, and keeps what it saw on its way.

    Args:
        job: is told.
        which: words before the number of the step.
        done, of: how many searches of the job are done, of how many.
        found: their answers.
    """

    def __init__(self, job: Job, which: str, done: int, of: int, found: tuple[Answer, ...]) -> None:
        self.job, self.which, self.done, self.of, self.found = job, which, done, of, found
        self._seen: list[bytes] = []

    def __call__(self, step: int, state: SearchState) -> bool:
        """The callback of a search; whether it must end."""
        preview = picture_of(state.best.images[0])
        if not self._seen or self._seen[-1] != preview:
            self._seen.append(preview)
        part = (self.done + step / max(1, state.steps)) / self.of
        self.job.tell(Progress(part, f"{self.which} {step} of {state.steps}", preview, self.found))
        return self.job.must_end

    def seen(self) -> list[bytes]:
        """At most `_SEEN` of the previews, evenly spread."""
        return self._seen[:: max(1, -(-len(self._seen) // _SEEN))]


def _film_frames(job: Job, answer: Answer) -> Iterator[Image.Image]:
    def shown(data: bytes | Image.Image, kernel: Image.Resampling) -> Image.Image:
        picture = data if isinstance(data, Image.Image) else Image.open(io.BytesIO(data))
        return picture.convert("RGB").resize((_FILM, _FILM), kernel)

    yield from [shown(to_pil(answer.asked.target[0]), Image.Resampling.NEAREST)] * _STILL
    for preview in answer.seen:
        yield from [shown(preview, Image.Resampling.BICUBIC)] * 2
    yield from [shown(answer.png, Image.Resampling.LANCZOS)] * _STILL
    if not answer.drawn:
        return
    turned: list[Image.Image] = []
    for i in range(_FRAMES):
        if job.must_end:
            break
        yaw = _TURN * (2 * i / (_FRAMES - 1) - 1)
        turned.append(to_pil(redrawn(answer.result, {**answer.asked.changed, "yaw": yaw}, _FILM).images[0]))
        job.tell(Progress((i + 1) / _FRAMES, f"Drawing the film: frame {i + 1} of {_FRAMES}"))
    middle = len(turned) // 2
    # From the middle to one side, to the other, and back.
    yield from turned[middle:] + turned[::-1] + turned[:middle]


def thumbnail_of(sprite: str) -> bytes:
    """A sprite of ours as a WebP of as many pixels as it has, without loss."""
    file = io.BytesIO()
    to_pil(sprites.load(sprite)[0]).save(file, "WEBP", lossless=True)
    return file.getvalue()


def preview_of(result: Result) -> bytes:
    """The picture of a result as a WebP."""
    return webp(to_pil(result.images[0]))
