"""What the parts of the page show, as the values that their scripts take."""

from __future__ import annotations

import html
import io
import itertools
from pathlib import Path
from typing import Any

from PIL import Image

from pulse.app import sprites
from pulse.app.web.answers import Answer, attributes, pixels_url, url_of, webp
from pulse.app.web.asked import SLIDERS, Asked
from pulse.app.web.films import film_kinds
from pulse.app.web.jobs import Job, Progress
from pulse.app.web.limits import Limits
from pulse.app.web.work import thumbnail_of

_FOLDER = Path(__file__).with_name("page")
_LABELS = {
    "yaw": ("Turn", "°"),
    "pitch": ("Nod", "°"),
    "age": ("Age", ""),
    "smile": ("Smile", ""),
    "light_side": ("Light from the side", ""),
    "light_height": ("Light from above", ""),
}
_STEPS = {"yaw": 1.0, "pitch": 1.0, "age": 1.0}
# Makes two values differ that are otherwise the same, so that the page notices the second.
_turns = itertools.count(1)


def part(name: str, **values: str) -> str:
    """A file of the page's folder, with what stands in it as @name@ filled in."""
    text = (_FOLDER / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def examples() -> str:
    """The buttons of the examples."""
    made = []
    for name in sprites.names():
        address, shown = url_of(thumbnail_of(name), "image/webp"), html.escape(name)
        made.append(
            f'<button type="button" data-name="{shown}" title="{shown}"><img src="{address}" alt="{shown}"></button>'
        )
    return "".join(made)


def sliders() -> str:
    """The sliders that draw an answer again."""
    made = []
    for name, (low, high) in SLIDERS.items():
        label, unit = _LABELS[name]
        # A share is shown in percent; an age has no unit but is no share.
        step, shown = _STEPS.get(name, 0.01), unit or (" years" if name == "age" else "")
        bounds = f'min="{low:g}" max="{high:g}" step="{step:g}" data-unit="{shown}"'
        made.append(f'<label><span>{label}</span><input type="range" name="{name}" {bounds}><output></output></label>')
    return "".join(made)


def board_script(limits: Limits) -> str:
    """The script of the drawing board."""
    return part("board.js", file_bytes=str(limits.file_bytes), ask=part("ask.js"))


def stage_script() -> str:
    """The script of the face."""
    return part("stage.js", ask=part("ask.js"))


def turn() -> int:
    """A number that was not given before."""
    return next(_turns)


def empty_stage(status: str = "") -> dict[str, Any]:
    """The stage without a face."""
    return {"state": "empty", "status": status}


def failed_stage(sentence: str, before: Any) -> dict[str, Any]:
    """The stage as it was, with what went wrong."""
    kept = before if isinstance(before, dict) and before.get("number") is not None else {}
    return {**kept, "state": "failed", "status": sentence, "turn": turn()}


def working_stage(job: Job, asked: Asked, before: int) -> dict[str, Any]:
    """The stage while a face is being found, or while its visitor waits."""
    stage: dict[str, Any] = {"state": "working", "input": pixels_url(asked.target), "part": 0}
    if before:
        others = "one picture comes" if before == 1 else f"{before} pictures come"
        return {**stage, "state": "waiting", "status": f"Waiting: {others} before yours."}
    told = job.told
    if not isinstance(told, Progress):
        return {**stage, "status": "Looking at your pixels ..."}
    stage |= {"part": told.part, "status": f"{told.words}."}
    if told.preview is not None:
        stage["answer"] = url_of(told.preview, "image/webp")
    return stage


def answer_stage(answer: Answer, status: str = "") -> dict[str, Any]:
    """The stage with an answer."""
    asked = answer.asked
    return {
        "state": "done",
        "number": answer.number,
        "input": pixels_url(answer.result.target),
        "answer": url_of(answer.png, "image/png"),
        "status": status,
        "words": answer.words,
        "file": f"face-{answer.number}.png",
        "link": f"?{asked.query()}",
        "gets": [*film_kinds(answer), *(["map"] if answer.unsure else [])],
        "sliders": attributes(answer),
        "changed": dict(asked.changed),
        "turn": turn(),
    }


def gallery(answers: list[Answer], shown: int | None) -> dict[str, Any]:
    """The faces so far, of which one is shown; of samples, with the map of where they disagree."""
    faces = [
        {
            "number": answer.number,
            "address": url_of(answer.thumbnail, "image/webp"),
            "title": f"Face {answer.number}: {answer.title}",
        }
        for answer in answers
    ]
    unsure = next((answer.unsure for answer in answers if answer.number == shown), None)
    # Lighter than the file that is saved, since it travels with every change.
    seen = None if unsure is None else url_of(webp(Image.open(io.BytesIO(unsure)).convert("RGB")), "image/webp")
    return {"faces": faces, "shown": shown, "map": seen}
