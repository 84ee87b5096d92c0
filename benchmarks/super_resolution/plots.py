"""The drawings of the report, as SVG."""

from __future__ import annotations

import io
import math
from typing import Any

from benchmarks.super_resolution.summary import REFERENCES, Numbers

_INK, _SOFT = "#1d2430", "#5d6675"
# Wong, Points of view: Color blindness, Nature Methods 8, 2011, without its yellow; then greys.
_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#1d2430",
    "#7a5195",
    "#8a8f99",
    "#a05d2c",
)
_MARKERS = "osD^vPX*<>"


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, list[Any]]:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "pulse", "font.size": 10, "axes.edgecolor": _SOFT, "text.color": _INK})
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = list(figure.subplots(1, columns, squeeze=False)[0])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(True, color="#e6e9ef", linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, axes


def _svg(figure: Any) -> str:
    data = io.StringIO()
    # Without a date the same numbers make the same file.
    figure.savefig(data, format="svg", metadata={"Date": None}, transparent=True)
    return data.getvalue()


def style(names: list[str], name: str) -> dict[str, str]:
    """The colour and marker of an answer, the same in all drawings."""
    i = names.index(name)
    return {"color": _COLOURS[i % len(_COLOURS)], "marker": _MARKERS[i % len(_MARKERS)]}


def plane(summary: dict[str, dict[str, Numbers]], names: list[str]) -> str:
    """The perception-distortion plane (Blau and Michaeli, CVPR 2018): nearer to the left is nearer to the truth, lower
    looks more like a portrait."""
    figure, (axis,) = _figure(8, 5)
    for name in names:
        numbers = summary[name]
        rmse, swd = numbers["rmse"], numbers.get("swd")
        if rmse is None or swd is None:
            continue
        axis.plot(255 * rmse[0], swd[0], linestyle="none", markersize=9, **style(names, name), label=name)
        if not math.isnan(rmse[1]):
            axis.hlines(swd[0], 255 * rmse[1], 255 * rmse[2], color=style(names, name)["color"], linewidth=1.2)
    axis.set_xlabel("distortion: root mean square error, grey levels of 255")
    axis.set_ylabel("perception: sliced Wasserstein distance, x 1000")
    axis.margins(x=0.1, y=0.12)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return _svg(figure)


def over_degradations(summaries: dict[str, dict[str, dict[str, Numbers]]], names: list[str]) -> str:
    """PSNR, landmark error and downsampling error of each answer by degradation."""
    figure, axes = _figure(11, 4.2, 3)
    shown = (("psnr", "PSNR, dB"), ("landmarks", "landmark error, %"), ("down", "downsampling error"))
    kinds = list(summaries)
    for axis, (key, label) in zip(axes, shown, strict=True):
        for name in names:
            numbers = [summaries[kind].get(name, {}).get(key) for kind in kinds]
            values = [math.nan if one is None else one[0] for one in numbers]
            axis.plot(range(len(kinds)), values, linewidth=1.4, markersize=5, **style(names, name), label=name)
        axis.set_xticks(range(len(kinds)), kinds, rotation=30, ha="right")
        axis.set_title(label, fontsize=10, loc="left")
    axes[2].set_yscale("log")
    # Nothing below says more: a PNG's rounding alone makes an error of 1e-6.
    axes[2].set_ylim(bottom=max(axes[2].get_ylim()[0], 1e-6))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return _svg(figure)


def groups(of_grouping: dict[str, Any], keys: dict[str, str]) -> str:
    """Means with intervals by group, one panel for each of `keys`: name of a number to its label."""
    figure, axes = _figure(11, 0.9 + 0.42 * len(of_grouping), len(keys))
    rows = list(of_grouping)
    labels = list(next(iter(of_grouping.values())))
    for axis, (key, label) in zip(axes, keys.items(), strict=True):
        for g, group in enumerate(labels):
            colour, marker = _COLOURS[g], _MARKERS[g]
            for row, name in enumerate(rows):
                numbers = of_grouping[name][group][key]
                if numbers is None:
                    continue
                y = row + 0.22 * (g - (len(labels) - 1) / 2)
                known = not math.isnan(numbers[1])
                around = [[numbers[0] - numbers[1]], [numbers[2] - numbers[0]]] if known else None
                axis.errorbar(numbers[0], y, xerr=around, fmt=marker, color=colour, markersize=5, linewidth=1.2)
            axis.plot([], [], marker, color=colour, label=group)
        axis.set_yticks(range(len(rows)), rows if axis is axes[0] else [])
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(label, fontsize=10, loc="left")
        if key in ("L", "hue"):
            axis.axvline(0, color=_SOFT, linewidth=1)
    handles, names_of = axes[0].get_legend_handles_labels()
    figure.legend(handles, names_of, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    return _svg(figure)


def without_truth(names: list[str]) -> list[str]:
    """The answers that a method made."""
    return [name for name in names if name not in REFERENCES]
