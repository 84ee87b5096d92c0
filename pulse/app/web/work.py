"""What the workers do: find faces, and read what is dropped. Nothing here knows of the page."""

from __future__ import annotations

import base64
import binascii
import functools
import io
import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import pulse
from pulse import pictures
from pulse.app import sprites
from pulse.app.web.answers import Answer, Shelf, answer_of, map_of, picture_of, redrawn, webp
from pulse.app.web.asked import DRAWN, Asked
from pulse.app.web.jobs import Job, Progress
from pulse.app.web.limits import MIB, Limits
from pulse.depixelizer import crop_picture
from pulse.depixelizer.one import large_enough
from pulse.depixelizer.tricks import soften_pillow
from pulse.generators import load_generator
from pulse.operators import downsample
from pulse.result import Result
from pulse.state import SearchState
from stylegan import portraits
from stylegan.common import pictures as files
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil
from stylegan.portraits import encoder, prototypes

# What the board can show of a picture that is dropped, and how many sprites of a sheet.
PARTS, _PIECES = ("all", "head", "sheet"), 48
# The most previews of one search that are kept for its film.
_SEEN = 40
# The most faces that one preview shows, and the pixels along a side of each.
_TOGETHER, _BESIDE = 16, 64
_LOCK = threading.Lock()


def warm_up() -> None:
    """Loads what the first visitor would wait for."""
    first = sprites.load(sprites.names()[0])
    encoder.read(first)
    prototypes.dressed(first, 1)
    portraits.render(portraits.sample(1, torch.Generator().manual_seed(0), "characters"), 64)


def find_faces(job: Job, asked: Asked, shelf: Shelf) -> tuple[Answer, ...]:
    """Finds the answers to a request; a job that must end has its best so far.

    Returns:
        The answers, the one that is to be shown first.
    """
    watcher = _Watcher(job, asked)
    found = _answered(asked, watcher)
    if not found or job.left:
        return ()
    last = len(found) - 1
    shown = (last if asked.trick == "iterate" else 0) if asked.shown is None else min(asked.shown, last)
    unsure = None
    if asked.trick == "none" and len(found) > 1:
        unsure = map_of(pulse.disagreement(torch.cat([result.images for _, result in found])))
    answers = []
    for i, (what, result) in enumerate(found):
        this = replace(asked, shown=i if len(found) > 1 else None, changed={})
        if i == shown and asked.changed and result.made_by == "drawn":
            this, result = replace(this, changed=asked.changed), redrawn(result, asked.changed)
        seen = watcher.seen(i if asked.trick == "iterate" else 0) if asked.trick != "explore" else []
        answers.append(answer_of(shelf.number(), this, result, seen, what=what, unsure=unsure))
    # The newest is the first on the shelf.
    for answer in reversed(answers):
        shelf.keep(job.owner, answer)
    return (answers[shown], *answers[:shown], *answers[shown + 1 :])


