"""The part of the report that is about groups of people: whom a method serves worse, and whom it does not draw."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.super_resolution import plots
from benchmarks.super_resolution.document import Block, Cell, Gallery, Heading, Paragraph, Plot, Table, counted
from benchmarks.super_resolution.groups import GROUPINGS
from benchmarks.super_resolution.summary import COVERED, NOTHING, REFERENCES, TINY, TOLD, TRUTH

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


def tone_findings(data: dict[str, Any]) -> list[str]:
    """What the tone shift says in one sentence for each method that makes somebody lighter, or that nobody does."""
    if not data["fairness"]:
        return []
    tone = data["fairness"]["tone"]
    verdicts = {name: one for name, one in tone.items() if name not in REFERENCES}
    lighter = [f"{name} ({', '.join(one['lighter'])})" for name, one in verdicts.items() if one["lighter"]]
    differences = {name: one["difference"] for name, one in verdicts.items() if one["difference"] is not None}
    sentences = []
    if lighter:
        sentences.append(f"Skin becomes lighter than the truth, by more than chance, by {'; '.join(lighter)}.")
    else:
        sentences.append("No method makes the skin of a tone group lighter than the truth by more than chance.")
    if lighter and tone.get(TOLD, {}).get("lighter"):
        sentences.append(
            "So does the generator itself, told exactly who the person is and without any search "
            f"({', '.join(tone[TOLD]['lighter'])})."
        )
    small = [f"{name} ({', '.join(one['lighter small'])})" for name, one in verdicts.items() if one["lighter small"]]
    sentences.append(
        "At the size of the question, skin is lighter than the question's, by more than chance, in answers of "
        f"{'; '.join(small)}."
        if small
        else "At the size of the question, no method's skin is lighter than the question's by more than chance."
    )
    if differences:
        most = max(differences, key=lambda name: differences[name])
        above = [name for name, value in differences.items() if value > 2]
        sentences.append(
            f"Between tone groups the mean shift of L* differs by more than 2 for {', '.join(above)}."
            if above
            else f"Between tone groups the mean shift of L* differs by at most {differences[most]:.1f} ({most})."
        )
    return sentences


def who_pays(data: dict[str, Any], gallery: Gallery) -> list[Block]:
    made: list[Block] = [Heading("Who pays?")]
    fairness = data["fairness"]
    if not fairness:
        return [*made, Paragraph(data["no_groups"])]
    made += [
        Paragraph(
            "PULSE is remembered for whitening faces. Here the groups of the truths are known exactly, because the "
            "truths were drawn. Tone shift is measured on the skin of cheeks, forehead and nose, at the same places of "
            "the answer and of the truth: L* of CIE 1976 (0 black, 100 white) and hue in degrees, answer minus truth. "
            "Places that hair, a hat or glasses cover in the truth are left out. "
            "The columns `L* small` are of both made small, as the question is: they say whether an answer keeps the "
            "tone that it was shown, without the light and shade that nobody can see in the question. The row "
            f"`{TOLD}` is what the generator draws of the truth's own coordinates, without a search: a shift there is "
            "the generator's, not that of a search."
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
        ("L small", "L* small", lambda x: f"{x:+.1f}"),
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


def _probability(p: float) -> str:
    return "-" if math.isnan(p) else f"{p:.2g}" if p >= 1e-3 else "< 0.001"
