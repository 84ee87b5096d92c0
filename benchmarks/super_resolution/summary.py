"""From the rows of all answers to means with intervals, by method and by group."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.super_resolution import fairness
from benchmarks.super_resolution.answers import read_answers, read_rows, slug
from benchmarks.super_resolution.groups import GROUPINGS
from benchmarks.super_resolution.measures import Row, sharp_powers
from benchmarks.super_resolution.statistics import interval, interval_of
from benchmarks.tones import confusion
from stylegan.common.pixels import to_bytes
from stylegan.training.sliced_wasserstein import mean_distance, sliced_wasserstein

# [mean, low, high], or None where nothing could be measured.
Numbers = list[float] | None
TRUTH, TOLD = "the truth", "generator, told all"
# Rows that stand beside the methods and take no part in any comparison.
REFERENCES = (TRUTH, TOLD)
# Proportional representation where pictures say little.
TINY = "PR at 4 px"
# The mean of all people, and its upper corners alone.
NOTHING, COVERED = "UCPR", "UCPR, face covered"
# What is told of each group.
_OF_GROUPS = ("fits", "landmarks", "L", "L small", "hue")
# Random lines of the sliced Wasserstein distance.
_LINES = 128


@dataclass(frozen=True)
class Metric:
    """One column.

    Args:
        key: of a row, or of what `summarise` adds.
        head: of the column.
        show: a number as text.
        better: 1 if more is better, -1 if less is, 0 if it is best near 0; None if none is the best.
        about: one sentence.
    """

    key: str
    head: str
    show: Callable[[float], str]
    better: int | None
    about: str


def _places(digits: int, factor: float = 1.0, end: str = "") -> Callable[[float], str]:
    return lambda x: f"{factor * x:.{digits}f}{end}"


METRICS = (
    Metric("psnr", "PSNR, dB", _places(2), 1, "Peak signal-to-noise ratio of RGB, in decibels."),
    Metric("ssim", "SSIM", _places(3), 1, "Structural similarity of RGB (Wang et al. 2004), by pytorch-msssim."),
    Metric(
        "ms_ssim",
        "MS-SSIM",
        _places(3),
        1,
        "The same at five scales (Wang et al. 2003); below 161 px with a window of 7 px, because 11 do not fit.",
    ),
    Metric("LPIPS", "LPIPS", _places(3), -1, "Learnt perceptual distance (Zhang et al. 2018), AlexNet."),
    Metric("NIQE", "NIQE", _places(2), -1, "How natural a picture looks, without its truth (Mittal et al. 2013)."),
    Metric(
        "down",
        "downsampling error",
        lambda x: f"{x:.1e}",
        -1,
        "Mean squared error between the question and the answer made small as methods were told. Searches aim at eps, "
        "not at 0.",
    ),
    Metric("fits", "within eps", _places(0, 100, " %"), 1, "Share of answers whose downsampling error is within eps."),
    Metric(
        "landmarks",
        "landmark error, %",
        _places(1),
        -1,
        "Mean distance of dlib's 51 inner landmarks from the true ones, in % of the distance between the eyes; dlib is "
        "told where the true face is.",
    ),
    Metric("face", "face found", _places(0, 100, " %"), 1, "Share of answers in which dlib's detector finds a face."),
    Metric(
        "sharpness",
        "sharpness, dB",
        _places(1),
        0,
        "Power above 1/8 of the Nyquist frequency beside that of the truths; 0 is as sharp as they are.",
    ),
    Metric(
        "swd",
        "SWD",
        _places(1),
        -1,
        "Sliced Wasserstein distance of all answers to all truths, times 1000 (Karras et al. 2018); it falls with the "
        "number of pictures, so compare it within a table only.",
    ),
    Metric("seconds", "s", _places(2), None, "Seconds by the clock, for each picture of a batch."),
    Metric("cpu", "CPU s", _places(2), None, "Seconds of all processors, for each picture of a batch."),
    Metric("peak", "MB", _places(0, 1e-6), None, "Most memory that a batch took beside what was held before."),
)


def summarise(
    folder: Path, names: list[str], count: int, with_distribution: bool = True
) -> dict[str, dict[str, Numbers]]:
    """Means with intervals of each metric of each answer in the folder of a degradation; missing answers are left out.

    Args:
        folder: of the degradation.
        names: of the answers.
        count: pictures.
        with_distribution: also the distance of all answers to all truths, which takes longer.
    """
    summary = {}
    truths = to_bytes(read_answers(folder / slug(TRUTH), range(count)))
    for name in names:
        rows = rows_of(folder, name, count)
        if rows is None:
            continue
        numbers = {one.key: interval([row.get(one.key) for row in rows]) for one in METRICS}
        numbers["rmse"] = interval([row["rmse"] for row in rows])
        numbers["sharpness"] = interval_of(_decibels, *sharp_powers(rows))
        if name != TRUTH and with_distribution:
            answers = to_bytes(read_answers(folder / slug(name), range(count)))
            distance = mean_distance(sliced_wasserstein(truths, answers, directions=_LINES))
            numbers["swd"] = [distance, math.nan, math.nan]
        summary[name] = numbers
    return summary


def _decibels(mine: np.ndarray, true: np.ndarray) -> float:
    return float(10 * np.log10(max(mine.mean(), 1e-12) / true.mean()))


def rows_of(folder: Path, name: str, count: int) -> list[Row] | None:
    """The rows of the first `count` answers of a name; None unless all are there."""
    rows = read_rows(folder / slug(name))
    return [rows[i] for i in range(count)] if all(i in rows and "psnr" in rows[i] for i in range(count)) else None


def by_group(folder: Path, names: list[str], groups: np.ndarray) -> dict[str, Any]:
    """For each grouping, answer and group: how many there are, and what the answers are worth to them.

    Args:
        folder: of the degradation.
        names: of the answers.
        groups: (N, 5), true.
    """
    found: dict[str, Any] = {grouping: {} for grouping in GROUPINGS}
    for name in names:
        rows = rows_of(folder, name, len(groups))
        if rows is None:
            continue
        for column, (grouping, labels) in enumerate(GROUPINGS.items()):
            found[grouping][name] = {}
            for group, label in enumerate(labels):
                some = [row for row, true in zip(rows, groups[:, column], strict=True) if true == group]
                found[grouping][name][label] = {
                    "count": len(some),
                    **{
                        key: interval([row[key] for row in some])
                        for key in ("fits", "landmarks", "L", "L small", "hue")
                    },
                }
    return found


def parities(
    folder: Path,
    names: list[str],
    groups: np.ndarray,
    drawn: dict[str, dict[str, np.ndarray]],
    tiny: dict[str, np.ndarray],
    reader: tuple[np.ndarray, np.ndarray],
    population: np.ndarray,
) -> dict[str, Any]:
    """RDP, PR, UCPR of each kind, and PR of tiny pictures, of each grouping and answer.

    Args:
        folder: of the degradation.
        names: of the answers.
        groups: (N, 5), true.
        drawn: what the reader sees (M, 5) in the answers to a picture that says nothing, by `NOTHING` or `COVERED`, and
            by the name of the answer.
        tiny: what it sees (M, 5) in the answers to pictures of the first M truths that are as small.
        reader: true groups and what the reader sees (M, 5), of portraits that test it.
        population: groups (P, 5) of many portraits.
    """
    found: dict[str, Any] = {kind: {grouping: {} for grouping in GROUPINGS} for kind in ("RDP", "PR", *drawn, TINY)}
    for column, (grouping, labels) in enumerate(GROUPINGS.items()):
        kinds, true = len(labels), groups[:, column]
        confused = confusion(reader[0][:, column], reader[1][:, column], kinds)
        shares, everyone = (np.bincount(some, minlength=kinds) / len(some) for some in (true, population[:, column]))
        for name in names:
            rows = rows_of(folder, name, len(groups))
            if rows is not None:
                read = np.array([row["groups"][column] for row in rows])
                found["RDP"][grouping][name] = fairness.representation_parity(true, read, kinds)
                found["PR"][grouping][name] = fairness.proportional_representation(read, shares, confused)
            for kind, of_kind in drawn.items():
                if name in of_kind:
                    seen = of_kind[name][:, column]
                    found[kind][grouping][name] = fairness.proportional_representation(seen, everyone, confused)
            if name in tiny:
                few = np.bincount(true[: len(tiny[name])], minlength=kinds) / len(tiny[name])
                found[TINY][grouping][name] = fairness.proportional_representation(tiny[name][:, column], few, confused)
    return {
        kind: {g: {n: p and asdict(p) for n, p in some.items()} for g, some in grouped.items()}
        for kind, grouped in found.items()
    }


def tone_verdicts(of_tones: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each answer the largest difference between the tone groups' mean shifts of L*, and who is made lighter.

    A group is made lighter if the whole interval of its mean shift is above 0; "lighter small" is the same of what both
    pictures show at the size of the question.
    """
    verdicts = {}
    for name, groups in of_tones.items():
        shifts, small = (
            {label: one[key] for label, one in groups.items() if one[key] is not None} for key in ("L", "L small")
        )
        means = [shift[0] for shift in shifts.values()]
        verdicts[name] = {
            "difference": max(means) - min(means) if len(means) > 1 else None,
            "lighter": [label for label, shift in shifts.items() if shift[1] > 0],
            "lighter small": [label for label, shift in small.items() if shift[1] > 0],
            "darker": [label for label, shift in shifts.items() if shift[2] < 0],
        }
    return verdicts
