"""Writing a tensor as a PNG that says what it is and how it was made."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from stylegan.common.console import printable
from stylegan.common.distribution import software
from stylegan.common.ownership import check_replaceable, file_text
from stylegan.common.pixels import to_pil
from stylegan.common.png import write_png

if TYPE_CHECKING:
    from pulse.result import Result

__all__ = ["check_folder", "check_replaceable", "read_text", "software", "story", "to_pil", "write_picture"]


def check_folder(path: Path) -> None:
    """Raises ValueError unless `path` is, or can be made, a folder that can be written to."""
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    name, blocker = printable(path), printable(nearest)
    if not nearest.is_dir():
        raise ValueError(f"The results cannot go to {name} because {blocker} is a file; name a folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(
            f"The results cannot go to {name} because you may not write to {blocker}; name another folder."
        )


def write_picture(
    path: str | os.PathLike[str], image: torch.Tensor | Image.Image, text: Mapping[str, str] | None = None
) -> None:
    """Writes a PNG, whole or not at all.

    Args:
        path: the file to make or replace; missing folders are made.
        image: a tensor (3, H, W) in [0, 1], or a Pillow image.
        text: written to the PNG's text chunks; `read_text` reads it.

    Raises:
        OSError: in one sentence, when the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, image, text)


def read_text(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text of a file that `write_picture` wrote; empty when it is missing, damaged, or has none.

    Reads at most 1 MiB of text and decodes no pixel (`stylegan.common.ownership.file_text`).
    """
    return file_text(path)


def story(
    result: "Result", i: int, generator: str | os.PathLike[str], *, notes: Sequence[str] = (), **more: str
) -> dict[str, str]:
    """What image `i` of a result is and how to make it again, as text for `write_picture`.

    Args:
        result: of a search.
        i: which of its images.
        generator: a name or a path, as the user gave it. Only the last part of a path is written, so that a shared
            picture does not reveal its maker's folders.
        notes: what the reader noticed about the input picture, in sentences.
        more: further text, for example `source`, the input's name, and `request` for `check_replaceable`.
    """
    name = Path(generator).name
    text = {
        "Software": software(),
        "Description": "Synthetic face: a generator invented it to fit a small picture; it shows no real person.",
        "synthetic": "true",
        "finish": result.made_by,
        "generator": name,
        "seed": str(result.seeds[i]),
        "loss": f"{float(result.l2[i]):.6g}",
        "verdict": result.verdict(i),
        "reached": "true" if bool(result.reached[i]) else "false",
        "reached_at": str(int(result.reached_at[i])),
        "interrupted": "true" if result.interrupted else "false",
        "settings": json.dumps(result.settings, sort_keys=True),
        "again": _call(result, i, generator, more),
        **more,
    }
    if result.made_by == "drawn":
        text["Description"] = "Synthetic face: drawn by a renderer to fit a small picture; it shows no real person."
        text["shows"] = result.describe(i)
    if notes:
        text["notes"] = " ".join(notes)
    return text


def _call(result: "Result", i: int, generator: str | os.PathLike[str], more: Mapping[str, str]) -> str:
    """The Python call that finds image `i` again."""
    from pulse.finishes import in_the_box
    from pulse.options import STARTS, DrawnOptions, SearchOptions

    drawn = result.made_by == "drawn"
    plain = SearchOptions(starts=STARTS) if drawn else SearchOptions()
    options = {key: value for key, value in result.settings.items() if getattr(plain, key, value) != value}
    options["seed"] = result.seeds[i]
    several = _one_of_several(result, i)
    if several is not None:
        options["seed"] = several.seed
    # Only a caller that began with a picture says how it became a target.
    for key in ("framing", "background"):
        if key in more:
            options[key] = more[key]
    if more.get("grid", "auto") != "auto":
        options["grid"] = more["grid"]
    if "size" in more:
        options["size"] = int(more["size"])
    cut: dict[str, Any] = {}
    if more.get("crop", "None") != "None":
        cut["crop"] = more["crop"]
    if more.get("head") == "True":
        cut["head"] = True
    options |= cut
    source = repr(more.get("source", "the picture"))
    if drawn:
        asked = {key: result.settings.get(key, value) for key, value in vars(DrawnOptions()).items()}
        options |= {key: value for key, value in asked.items() if value != getattr(DrawnOptions, key)}
        # Only `depixelize` cuts pictures.
        function = "pulse.depixelize" if cut else "pulse.draw"
        call = _joined(function, [source], options, several)
        changed = result.settings.get("redrawn")
        if isinstance(changed, dict) and changed:
            call += f".redraw({', '.join(f'{key}={value!r}' for key, value in changed.items())})"
        return call
    arguments = [source, f"generator={Path(generator).name!r}"]
    # Otherwise, if no option is given, it would be drawn.
    arguments += ["finish='network'"] if in_the_box(generator) else []
    return _joined("pulse.depixelize", arguments, options, several)


@dataclass(frozen=True)
class _Several:
    """A call that finds several answers for one picture, and which of them is meant."""

    function: str
    arguments: list[str]
    seed: int
    which: str


def _one_of_several(result: "Result", i: int) -> _Several | None:
    """The call that found an image together with others; None for one that is found alone.

    A file of a result may come from anywhere, so its settings may be anything.
    """

    def told(name: str, *numbers: str) -> dict[str, Any] | None:
        found = result.settings.get(name)
        whole = isinstance(found, dict) and all(type(found.get(number)) is int for number in (*numbers, "seed"))
        return found if whole else None

    if (found := told("sampled", "count")) is not None:
        which = f"[{result.seeds[i] - found['seed']}]"
        return _Several("pulse.samples", [str(found["count"])], found["seed"], which)
    if (found := told("iterate", "stage")) is not None:
        engines = [] if found.get("engines") == ["search"] else [f"engines={found.get('engines')!r}"]
        stage = found["stage"]
        return _Several("pulse.iterate", [str(stage + 1), *engines], found["seed"], f"[{stage}]")
    if (found := told("explore", "number")) is not None:
        return _Several("pulse.explore", [], found["seed"], f"[{found['number']}].answer")
    return None


def _joined(function: str, arguments: list[str], options: Mapping[str, Any], several: _Several | None) -> str:
    named = [f"{key}={value!r}" for key, value in options.items()]
    if several is None:
        return f"{function}({', '.join([*arguments, *named])})"
    given = [arguments[0], *several.arguments, *arguments[1:], *named]
    return f"{several.function}({', '.join(given)}){several.which}"
