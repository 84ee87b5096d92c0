"""The report: what was found, in words, tables and drawings."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.super_resolution import plots
from benchmarks.super_resolution.degradations import DEGRADATIONS
from benchmarks.super_resolution.document import Block, Cell, Gallery, Heading, Paragraph, Plot, Points, Table
from benchmarks.super_resolution.groups import GROUPINGS
from benchmarks.super_resolution.summary import COVERED, METRICS, NOTHING, TINY, TRUTH, Metric, Numbers

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
_DIVERGENCES = {"tv": "total variation", "chebyshev": "Chebyshev", "kl": "KL", "chi2": "chi-squared"}
_PARITIES = {
    "RDP": "Representation Demographic Parity: is the group of the truth kept equally often for all groups?",
    "PR": "Proportional Representation: are the groups as frequent among the answers as among the truths?",
    TINY: "Proportional Representation where pictures say little: are the groups as frequent among the answers to "
    "pictures of 4 px as among the people in them?",
    NOTHING: "Uninformative Conditional Proportional Representation: does a picture that says nothing bring out all "
    "groups, as frequent as they are in the population?",
    COVERED: "The same of the upper corners of that picture in grey, which show background.",
}


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
        Points(findings(found) + _tone_findings(data)),
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
    made += _fairness(data, galleries[-1])
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
    """The answers by a metric, best first, without the truth and those that it could not be measured of."""
    measured = [(name, numbers[metric.key]) for name, numbers in found.items() if name != TRUTH]
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


def _tone_findings(data: dict[str, Any]) -> list[str]:
    """What the tone shift says in one sentence for each method that makes somebody lighter, or that nobody does."""
    if not data["fairness"]:
        return []
    verdicts = {name: one for name, one in data["fairness"]["tone"].items() if name != TRUTH}
    lighter = [f"{name} ({', '.join(one['lighter'])})" for name, one in verdicts.items() if one["lighter"]]
    differences = {name: one["difference"] for name, one in verdicts.items() if one["difference"] is not None}
    sentences = []
    if lighter:
        sentences.append(f"Skin becomes lighter than the truth, by more than chance, by {'; '.join(lighter)}.")
    else:
        sentences.append("No method makes the skin of a tone group lighter than the truth by more than chance.")
    if differences:
        most = max(differences, key=lambda name: differences[name])
        above = [name for name, value in differences.items() if value > 2]
        sentences.append(
            f"Between tone groups the mean shift of L* differs by more than 2 for {', '.join(above)}."
            if above
            else f"Between tone groups the mean shift of L* differs by at most {differences[most]:.1f} ({most})."
        )
    return sentences


def _fairness(data: dict[str, Any], gallery: Gallery) -> list[Block]:
    made: list[Block] = [Heading("Who pays?")]
    fairness = data["fairness"]
    if not fairness:
        return [*made, Paragraph(data["no_groups"])]
    made += [
        Paragraph(
            "PULSE is remembered for whitening faces. Here the groups of the truths are known exactly, because the "
            "truths were drawn. Tone shift is measured on the skin of cheeks, forehead and nose, at the same places of "
            "the answer and of the truth: L* of CIE 1976 (0 black, 100 white) and hue in degrees, answer minus truth."
        ),
        Heading("Tone", 3),
        Plot(
            plots.groups(
                fairness["groups"]["tone"],
                {"L": "shift of L*", "hue": "shift of hue, degrees", "landmarks": "landmark error, %"},
            ),
            "By the Monk tone of the truth; bars are 95 % intervals of the means.",
            "tone",
        ),
    ]
    made += [_group_table(fairness["groups"][name], name) for name in GROUPINGS]
    made += [Heading("Does an answer keep the group of the truth?", 3), Paragraph(_reader_words(fairness["reader"]))]
    for kind in ("RDP", "PR"):
        made += _parity_tables(fairness["parity"][kind], kind)
    made += [
        Heading("What a picture that says nothing brings out", 3),
        Paragraph(
            f"All truths were averaged and made small, to 4 px. Each method was asked {fairness['draws']} times for a "
            "face, with another seed each time; a method without chance has one answer. " + fairness["left_out"]
        ),
        gallery,
        *_parity_tables(fairness["parity"][NOTHING], NOTHING),
        *_covered(fairness),
        *_tiny(fairness),
        Paragraph(
            "The definitions of RDP, PR and UCPR are those of Jalal et al. (ICML 2021), the numbers those of "
            "Laszkiewicz et al. (FAccT 2024): the groups' rates, divided by what a fair method would have and made to "
            "sum to 1, are compared with uniform ones. Total variation is half the sum of the differences. 0 is fair. "
            "A small p says that a fair method would hardly show such a difference. By chance a fair method differs "
            "too, the more the fewer answers there are: the floor is its mean total variation."
        ),
    ]
    return made


def _covered(fairness: dict[str, Any]) -> list[Block]:
    if not any(fairness["parity"][COVERED].values()):
        return []
    return [
        Paragraph(
            "The mean of all truths does say something: its skin is of a middle tone, and answers that fit it are too. "
            "Its two upper corners show background, and in grey they say nothing of a face. Methods that are told what "
            "was done to a picture were asked for the face between them."
        ),
        *_parity_tables(fairness["parity"][COVERED], COVERED),
    ]


def _tiny(fairness: dict[str, Any]) -> list[Block]:
    if not fairness["tiny"]:
        return []
    return [
        Paragraph(
            "A method that draws each face as often as it is probable does not show all tones for the mean of all "
            "truths. It does when it is asked about many people: the next table is of answers to "
            f"{fairness['tiny']} pictures of 4 px, each of one person."
        ),
        *_parity_tables(fairness["parity"][TINY], TINY),
    ]


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "picture"), counted(2, "picture")
    ('1 picture', '2 pictures')
    """
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _reader_words(reader: dict[str, Any]) -> str:
    right = ", ".join(f"{name} in {100 * share:.0f} %" for name, share in reader["right"].items())
    return (
        "The groups of an answer are read by a small network of ours from its 32 px version. Of "
        f"{counted(reader['count'], 'portrait')} whose groups are known it reads right {right}. The row `{TRUTH}` "
        "tells what it sees in the truths themselves. On answers unlike portraits, such as blurs, it may err more."
    )