def read_upload(data: Any, size: int, part: Any, limits: Limits, notes: list[str]) -> list[tuple[str, Tensor]]:
    """What the drawing board shows of a file that the page sent in base64: names, and targets of `size` pixels a side.

    Args:
        data: the file.
        size: pixels along a side; a picture of fewer keeps its own, from 8 on.
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
        raise ValueError(f"The picture has more than {limits.file_bytes / MIB:g} MiB; make it smaller first.")
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
        few = pieces[:_PIECES]
        targets = [pictures.read_target(piece.picture, limits.side, size, grid="off") for piece in few]
        return [(piece.name, large_enough(target, [])) for piece, target in zip(few, targets, strict=True)]
    if part == "head":
        head = crop_picture(picture, head=True, notes=notes)
        found = ("head", pictures.read_target(head, limits.side, size, grid="off", notes=notes))
    else:
        found = ("", pictures.read_target(picture, limits.side, size, notes=notes))
    return [(found[0], large_enough(found[1], notes))]


def _answered(asked: Asked, callback: Callable[[int, SearchState], bool]) -> list[tuple[str, Result]]:
    """The faces that a request asks for, each of one image, and what each of several is."""
    picture = to_pil(asked.target[0])
    if asked.soften:
        picture = soften_pillow(picture)
    how: dict[str, Any] = {"size": asked.side, "grid": "off", "notes": [], "seed": asked.seed, "callback": callback}
    lock: AbstractContextManager[Any] = nullcontext()
    if asked.maker == DRAWN:
        how |= {"finish": "drawn", "kind": asked.kind, "resolution": asked.resolution, "fidelity": asked.fidelity}
    else:
        G, lock = _network(asked.maker)
        how |= {"generator": G, "finish": "network", "method": "fast"}
    # One search at a time changes the state of a network.
    with lock:
        if asked.trick == "iterate":
            stages = pulse.iterate(picture, asked.stages, **how)
            return [(f"stage {i + 1}", stage) for i, stage in enumerate(stages) if isinstance(stage, Result)]
        if asked.trick == "explore":
            return [(variant.name, variant.answer) for variant in pulse.explore(picture, **how)]
        found = list(pulse.samples(picture, asked.samples, **how))
    return [(f"sample {i + 1} of {len(found)}" if len(found) > 1 else "", one) for i, one in enumerate(found)]


@functools.lru_cache(maxsize=2)
def _loaded(name: str) -> tuple[Any, threading.Lock]:
    return load_generator(name), threading.Lock()


def _network(name: str) -> tuple[Any, threading.Lock]:
    with _LOCK:
        return _loaded(name)


class _Watcher:
    """Tells a job how far its searches are, and keeps what it saw of the first face of each on its way."""

    def __init__(self, job: Job, asked: Asked) -> None:
        self.job, self.asked = job, asked
        self._seen: dict[int, list[bytes | Tensor]] = {}

    def __call__(self, step: int, state: SearchState) -> bool:
        """The callback of a search; whether it must end."""
        images = state.best.images[state.start == 0]
        first = picture_of(images[0])
        # What is drawn can be drawn again.
        self._keep(state.batch, state.best.latents[0].clone() if self.asked.maker == DRAWN else first)
        # Where several are found at once, as many as make a square. Networks have several starts for each.
        several = self.asked.trick == "explore" or (self.asked.samples > 1 and state.batch > 0)
        side = math.isqrt(min(len(images), _TOGETHER)) if several else 1
        preview = first if side == 1 else picture_of(grid(_small(images[: side**2]), side))
        part = (state.batch + step / max(1, state.steps)) / state.batches
        self.job.tell(Progress(part, self._words(step, state), preview))
        return self.job.must_end

    def _keep(self, search: int, one: bytes | Tensor) -> None:
        seen = self._seen.setdefault(search, [])
        if not seen or not _alike(seen[-1], one):
            seen.append(one)

    def _words(self, step: int, state: SearchState) -> str:
        which = ""
        if self.asked.trick == "iterate":
            which = f"Stage {state.batch + 1} of {state.batches}: "
        elif self.asked.trick == "explore":
            which = "The variants: "
        elif self.asked.samples > 1:
            which = "The first face: " if state.batch == 0 else "The other faces: "
        words = f"{which}step {step} of {state.steps}"
        return words[:1].upper() + words[1:]

    def seen(self, search: int) -> list[bytes | Tensor]:
        """At most `_SEEN` of what was seen of one search, evenly spread; see `Answer.seen`."""
        seen = self._seen.get(search, [])
        return seen[:: max(1, -(-len(seen) // _SEEN))]


def _alike(a: bytes | Tensor, b: bytes | Tensor) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b or a == b


def _small(images: Tensor) -> Tensor:
    return images if images.shape[-1] <= _BESIDE else downsample(images, size=_BESIDE).clamp(0, 1)


def thumbnail_of(sprite: str) -> bytes:
    """A sprite of ours as a WebP of as many pixels as it has, without loss."""
    file = io.BytesIO()
    to_pil(sprites.load(sprite)[0]).save(file, "WEBP", lossless=True)
    return file.getvalue()


def preview_of(result: Result) -> bytes:
    """The picture of a result as a WebP."""
    return webp(to_pil(result.images[0]))
