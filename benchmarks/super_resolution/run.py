"""Asks all methods about all pictures, and writes the report."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from benchmarks.environment import describe
from benchmarks.super_resolution import document, references, report, subjects, summary, weighted
from benchmarks.super_resolution.answers import Asked, answer, read_answers, read_rows, slug
from benchmarks.super_resolution.degradations import DEGRADATIONS, Covered
from benchmarks.super_resolution.document import Gallery
from benchmarks.super_resolution.groups import GROUPINGS, groups_of
from benchmarks.super_resolution.measures import sees_faces, sees_landmarks
from benchmarks.super_resolution.methods import METHODS, Method, Task, own
from benchmarks.super_resolution.reader import read
from benchmarks.super_resolution.subjects import Subjects
from benchmarks.super_resolution.summary import COVERED, NOTHING, REFERENCES, TRUTH
from pulse.feedforward.weights import load_upscaler
from pulse.generators import load_generator
from stylegan import portraits
from stylegan.checkpoints.errors import CheckpointError
from stylegan.common.console import say
from stylegan.common.files import write_text

# Pixels along a side of the picture that says nothing, as of Laszkiewicz et al. (FAccT 2024).
_NOTHING = 4
# Portraits that say how frequent groups are.
_POPULATION = 20_000
# Pictures of a gallery: of the first degradation, of the others, and answers to the picture that says nothing.
_SHOWN, _SHOWN_OTHERS, _SHOWN_DRAWS = 6, 2, 8


@dataclass(frozen=True)
class Options:
    """What `python -m benchmarks.super_resolution --help` lists.

    Args:
        count, others: pictures of the first degradation, and of each other one.
        draws: answers to the picture that says nothing.
        tiny: pictures as small as that one, each of one person.
        reader_test: portraits on which the reader of groups is tested.
        images: a folder of pictures, or None for portraits.
        resolution, size: pixels along a side of the truths and of the small pictures.
        degradations: names; the first one counts.
        methods: keys of `METHODS`, or None for all that can be had.
        own: more methods, each "module:function".
        checkpoint: a file of a feed-forward network, such as the authors', or None.
        generator: name or path.
        steps: of a search.
        seed: of the first answer; each further picture adds one.
    """

    count: int
    others: int
    draws: int
    tiny: int
    reader_test: int
    images: Path | None
    resolution: int
    size: int
    degradations: tuple[str, ...]
    methods: list[str] | None
    own: tuple[str, ...]
    checkpoint: Path | None
    generator: str
    steps: int
    seed: int


def run(options: Options, output: Path, command: str) -> int:
    """Makes what is not in the folder yet, and writes the report; returns the exit code.

    Raises:
        ValueError: in one sentence, for options that cannot be followed.
    """
    if not 8 <= options.size <= 64:
        raise ValueError(f"The small pictures are to have {options.size} px; give 8 to 64.")
    methods, missing = chosen(options)
    more, without = weighted.at_hand()
    missing += without
    if not sees_faces():
        missing.append("No faces were looked for because dlib is not installed; `pip install dlib-bin` brings it.")
    elif not sees_landmarks():
        missing.append("No landmarks were compared because dlib's predictor is missing; `make debian` installs it.")
    output.mkdir(parents=True, exist_ok=True)
    if options.images is None:
        subject = subjects.people(options.count, options.resolution, output)
    else:
        subject = subjects.of_folder(options.images, options.count, options.resolution, output)
    generator = load_generator(options.generator)

    def task(degradation: str, count: int) -> Task:
        seeds = tuple(options.seed + i for i in range(count))
        kind = DEGRADATIONS[degradation]
        return Task(options.resolution, kind, seeds, generator, options.steps, checkpoint=options.checkpoint)

    images = subject.known.images
    beside = [references.truth(images, options.seed)]
    if (told := references.told(subject.u, images, generator, options.seed)) is not None:
        beside.append(told)
    names = [name for method in [*beside, *methods] for name in method.answers]
    degradations: dict[str, Any] = {}
    galleries = []
    for place, name in enumerate(options.degradations):
        count = min(len(subject.known.images), options.count if place == 0 else options.others)
        folder = output / "answers" / name
        known = subject.known.rows(slice(count))
        questions = DEGRADATIONS[name].questions(known.images, options.size, options.seed)
        asked = Asked(questions, known, task(name, count))
        for method in [*beside, *methods]:
            if options.size >= method.smallest:
                answer(method, asked, folder, more, _teller(name))
        say(f"{name}: measured {document.counted(count, 'picture')}")
        few = min(count, options.others)
        degradations[name] = {
            "count": count,
            "answers": summary.summarise(folder, names, count),
            # For comparisons between degradations, on the same pictures.
            "few": summary.summarise(folder, names, few, with_distribution=False),
        }
        galleries.append(_gallery(folder, names, questions, _SHOWN if place == 0 else _SHOWN_OTHERS, name))
    fairness, drawn = None, Gallery([], [], [], "", "nothing")
    if subject.groups is not None:
        first = options.degradations[0]
        fairness, drawn = _fairness(options, subject, methods, names, task(first, options.draws), output)
    data = {
        "command": command,
        "environment": describe(),
        "pictures": subject.about,
        "size": options.size,
        "resolution": options.resolution,
        "generator": options.generator,
        "steps": options.steps,
        "eps": task(options.degradations[0], 1).eps,
        "methods": {", ".join(method.answers): method.about for method in [*beside[1:], *methods]},
        "missing": missing,
        "degradations": degradations,
        "fairness": fairness,
        "no_groups": "Whose faces these are is not known, so nothing is said about groups.",
    }
    write_text(output / "report.json", json.dumps(_without_nan(data), indent=1))
    document.write(report.blocks(data, [*galleries, drawn]), output, report.TITLE)
    say(str(output / "report.html"))
    return 0


def chosen(options: Options) -> tuple[list[Method], list[str]]:
    """The methods of a run, and a sentence for each that cannot be had.

    Raises:
        ValueError: if one that was asked for by name cannot be had.
    """
    why = {}
    try:
        load_upscaler()
    except CheckpointError:
        why["feedforward"] = "its weights are not in the box"
    if options.checkpoint is None:
        why["checkpoint"] = "no file was given by --checkpoint"
    for key in options.methods or []:
        if key in why:
            raise ValueError(f"The method {key} cannot be had because {why[key]}; leave it out.")
    keys = [key for key in METHODS if key not in why] if options.methods is None else options.methods
    left_out = {} if options.methods is not None else why
    missing = [
        f"The row of {METHODS[key].answers[0]} is left out because {reason}." for key, reason in left_out.items()
    ]
    return [METHODS[key] for key in keys] + [own(name) for name in options.own], missing


def _teller(degradation: str) -> Any:
    """Prints a line at most every ten seconds."""
    last = time.monotonic()

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last > 10:
            last = time.monotonic()
            say(f"{degradation}, {text}")

    return tell


def _gallery(folder: Path, names: Sequence[str], questions: Tensor, most: int, degradation: str) -> Gallery:
    rows = range(min(most, len(questions)))
    there = [name for name in names if name not in REFERENCES and (folder / slug(name)).exists()]
    columns = {"question": list(questions[: len(rows)])}
    columns |= {name: list(read_answers(folder / slug(name), rows)) for name in [TRUTH, *there]}
    which = "The first picture" if len(rows) == 1 else f"The first {len(rows)} pictures"
    caption = f"{which}, not chosen; made small by `{degradation}`."
    images: list[list[Tensor | None]] = [[column[i] for column in columns.values()] for i in rows]
    return Gallery(list(columns), images, ["" for _ in rows], caption, f"gallery-{degradation}")


def _fairness(
    options: Options,
    subject: Subjects,
    methods: list[Method],
    names: list[str],
    task: Task,
    output: Path,
) -> tuple[dict[str, Any], Gallery]:
    """What happens to groups of people, and answers to the pictures that say nothing."""
    assert subject.groups is not None
    folder = output / "answers" / options.degradations[0]
    mean = subject.known.images.mean(0, keepdim=True)
    shown = min(_SHOWN_DRAWS, options.draws)
    left_out = [
        f"{', '.join(method.answers)} takes no pictures as small as that."
        for method in methods
        if method.smallest > _NOTHING
    ]
    asking = [method for method in methods if method.smallest <= _NOTHING]
    covered = Covered(*astuple(task.degradation))
    drawn: dict[str, dict[str, np.ndarray]] = {}
    rows: list[list[Tensor | None]] = []
    labels: list[str] = []
    for kind, place, those, how in (
        (NOTHING, "nothing", asking, task.degradation),
        (COVERED, "covered", [method for method in asking if method.told], covered),
    ):
        nothing = output / "answers" / place
        question = how.questions(mean, _NOTHING, options.seed)
        seen = pad(question, (0, 0, 0, _NOTHING - question.shape[-2]))[0].expand(3, -1, -1)
        drawn[kind] = {}
        for method in those:
            # Without chance every answer is the same.
            count = options.draws if method.random else 1
            asked = Asked(question.expand(count, -1, -1, -1), None, replace(task, degradation=how))
            answer(method, asked, nothing, {}, _teller(place))
            for name in method.answers:
                known = read_rows(nothing / slug(name))
                drawn[kind][name] = np.array([known[i]["groups"] for i in range(count)])
                found = list(read_answers(nothing / slug(name), range(min(count, shown))))
                rows.append([seen, *found, *[None] * (shown - len(found))])
                labels.append(f"{name}, covered" if kind == COVERED else name)
    few = min(options.tiny, len(subject.known.images))
    tiny: dict[str, np.ndarray] = {}
    if few:
        questions = task.degradation.questions(subject.known.images[:few], _NOTHING, options.seed)
        asked = Asked(questions, None, replace(task, seeds=tuple(options.seed + i for i in range(few))))
        folder_of_tiny = output / "answers" / "tiny"
        for method in asking:
            answer(method, asked, folder_of_tiny, {}, _teller("tiny"))
            for name in method.answers:
                known = read_rows(folder_of_tiny / slug(name))
                tiny[name] = np.array([known[i]["groups"] for i in range(few)])
    portraits_read, true = subjects.for_reader(options.reader_test, output)
    read_as = read(portraits_read).numpy()
    population = groups_of(portraits.sample(_POPULATION, torch.Generator().manual_seed(0))).numpy()
    of_groups = summary.by_group(folder, names, subject.groups)
    right = {name: float((read_as[:, i] == true[:, i]).mean()) for i, name in enumerate(GROUPINGS)}
    heads = ["question", *(str(i + 1) for i in range(shown))]
    caption = f"The first answers to the pictures that say nothing, a row for each of {', '.join(labels)}."
    return {
        "draws": options.draws,
        "tiny": few,
        "left_out": " ".join(left_out),
        "groups": of_groups,
        "tone": summary.tone_verdicts(of_groups["tone"]),
        "reader": {"count": len(true), "right": right},
        "parity": summary.parities(folder, names, subject.groups, drawn, tiny, (true, read_as), population),
    }, Gallery(heads, rows, labels, caption, "gallery-nothing")


def _without_nan(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    if isinstance(value, (float, np.floating)) and not math.isfinite(value):
        return None
    return value
