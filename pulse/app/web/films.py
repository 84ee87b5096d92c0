"""Films of an answer that the page offers: its search, its pixels as they become the face, its head as it turns."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

from PIL import Image
from torch import Tensor

from pulse import pictures
from pulse.app.web.answers import Answer, file_bytes, redrawn
from pulse.app.web.jobs import Job, Progress
from pulse.depixelizer.films import film_of_zoom
from pulse.films.answers import SIDE, Film, beside, enlarged, film_of_morph, film_of_turn, reduced
from pulse.fit_portrait import drawn, to_unit
from pulse.state import SearchState
from stylegan.common.pixels import to_pil

# Faces that are found for a zoom: as many as take about as long as one sample more.
_ZOOMED = 5
# Seconds that a search takes in its film, at least for each picture of it, and for which its last one stands still.
_SEARCH, _LEAST, _LAST = 4.0, 0.1, 1.4


def film_kinds(answer: Answer) -> tuple[str, ...]:
    """Which films there are of an answer."""
    kinds = ["search"] if answer.seen else []
    kinds.append("morph")
    if answer.drawn:
        kinds += ["turn", "zoom"]
        # A map of where faces disagree is of several.
        kinds += ["samples"] if answer.unsure is not None else []
    return tuple(kinds)


def found_with(answer: Answer, every: Sequence[Answer]) -> list[Answer]:
    """Those of `every` that were found by the same request as the answer, which comes first, by their place in it."""
    asked = replace(answer.asked, shown=None, changed={})
    others = [
        one
        for one in every
        if one.number != answer.number and one.drawn and replace(one.asked, shown=None, changed={}) == asked
    ]
    return [answer, *sorted(others, key=lambda one: one.asked.shown or 0)]


def ending() -> str:
    """Of the files of films: MP4 where PyAV is there, else WebP."""
    return ".webp" if importlib.util.find_spec("av") is None else ".mp4"


def film(job: Job, answer: Answer, kind: str, every: Sequence[Answer] = ()) -> bytes:
    """A film of an answer, one of `film_kinds`, as the bytes of a file; a job that must end has its first frames.

    Args:
        job: is told how far it is.
        answer: what the film is of.
        kind: which film.
        every: all answers of its visitor, among which are those that were found with it.

    Raises:
        ValueError: in one sentence, if there is no such film.
    """
    if kind not in film_kinds(answer):
        raise ValueError("There is no such film of this face; choose another.")
    if kind == "turn":
        whole = film_of_turn(redrawn(answer.result, answer.asked.changed, answer.result.images.shape[-1]))
    elif kind == "morph":
        whole = film_of_morph(replace(answer.result, images=_face(answer)))
    elif kind == "samples":
        whole = film_of_morph([replace(one.result, images=_face(one)) for one in found_with(answer, every)])
    elif kind == "zoom":
        whole = _zoom(job, answer)
    else:
        whole = _search(answer)
    told = replace(whole, draw=lambda: _told(job, whole))
    text = {"Description": "Synthetic face; it shows no real person.", "source": answer.title}
    text["link"] = f"?{answer.asked.query()}"
    return file_bytes(f"film{ending()}", lambda path: told.save(path, text=text))


def _search(answer: Answer) -> Film:
    """The small picture, and beside it the best face so far."""

    def draw() -> Iterator[Tensor]:
        left = enlarged(answer.result.target[0], SIDE)
        for seen in answer.seen:
            if isinstance(seen, Tensor):
                yield beside(left, drawn(to_unit(seen), SIDE)[0])
            else:
                yield beside(left, reduced(pictures.read_picture(Image.open(io.BytesIO(seen)))[0], SIDE))
        yield beside(left, reduced(_face(answer)[0], SIDE))

    each = max(_LEAST, _SEARCH / max(len(answer.seen), 10))
    return Film(draw, [each] * len(answer.seen) + [_LAST])


def _zoom(job: Job, answer: Answer) -> Film:
    """A zoom into the pixels, and the face of what is seen of them; of a job that must end, as far as it came."""
    asked = answer.asked

    def follow(step: int, state: SearchState) -> bool:
        part = (state.batch + step / max(1, state.steps)) / state.batches
        # The rest is the drawing of the film.
        words = f"Finding the faces of the film: {state.batch + 1} of {state.batches}"
        job.tell(Progress(0.9 * part, words, None))
        return job.must_end

    return film_of_zoom(
        to_pil(answer.result.target[0]),
        faces=_ZOOMED,
        callback=follow,
        size=asked.side,
        grid="off",
        notes=[],
        seed=asked.seed,
        finish="drawn",
        kind=asked.kind,
        fidelity=asked.fidelity,
    )


def _face(answer: Answer) -> Tensor:
    """The face (1, 3, H, W) as it is shown."""
    return pictures.read_picture(Image.open(io.BytesIO(answer.png)))


def _told(job: Job, whole: Film) -> Iterator[Tensor]:
    """The frames, each of which the job is told of."""
    for number, frame in enumerate(whole):
        yield frame
        words = f"Drawing the film: frame {number + 1} of {len(whole)}"
        job.tell(Progress((number + 1) / len(whole), words))
        if job.must_end:
            return
