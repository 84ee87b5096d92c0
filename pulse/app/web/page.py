"""The page: its layout, and what happens when something on it is used."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from pulse.app.web import views
from pulse.app.web.answers import Shelf, answer_of, blank, redrawn, sheet, url_of
from pulse.app.web.asked import (
    DRAWN,
    RESOLUTIONS,
    STAGES,
    Asked,
    check_changed,
    from_board,
    from_query,
    makers,
    named,
    to_board,
)
from pulse.app.web.films import ending, film
from pulse.app.web.jobs import Job, Pool
from pulse.app.web.limits import Limits
from pulse.app.web.work import find_faces, preview_of, read_upload
from pulse.options import DrawnOptions
from stylegan.common.console import printable

TITLE = "Depixelizer"
# Of the picture that follows a slider at once, in pixels.
_QUICK = 128
# A visitor is told at least so often, in seconds.
_TOLD = 0.5
_SEEDS = 10_000


class Page:
    """What the page does for its visitors. Every visitor has a session, a random number that Gradio gives out."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pool, self.shelf = Pool(limits), Shelf(limits)

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
            found = read_upload(data.get("data"), side, data.get("part"), self.limits, notes)
        except ValueError as error:
            kept = board if isinstance(board, dict) else {}
            return {**kept, "notes": [str(error)], "bad": True, "turn": views.turn()}
        name = named(data.get("name"))
        pieces = [to_board(target, f"{name} {piece}".strip()) for piece, target in found]
        return {**pieces[0], "notes": notes, "pieces": pieces if len(pieces) > 1 else [], "turn": views.turn()}

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
    ) -> Iterator[tuple[Any, ...]]:
        """Finds faces for the board's picture; yields the stage, the gallery and the two buttons.

        `begin` is False where there is nothing to find, and otherwise what a link says beside the options: which of
        several faces it shows, and what its sliders change.
        """
        owner = str(request.session_hash)
        nothing = gr.skip()
        if begin is False:
            yield nothing, nothing, nothing, nothing
            return
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
            job = self.pool.submit(owner, partial(find_faces, asked=asked, shelf=self.shelf))
        except (ValueError, TypeError, OverflowError) as error:
            yield views.failed_stage(_sentence(error), stage), nothing, nothing, nothing
            return
        yield views.working_stage(job, asked, self.pool.before(job)), nothing, *_buttons(working=True)
        while not job.done and not (job.stopped and job.started is None):
            job.wait(_TOLD)
            yield views.working_stage(job, asked, self.pool.before(job)), nothing, nothing, nothing
        yield *self._ended(job, owner, stage), *_buttons(working=False)

    def stop(self, request: gr.Request) -> None:
        """Ends the visitor's job with its best so far."""
        self.pool.stop(str(request.session_hash))

    def leave(self, request: gr.Request) -> None:
        """The visitor closed the page."""
        owner = str(request.session_hash)
        self.pool.stop(owner, left=True)
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
            picture = preview_of(redrawn(answer.result, changed, _QUICK))
        except ValueError as error:
            return views.failed_stage(str(error), stage)
        shown = stage if isinstance(stage, dict) else {}
        return {
            **shown,
            "answer": url_of(picture, "image/webp"),
            "status": "Drawing it in full ...",
            "turn": views.turn(),
        }

    def turn_fully(self, stage: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """The answer as the sliders stand, of its full size; it takes the place of the one before in the gallery."""
        owner = str(request.session_hash)
        try:
            answer = self.shelf.find(owner, _number_of(event))
            changed = check_changed(event._data.get("changed"))
            result = redrawn(answer.result, changed, answer.asked.resolution)
        except ValueError as error:
            return views.failed_stage(str(error), stage), gr.skip()
        asked = replace(answer.asked, changed=changed)
        fresh = answer_of(answer.number, asked, result, answer.seen, what=answer.what, unsure=answer.unsure)
        # The sliders count from the answer as it was found.
        fresh = replace(fresh, result=answer.result)
        self.shelf.keep(owner, fresh)
        return views.answer_stage(fresh), views.gallery(self.shelf.of(owner), fresh.number)

    def get(self, stage: Any, event: gr.EventData, request: gr.Request) -> Iterator[Any]:
        """Makes a sheet or a film, and has the browser save it."""
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
            yield views.failed_stage(str(error), stage)
            return
        while not job.done and not (job.stopped and job.started is None):
            job.wait(_TOLD)
            told = job.told
            if told is not None:
                yield {**shown, "state": "working", "part": told.part, "status": f"{told.words}."}
        if job.error is not None or job.result is None:
            yield views.failed_stage(_sentence(job.error), stage)
            return
        saved = {"name": name, "address": url_of(job.result, kind), "turn": views.turn()}
        yield {**shown, "state": "done", "status": f"{name} is saved.", "saved": saved}
        # The file need not travel again with every later change.
        yield {**shown, "state": "done", "status": f"{name} is saved.", "saved": {"turn": saved["turn"]}}

    def _ended(self, job: Job, owner: str, stage: Any) -> tuple[Any, Any]:
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


def build(page: Page) -> gr.Blocks:
    """The page's parts, and what each does."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(html_template=views.part("head.html"), js_on_load=None, apply_default_css=False, elem_id="head")
        _part("examples", None, views.part("examples.js"), examples=views.examples())
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(scale=5, min_width=320):
                board = _part("board", to_board(blank()), views.board_script(page.limits))
                with gr.Row(elem_id="go"):
                    go = gr.Button("Find the face", variant="primary", elem_id="find", scale=3)
                    stop = gr.Button("Stop", variant="stop", elem_id="stop", scale=1, interactive=False)
                options = _options(page)
            with gr.Column(scale=6, min_width=320):
                stage = _part("stage", views.empty_stage(), views.part("stage.js"), turns=views.sliders())
                gallery = _part("gallery", views.gallery([], None), views.part("gallery.js"))
        gr.HTML(html_template=views.part("foot.html"), js_on_load=None, apply_default_css=False, elem_id="foot")
        begin, by_hand = gr.State(value=False), gr.State(value={})

        shown: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        inputs, outputs = [board, *options, stage], [stage, gallery, go, stop]

        go.click(page.find, [by_hand, *inputs], outputs, **shown, concurrency_limit=None, trigger_mode="once")
        stop.click(page.stop, None, None, **shown, queue=False)
        board.upload(page.upload, board, board, **shown, concurrency_limit=2)
        gallery.select(page.choose, stage, [stage, gallery], **shown)
        stage.input(page.turn_quickly, stage, stage, **shown, trigger_mode="always_last", concurrency_limit=2)
        stage.submit(page.turn_fully, stage, [stage, gallery], **shown, trigger_mode="always_last")
        stage.download(page.get, stage, stage, **shown, concurrency_limit=None, trigger_mode="once")
        opened = blocks.load(page.open, None, [board, *options, begin], **shown)
        opened.then(page.find, [begin, *inputs], outputs, **shown, concurrency_limit=None)
        blocks.unload(page.leave)
    # Behind the workers' own queue: this one bounds what is read, turned and downloaded.
    blocks.queue(max_size=4 * page.limits.waiting, default_concurrency_limit=1)
    return blocks


def _options(page: Page) -> list[Any]:
    maker = gr.Dropdown(
        [(words, name) for name, words in makers().items()],
        value=DRAWN,
        label="Made by",
        filterable=False,
        elem_id="maker",
    )
    kind = gr.Radio(
        [("People and characters", "any"), ("People only", "people")], value="any", label="May be", elem_id="kind"
    )
    with gr.Accordion("More", open=False):
        samples = gr.Slider(1, page.limits.samples, value=1, step=1, label="How many faces", elem_id="samples")
        fidelity = gr.Slider(
            0, 1, value=DrawnOptions.fidelity, step=0.05, label="From the likeliest face (0) to the closest pixels (1)"
        )
        resolution = gr.Dropdown(
            [(f"{side} px", side) for side in RESOLUTIONS],
            value=DrawnOptions.resolution,
            label="Size",
            filterable=False,
        )
        # A number of Gradio's that is empty shows 0, and says so.
        seed = gr.Textbox("", label="Seed", info="Empty for another one each time.", max_lines=1, max_length=10)
    with gr.Accordion("Tricks", open=False):
        soften = gr.Checkbox(
            value=False,
            label="Soften",
            info="Hard pixels become soft edges first; no face has hard pixels.",
            elem_id="soften",
        )
        trick = gr.Radio(
            [("No other", "none"), ("Iterate", "iterate"), ("Explore", "explore")],
            value="none",
            label="And then",
            info="Iterate makes the answer small and answers that, again and again. Explore answers the picture moved, "
            "scaled and resampled.",
            elem_id="trick",
        )
        stages = gr.Slider(
            *STAGES, value=Asked.stages, step=1, label="Stages of Iterate", visible=False, elem_id="stages"
        )
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    # Iterate and Explore give several faces of their own.
    trick.change(
        lambda name: (
            gr.update(visible=name == "iterate"),
            gr.update(interactive=True) if name == "none" else gr.update(value=1, interactive=False),
        ),
        trick,
        [stages, samples],
        **quiet,
    )
    drawn = [kind, fidelity, resolution]
    maker.change(
        lambda name: [gr.update(interactive=name == DRAWN)] * len(drawn),
        maker,
        drawn,
        **quiet,
    )
    return [maker, kind, samples, fidelity, resolution, seed, soften, trick, stages]


def _part(name: str, value: Any, script: str, **filled: str) -> gr.HTML:
    return gr.HTML(
        value,
        html_template=views.part(f"{name}.html", **filled),
        js_on_load=script,
        apply_default_css=False,
        elem_id=name,
    )


def _seed(given: Any) -> int:
    """The seed that was typed, or any where there is none."""
    words = "" if given is None else str(given).strip()
    try:
        return int(words) if words else secrets.randbelow(_SEEDS)
    except ValueError:
        raise ValueError(f"The seed is {printable(words, 40)}; give a whole number, or leave it empty.") from None


def _buttons(*, working: bool) -> tuple[Any, Any]:
    return gr.update(interactive=not working), gr.update(interactive=working)


def _number_of(event: gr.EventData) -> Any:
    return event._data.get("number") if isinstance(event._data, dict) else None


def _sentence(error: BaseException | None) -> str:
    """What a visitor is told of an error; of one that is a defect here, no more than that."""
    if isinstance(error, ValueError):
        return str(error)
    return "Something went wrong on this machine; try again, or another picture."
