"""Writing a tensor as a PNG that says what it is and how it was made."""

import json
import os
from collections.abc import Mapping, Sequence
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
    # Of several samples of one picture, each is found with all others.
    several = result.settings.get("samples") if drawn else None
    several = several if isinstance(several, dict) and {"count", "seed"} <= set(several) else None
    if several is not None:
        options["seed"] = several["seed"]
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
        arguments = [source]
        if several is not None:
            function = "pulse.samples"
            arguments.append(str(several["count"]))
        call = f"{function}({', '.join(arguments + [f'{key}={value!r}' for key, value in options.items()])})"
        if several is not None:
            call += f"[{result.seeds[i] - several['seed']}]"
        changed = result.settings.get("redrawn")
        if isinstance(changed, dict) and changed:
            call += f".redraw({', '.join(f'{key}={value!r}' for key, value in changed.items())})"
        return call
    arguments = [source, f"generator={Path(generator).name!r}"]
    # Otherwise, if no option is given, it would be drawn.
    arguments += ["finish='network'"] if in_the_box(generator) else []
    return f"pulse.depixelize({', '.join(arguments + [f'{key}={value!r}' for key, value in options.items()])})"
