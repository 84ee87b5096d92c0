"""What happens when something on the page is used."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from pulse.app.web import views
from pulse.app.web.answers import Shelf, answer_of, blank, redrawn, sheet, url_of
from pulse.app.web.asked import (
    DRAWN,
    Asked,
    check_changed,
    from_board,
    from_query,
    named,
    to_board,
)
from pulse.app.web.films import ending, film
from pulse.app.web.jobs import Job, Pool, Turns
from pulse.app.web.limits import Limits
from pulse.app.web.work import find_faces, preview_of, read_upload
from stylegan.common.console import printable

# Of the picture that follows a slider at once, in pixels.
_QUICK = 128
# Who asks how far a job is, is answered as soon as there are news, or after so many seconds.
_TOLD = 0.5
# Pictures that are read or drawn again at once, beside the jobs.
_AT_ONCE = 2
_SEEDS = 10_000


@dataclass(frozen=True)
class _Begun:
    """The last job of a visitor: what the stage shows meanwhile, and what stage and gallery show in the end."""

    job: Job
    meanwhile: Callable[[], Any]
    ended: Callable[[], tuple[Any, Any]]


class Page:
    """What the page does for its visitors. Every visitor has a session, a random number that Gradio gives out.

    Each event is one request and its answer. Gradio's queue answers over a stream instead, and forgets what is asked at
    the moment when its stream ends; so the page asks again and again (`look`) while a job runs.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pool, self.shelf = Pool(limits), Shelf(limits)
        self._begun: dict[str, _Begun] = {}
        self._reading, self._drawing = (Turns(_AT_ONCE, 4 * limits.waiting) for _ in range(2))

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """What a visitor sees first: the page as it was built, or what their link holds."""
        query = dict(request.query_params)
        try:
            asked = from_query(query, self.limits)
        except ValueError as error:
            board = {**to_board(blank()), "notes": [str(error)], "bad": True}
            return board, *self._options(None), False
        if asked is None:
            # The page is as it was built. Its visitor may have begun to draw.
            return gr.skip(), *[gr.skip()] * len(self._options(None)), False
        begin = {"changed": dict(asked.changed), "shown": asked.shown}
        return to_board(asked.target, asked.name), *self._options(asked), begin

    def upload(self, board: Any, event: gr.EventData) -> dict[str, Any]:
        """The picture that was dropped, as the board shows it; or the board as it was, with what is wrong."""
        data = event._data if isinstance(event._data, dict) else {}
        side = data.get("side")
        notes: list[str] = []
        try:
            if side not in (8, 16, 24, 32):
                raise ValueError("The board has no such size; choose another.")
            with self._reading:
                found = read_upload(data.get("data"), side, data.get("part"), self.limits, notes)
        except ValueError as error:
            kept = board if isinstance(board, dict) else {}
            return {**kept, "notes": [str(error)], "bad": True, **_answer_to(event)}
        name = named(data.get("name"))
        pieces = [to_board(target, f"{name} {piece}".strip()) for piece, target in found]
        return {**pieces[0], "notes": notes, "pieces": pieces if len(pieces) > 1 else [], **_answer_to(event)}

    def find(
        self,
        begin: Any,
        board: Any,
        maker: str,
        kind: str,
        samples: float,
        fidelity: float,
        resolution: int,
        seed: Any,
        soften: bool,
        trick: str,
        stages: float,
        stage: Any,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Begins to find faces for the board's picture.

        `begin` is False where there is nothing to find, and otherwise what a link says beside the options: which of
        several faces it shows, and what its sliders change.

        Returns:
            The stage, the gallery, the two buttons and the clock that asks how far it is.
        """
        if begin is False:
            return (gr.skip(),) * 5
        try:
            asked = from_board(
                board,
                maker=maker,
                kind=kind,
                samples=int(samples),
                fidelity=float(fidelity),
                resolution=int(resolution),
                seed=_seed(seed),
                soften=soften is True,
                trick=trick,
                stages=int(stages),
                shown=begin.get("shown"),
                changed=check_changed(begin.get("changed", {})),
                limits=self.limits,
            )
            owner = str(request.session_hash)
            job = self.pool.submit(owner, partial(find_faces, asked=asked, shelf=self.shelf))
        except (ValueError, TypeError, OverflowError) as error:
            return views.failed_stage(_sentence(error), stage), *(gr.skip(),) * 4
        meanwhile = lambda: views.working_stage(job, asked, self.pool.before(job))  # noqa: E731
        self._await(owner, _Begun(job, meanwhile, lambda: self._found(job, owner, stage)))
        return meanwhile(), gr.skip(), *_buttons(working=True)

    def look(self, request: gr.Request) -> tuple[Any, ...]:
        """How far the visitor's job is; waits a moment for news. Returns the same as `find`."""
        owner = str(request.session_hash)
        begun = self._begun.get(owner)
        if begun is None:
            return gr.skip(), gr.skip(), *_buttons(working=False)
        job = begun.job
        job.wait(_TOLD)
        if not job.over:
            return begun.meanwhile(), *(gr.skip(),) * 4
        # Whoever asks again has not got it: a connection may break.
        return *begun.ended(), *_buttons(working=False)

    def stop(self, request: gr.Request) -> None:
        """Ends the visitor's job with its best so far."""
        self.pool.stop(str(request.session_hash))

    def leave(self, request: gr.Request) -> None:
        """The visitor closed the page."""
        owner = str(request.session_hash)
        self.pool.stop(owner, left=True)
        self._begun.pop(owner, None)
        self.shelf.forget(owner)

    def choose(self, stage: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """Shows an answer of the gallery."""
        owner = str(request.session_hash)
        try:
            answer = self.shelf.find(owner, _number_of(event))
        except ValueError as error:
            return views.failed_stage(str(error), stage), gr.skip()
        return views.answer_stage(answer), views.gallery(self.shelf.of(owner), answer.number)

    def turn_quickly(self, stage: Any, event: gr.EventData, request: gr.Request) -> Any:
        """A small picture of the answer as the sliders stand."""
        try:
            answer = self.shelf.find(str(request.session_hash), _number_of(event))
            changed = check_changed(event._data.get("changed"))
            with self._drawing:
                picture = preview_of(redrawn(answer.result, changed, _QUICK))
        except ValueError as error:
            return {**views.failed_stage(str(error), stage), **_answer_to(event)}
        shown = stage if isinstance(stage, dict) else {}
        return {
            **shown,
            "answer": url_of(picture, "image/webp"),
            "status": "Drawing it in full ...",
            **_answer_to(event),
        }

    def turn_fully(self, stage: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """The answer as the sliders stand, of its full size; it takes the place of the one before in the gallery."""
        owner = str(request.session_hash)
        try:
            answer = self.shelf.find(owner, _number_of(event))
            changed = check_changed(event._data.get("changed"))
            with self._drawing:
                result = redrawn(answer.result, changed, answer.asked.resolution)
        except ValueError as error:
            return {**views.failed_stage(str(error), stage), **_answer_to(event)}, gr.skip()
        asked = replace(answer.asked, changed=changed)
        fresh = answer_of(answer.number, asked, result, answer.seen, what=answer.what, unsure=answer.unsure)
        # The sliders count from the answer as it was found.
        fresh = replace(fresh, result=answer.result)
        self.shelf.keep(owner, fresh)
        return {**views.answer_stage(fresh), **_answer_to(event)}, views.gallery(self.shelf.of(owner), fresh.number)

    def get(self, stage: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Begins to make a sheet or a film, which the browser saves in the end. Returns the same as `find`."""
        owner = str(request.session_hash)
        shown = stage if isinstance(stage, dict) else {}
        try:
            answer = self.shelf.find(owner, _number_of(event))
            if event._data.get("what") == "sheet":
                work: Any = lambda job: sheet(self.shelf.of(owner))  # noqa: E731
                name, kind = "sheet.png", "image/png"
            elif event._data.get("what") == "map" and answer.unsure is not None:
                work = lambda job: answer.unsure  # noqa: E731
                name, kind = "map.png", "image/png"
            else:
                work = partial(film, answer=answer, kind=event._data.get("what"), every=self.shelf.of(owner))
                name = f"face-{answer.number}-{event._data.get('what')}{ending()}"
                kind = "video/mp4" if ending() == ".mp4" else "image/webp"
            job = self.pool.submit(owner, work)
        except ValueError as error:
            return views.failed_stage(str(error), stage), *(gr.skip(),) * 4

        def meanwhile() -> Any:
            told = job.told
            if told is None:
                return gr.skip()
            return {**shown, "state": "working", "part": told.part, "status": f"{told.words}."}

        def ended() -> tuple[Any, Any]:
            if job.error is not None or job.result is None:
                return views.failed_stage(_sentence(job.error), stage), gr.skip()
            saved = {"name": name, "address": url_of(job.result, kind), "turn": views.turn()}
            return {**shown, "state": "done", "status": f"{name} is saved.", "saved": saved}, gr.skip()

        self._await(owner, _Begun(job, meanwhile, ended))
        return meanwhile(), gr.skip(), *_buttons(working=True)

    def _await(self, owner: str, begun: _Begun) -> None:
        """Remembers what a visitor waits for, and forgets what others did and ended long ago."""
        self._begun[owner] = begun
        for other, old in list(self._begun.items()):
            if other != owner and old.job.over and (old.job.out_of_time or old.job.started is None):
                self._begun.pop(other, None)

    def _found(self, job: Job, owner: str, stage: Any) -> tuple[Any, Any]:
        """The stage and the gallery after a job."""
        if job.error is not None:
            return views.failed_stage(_sentence(job.error), stage), gr.skip()
        if not job.result:
            return views.empty_stage("Stopped before it began."), gr.skip()
        status = ""
        if job.stopped:
            status = "Stopped; this is the best so far."
        elif job.out_of_time:
            status = f"The time limit of {self.limits.seconds:g} seconds is over; this is the best so far."
        answer = job.result[0]
        return views.answer_stage(answer, status), views.gallery(self.shelf.of(owner), answer.number)

    def _options(self, asked: Asked | None) -> tuple[Any, ...]:
        if asked is None:
            plain = Asked
            return (
                *(DRAWN, plain.kind, plain.samples, plain.fidelity, plain.resolution, ""),
                *(plain.soften, plain.trick, plain.stages),
            )
        return (
            *(asked.maker, asked.kind, asked.samples, asked.fidelity, asked.resolution, str(asked.seed)),
            *(asked.soften, asked.trick, asked.stages),
        )


def _seed(given: Any) -> int:
    """The seed that was typed, or any where there is none."""
    words = "" if given is None else str(given).strip()
    try:
        return int(words) if words else secrets.randbelow(_SEEDS)
    except ValueError:
        raise ValueError(f"The seed is {printable(words, 40)}; give a whole number, or leave it empty.") from None


def _buttons(*, working: bool) -> tuple[Any, Any, Any]:
    """The two buttons, and the clock that asks how far a job is."""
    return gr.update(interactive=not working), gr.update(interactive=working), gr.Timer(active=working)


def _answer_to(event: gr.EventData) -> dict[str, Any]:
    """What tells the page's script which question this answers (`page/ask.js`)."""
    asked = event._data.get("asked") if isinstance(event._data, dict) else None
    return {"asked": asked if isinstance(asked, int) else None, "turn": views.turn()}


def _number_of(event: gr.EventData) -> Any:
    return event._data.get("number") if isinstance(event._data, dict) else None


def _sentence(error: BaseException | None) -> str:
    """What a visitor is told of an error; of one that is a defect here, no more than that."""
    if isinstance(error, ValueError):
        return str(error)
    return "Something went wrong on this machine; try again, or another picture."
