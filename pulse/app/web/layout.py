"""The parts of the page, and which of its answers each asks for."""

from __future__ import annotations

from typing import Any

import gradio as gr

from pulse.app.web import views
from pulse.app.web.answers import blank
from pulse.app.web.asked import DRAWN, RESOLUTIONS, STAGES, Asked, makers, to_board
from pulse.app.web.page import Page
from pulse.options import DrawnOptions

TITLE = "Depixelizer"
# Who waits asks again after so many seconds.
_ASKED = 0.1
# Of each event: answered at once, not through Gradio's queue.
_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


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
                stage = _part("stage", views.empty_stage(), views.stage_script(), turns=views.sliders())
                gallery = _part("gallery", views.gallery([], None), views.part("gallery.js"))
        gr.HTML(html_template=views.part("foot.html"), js_on_load=None, apply_default_css=False, elem_id="foot")
        begin, by_hand = gr.State(value=False), gr.State(value={})

        clock = gr.Timer(_ASKED, active=False)

        inputs, outputs = [board, *options, stage], [stage, gallery, go, stop, clock]
        go.click(page.find, [by_hand, *inputs], outputs, **_QUIET, trigger_mode="once")
        clock.tick(page.look, None, outputs, **_QUIET, trigger_mode="once")
        stop.click(page.stop, None, None, **_QUIET)
        # The scripts of board and stage ask these one at a time.
        board.upload(page.upload, board, board, **_QUIET, trigger_mode="multiple")
        gallery.select(page.choose, stage, [stage, gallery], **_QUIET)
        stage.input(page.turn_quickly, stage, stage, **_QUIET, trigger_mode="multiple")
        stage.submit(page.turn_fully, stage, [stage, gallery], **_QUIET, trigger_mode="multiple")
        stage.download(page.get, stage, outputs, **_QUIET, trigger_mode="once")
        opened = blocks.load(page.open, None, [board, *options, begin], **_QUIET)
        opened.then(page.find, [begin, *inputs], outputs, **_QUIET)
        blocks.unload(page.leave)
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
    # Iterate and Explore give several faces of their own.
    trick.change(
        lambda name: (
            gr.update(visible=name == "iterate"),
            gr.update(interactive=True) if name == "none" else gr.update(value=1, interactive=False),
        ),
        trick,
        [stages, samples],
        **_QUIET,
    )
    drawn = [kind, fidelity, resolution]
    maker.change(
        lambda name: [gr.update(interactive=name == DRAWN)] * len(drawn),
        maker,
        drawn,
        **_QUIET,
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
