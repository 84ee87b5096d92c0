"""The report: what was found, in words, tables and drawings."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.super_resolution import plots, report_groups
from benchmarks.super_resolution.degradations import DEGRADATIONS
from benchmarks.super_resolution.document import Block, Cell, Gallery, Heading, Paragraph, Plot, Points, Table, counted
from benchmarks.super_resolution.summary import (
    METRICS,
    REFERENCES,
    TRUTH,
    Metric,
    Numbers,
)

TITLE = "From 16 px to a face: methods side by side"
# What theory lets us expect: averages are near the truth, single likely faces fit the question and look like faces.
INTERPOLATIONS = ("nearest", "bicubic", "Lanczos")
_SEARCHES = ("PULSE", "search", "search, bounded", "best of 8", "drawn")
_EXPECTED = {
    "psnr": ("feed-forward", "feed-forward, given", "mean of 8"),
    "down": _SEARCHES,
    "sharpness": _SEARCHES,
    "face": _SEARCHES,
}
# Pictures from which on the report says which method is better without a warning.
_MANY = 50


def blocks(data: dict[str, Any], galleries: list[Gallery]) -> list[Block]:
    """The whole report.

    Args:
        data: what report.json holds.
        galleries: pictures of each degradation, in order, and last those of the picture that says nothing.
    """
    main = next(iter(data["degradations"]))
    found = data["degradations"][main]["answers"]
    names = list(found)
    made: list[Block] = [
        Heading(TITLE.replace("16", str(data["size"])), 1),
        Paragraph(
            f"{data['pictures']} Each was made small, to {data['size']} px, and each method was asked for the face. "
            "Every answer is invented: very many faces become the same small picture."
        ),
        Heading("What was found"),
        *_few(data["degradations"][main]["count"]),
        Points(findings(found) + report_groups.tone_findings(data)),
        Heading("Pictures"),
        galleries[0],
        Heading("Distances, faces and cost"),
        *_main_table(data, main),
        Heading("Perception and distortion"),
        Paragraph(
            "No method can be best at both (Blau and Michaeli, The Perception-Distortion Tradeoff, CVPR 2018). Means "
            "lie on the left and look like no face; single faces lie lower and further right."
        ),
        Plot(
            plots.plane(found, plots.without_truth(names)),
            "Further left is nearer to the truth, lower looks more like true portraits. Bars are 95 % intervals.",
            "plane",
        ),
    ]
    made += _other_degradations(data, main, galleries[1:-1])
    made += report_groups.who_pays(data, galleries[-1])
    return made + _how(data)


def _few(count: int) -> list[Block]:
    if count >= _MANY:
        return []
    return [
        Paragraph(
            f"This is a run of {counted(count, 'picture')}, too few to say which method is better; see the intervals."
        )
    ]


def findings(found: dict[str, dict[str, Numbers]]) -> list[str]:
    """A sentence for each measure: which answers are the best, and whether that was to be expected.

    Interpolations are left out, because they draw no face; bicubic stands beside the best for comparison.
    """
    sentences = []
    drawing = {name: numbers for name, numbers in found.items() if name not in INTERPOLATIONS}
    for key, words in (
        ("psnr", "Highest PSNR"),
        ("landmarks", "Lowest landmark error"),
        ("down", "Lowest downsampling error"),
        ("sharpness", "Most nearly as sharp as the truth"),
        ("face", "Most faces found by dlib"),
    ):
        metric = next(one for one in METRICS if one.key == key)
        ranking = ranked(drawing, metric)
        if not ranking:
            continue
        _, numbers = ranking[0]
        best = [name for name, value in ranking if metric.show(value[0]) == metric.show(numbers[0])]
        sentence = f"{words}: {' and '.join(best)}, {_shown(metric, numbers)}{_around(metric, numbers)}"
        if len(ranking) > len(best):
            second, others = ranking[len(best)]
            sentence += f"; next {second}, {_shown(metric, others)}"
        bicubic = found.get("bicubic", {}).get(key)
        if bicubic is not None:
            sentence += f"; bicubic {_shown(metric, bicubic)}"
        expected = [name for name in _EXPECTED.get(key, ()) if name in found]
        if expected:
            as_expected = any(name in expected for name in best)
            sentence += ". As theory says" if as_expected else f". Theory would have it {' or '.join(expected)}"
        sentences.append(sentence + ".")
    return sentences


def ranked(found: dict[str, dict[str, Numbers]], metric: Metric) -> list[tuple[str, list[float]]]:
    """The answers by a metric, best first, without references and those that it could not be measured of."""
    measured = [(name, numbers[metric.key]) for name, numbers in found.items() if name not in REFERENCES]
    known = [(name, numbers) for name, numbers in measured if numbers is not None]

    def worse(pair: tuple[str, list[float]]) -> float:
        value = pair[1][0]
        return abs(value) if metric.better == 0 else -value if metric.better == 1 else value

    return sorted(known, key=worse)


def _shown(metric: Metric, numbers: list[float]) -> str:
    return metric.show(numbers[0]) + (" dB" if "dB" in metric.head else "")


def _around(metric: Metric, numbers: list[float]) -> str:
    if math.isnan(numbers[1]):
        return ""
    return f" ({metric.show(numbers[1])} to {metric.show(numbers[2])})"


def _table(found: dict[str, dict[str, Numbers]], caption: str, folded: str = "") -> Table:
    shown = [one for one in METRICS if any(numbers.get(one.key) is not None for numbers in found.values())]
    best = {one.key: [name for name, _ in ranked(found, one)[:1]] for one in shown if one.better is not None}
    rows: list[list[str | Cell]] = []
    for name, numbers in found.items():
        row: list[str | Cell] = [name]
        for one in shown:
            value = numbers.get(one.key)
            if value is None or (name == TRUTH and one.key in ("psnr", "seconds", "cpu", "peak")):
                row.append("-")
                continue
            around = (
                "" if math.isnan(value[1]) or one.better is None else f"{one.show(value[1])} to {one.show(value[2])}"
            )
            row.append(Cell(one.show(value[0]), around, name in best.get(one.key, [])))
        rows.append(row)
    return Table(["answer", *(one.head for one in shown)], rows, caption, folded)


def _main_table(data: dict[str, Any], main: str) -> list[Block]:
    one = data["degradations"][main]
    table = _table(
        one["answers"],
        caption=f"{counted(one['count'], 'picture')}. {DEGRADATIONS[main].about} Means, and below them 95 % bootstrap "
        "intervals over pictures. The best of each column is bold.",
    )
    shown = [metric for metric in METRICS if metric.head in table.heads]
    columns = [[metric.head, metric.about] for metric in shown]
    meaning = Table(["column", "meaning"], columns, folded="What the columns mean", words=True)
    rows = [list(pair) for pair in data["methods"].items()]
    methods = Table(["answer", "method"], rows, folded="What the methods are", words=True)
    return [table, methods, meaning]


def _other_degradations(data: dict[str, Any], main: str, galleries: list[Gallery]) -> list[Block]:
    others = [name for name in data["degradations"] if name != main]
    if not others:
        return []
    summaries = {name: one["few"] for name, one in data["degradations"].items()}
    few = data["degradations"][others[0]]["count"]
    names = plots.without_truth(list(summaries[main]))
    made: list[Block] = [
        Heading("Made small in other ways"),
        Paragraph(
            "Searches are told how the picture was made small; the drawn answer and the feed-forward network are not, "
            "and nobody is told of the blur and the noise of `mismatched`."
        ),
        Plot(plots.over_degradations(summaries, names), f"Means of the first {counted(few, 'picture')}.", "ways"),
    ]
    for name, gallery in zip(others, galleries, strict=True):
        one = data["degradations"][name]
        caption = f"{counted(one['count'], 'picture')}. {DEGRADATIONS[name].about}"
        made += [Heading(name, 3), _table(one["answers"], caption=caption, folded=f"All numbers of {name}"), gallery]
    return made


def _how(data: dict[str, Any]) -> list[Block]:
    facts = [
        f"Command: `{data['command']}`",
        f"Machine: {data['environment']}",
        f"Generator: {data['generator']}; {data['steps']} steps; eps {data['eps']:g}.",
        "Seconds and memory are those of calls of several pictures; other programs on the machine slow them down.",
        "All numbers of this page, and their intervals, are in report.json; every answer is in the folder `answers`.",
    ]
    return [Heading("How this was made"), Points(facts + data["missing"])]