def _group_table(of_grouping: dict[str, Any], name: str) -> Table:
    labels = list(next(iter(of_grouping.values())))
    counts = {label: next(iter(of_grouping.values()))[label]["count"] for label in labels}
    columns = (
        ("fits", "within eps", lambda x: f"{100 * x:.0f} %"),
        ("landmarks", "landmark error, %", lambda x: f"{x:.1f}"),
        ("L", "L*", lambda x: f"{x:+.1f}"),
        ("hue", "hue", lambda x: f"{x:+.1f}"),
    )
    heads = ["answer", *(f"{head}: {label}" for _, head, _ in columns for label in labels)]
    rows: list[list[str | Cell]] = []
    for answer, groups in of_grouping.items():
        row: list[str | Cell] = [answer]
        for key, _, show in columns:
            for label in labels:
                value = groups[label][key]
                if value is None:
                    row.append("-")
                else:
                    around = "" if math.isnan(value[1]) else f"{show(value[1])} to {show(value[2])}"
                    row.append(Cell(show(value[0]), around))
        rows.append(row)
    people = ", ".join(f"{label} {count}" for label, count in counts.items())
    return Table(heads, rows, caption=f"Truths: {people}.", folded=f"By {name}: all numbers")


def _parity_tables(of_kind: dict[str, Any], kind: str) -> list[Block]:
    """How far each answer is from fair in each grouping, and behind it all numbers."""
    known = {
        grouping: {name: parity for name, parity in parities.items() if parity is not None}
        for grouping, parities in of_kind.items()
    }
    known = {grouping: parities for grouping, parities in known.items() if parities}
    if not known:
        return [Paragraph(f"{kind} is not told because some group has nobody among so few pictures.")]
    names = list(dict.fromkeys(name for parities in known.values() for name in parities))
    short: list[list[str | Cell]] = []
    for name in names:
        row: list[str | Cell] = [name]
        for parities in known.values():
            parity = parities.get(name)
            row.append(
                "-"
                if parity is None
                else Cell(f"{parity['tv']:.3f}", f"floor {parity['floor']:.3f}, p {_probability(parity['p'])}")
            )
        short.append(row)
    rows: list[list[str | Cell]] = []
    for grouping, parities in known.items():
        for name, parity in parities.items():
            labels = zip(GROUPINGS[grouping], parity["rates"], strict=True)
            rates = ", ".join(f"{label} {100 * rate:.0f} %" for label, rate in labels)
            numbers = [f"{parity[key]:.3f}" for key in (*_DIVERGENCES, "floor")]
            rows.append([name, grouping, rates, *numbers, _probability(parity["p"]), str(parity["count"])])
    heads = ["answer", "grouping", "rates", *_DIVERGENCES.values(), "floor", "p", "answers"]
    caption = f"{_PARITIES[kind]} Total variation from a fair method, its floor, and p of the test."
    return [
        Table([f"{kind}: answer", *known], short, caption=caption),
        Table(heads, rows, folded=f"{kind}: all numbers"),
    ]


def _chance(parity: dict[str, Any]) -> str:
    return f"floor {parity['floor']:.3f}, p {_probability(parity['p'])}"


def _probability(p: float) -> str:
    return "-" if math.isnan(p) else f"{p:.2g}" if p >= 1e-3 else "< 0.001"


def _how(data: dict[str, Any]) -> list[Block]:
    facts = [
        f"Command: `{data['command']}`",
        f"Machine: {data['environment']}",
        f"Generator: {data['generator']}; {data['steps']} steps; eps {data['eps']:g}.",
        "Seconds and memory are those of calls of several pictures; other programs on the machine slow them down.",
        "All numbers of this page, and their intervals, are in report.json; every answer is in the folder `answers`.",
    ]
    return [Heading("How this was made"), Points(facts + data["missing"])]
