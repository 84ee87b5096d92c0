"""Every emoji that a colour font draws, as a folder of pictures with a table of their names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pulse.emoji.font import ColourFont, find_font
from pulse.pictures.write import check_folder
from stylegan.common.distribution import software
from stylegan.common.files import write_text
from stylegan.common.ownership import check_replaceable, file_text
from stylegan.common.png import write_png

TABLE = "emoji.json"
_NAMES = Path(__file__).with_name("names.tsv")


@dataclass(frozen=True)
class Emoji:
    """One emoji of Unicode's list.

    Attributes:
        text: the emoji itself, one character or more.
        group, subgroup: as in Unicode's emoji-test.txt: "Smileys & Emotion", "face-smiling".
        name: of CLDR: "grinning face", "waving hand: light skin tone".
        keywords: what people search it by.
    """

    text: str
    group: str
    subgroup: str
    name: str
    keywords: tuple[str, ...]

    @property
    def code(self) -> str:
        """Its code points, without those that only ask for colours: "1f44b-1f3fb"."""
        return "-".join(f"{ord(character):x}" for character in self.text if character != "\ufe0f")


@cache
def all_emoji() -> tuple[Emoji, ...]:
    """All emoji of Emoji 17, in the order of keyboards.

    >>> all_emoji()[0].name, all_emoji()[0].group
    ('grinning face', 'Smileys & Emotion')
    """
    found = []
    for line in _NAMES.read_text(encoding="utf-8").splitlines():
        points, group, subgroup, name, words = line.split("\t")
        text = "".join(chr(int(point, 16)) for point in points.split())
        found.append(Emoji(text, group, subgroup, name, tuple(words.split(",")) if words else ()))
    return tuple(found)


def groups() -> list[str]:
    """The names of the groups, in the order of keyboards."""
    return list(dict.fromkeys(one.group for one in all_emoji()))


def write_emoji(
    folder: Path,
    font: Path | None = None,
    of_groups: Sequence[str] = (),
    *,
    overwrite: bool = False,
    on_each: Callable[[int], object] = lambda count: None,
) -> tuple[int, int]:
    """Draws emoji into a folder: 1f600.png and so on, RGBA on a transparent ground, and the table emoji.json.

    The table has an entry for each picture: `file`, `emoji`, `name`, `group`, `subgroup`, `keywords`, and in `alike`
    the names of further emoji that the font draws with the very same pixels, which get no picture of their own.
    A call that was interrupted goes on where it stopped.

    Args:
        folder: made if it is missing.
        font: a colour font; by default the one of this system.
        of_groups: names of groups, in any case; none for all.
        overwrite: replace the pictures of another font or of other groups.
        on_each: called with 1 after each emoji of the list.

    Returns:
        How many pictures there are, and how many emoji the font lacks.

    Raises:
        ValueError: in one sentence, for a font, a group or a folder that cannot be used.
        OSError: in one sentence, when a file cannot be written.
    """
    wanted = _of_groups(of_groups)
    check_folder(folder)
    path = find_font() if font is None else font
    drawer = ColourFont(path)
    request = _fingerprint(path, wanted)
    table = folder / TABLE
    check_replaceable(table, overwrite=overwrite, request=request)
    before = _files_of(table)
    folder.mkdir(parents=True, exist_ok=True)
    entries: dict[bytes, dict[str, Any]] = {}
    lacks = 0
    for one in wanted:
        picture = drawer.draw(one.text)
        if picture is None:
            lacks += 1
        else:
            digest = hashlib.sha256(picture.tobytes()).digest()
            if digest in entries:
                entries[digest]["alike"].append(one.name)
            else:
                entries[digest] = _entry(one)
                file = folder / f"{one.code}.png"
                if file_text(file).get("request") != request:
                    check_replaceable(file, overwrite=overwrite, request=request)
                    write_png(file, picture, {"Software": software(), "request": request, "Title": one.name})
        on_each(1)
    if not entries:
        raise ValueError(f"The font {drawer.name} has none of the {len(wanted)} emoji; give another font.")
    told = {"software": software(), "request": request, "font": path.name, "emoji": list(entries.values())}
    write_text(table, json.dumps(told, ensure_ascii=False))
    for name in before - {entry["file"] for entry in entries.values()}:
        (folder / name).unlink(missing_ok=True)
    return len(entries), lacks


def read_table(folder: Path) -> list[dict[str, Any]]:
    """The entries of a folder's emoji.json; empty where there is none that can be read."""
    try:
        entries = json.loads((folder / TABLE).read_text(encoding="utf-8"))["emoji"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _of_groups(names: Sequence[str]) -> list[Emoji]:
    known = {name.casefold(): name for name in groups()}
    for name in names:
        if name.casefold() not in known:
            raise ValueError(f"There is no group {name!r} of emoji; the groups are {', '.join(known.values())}.")
    chosen = {known[name.casefold()] for name in names} or set(known.values())
    return [one for one in all_emoji() if one.group in chosen]


def _entry(one: Emoji) -> dict[str, Any]:
    return {
        "file": f"{one.code}.png",
        "emoji": one.text,
        "name": one.name,
        "group": one.group,
        "subgroup": one.subgroup,
        "keywords": list(one.keywords),
        "alike": [],
    }


def _fingerprint(font: Path, wanted: Sequence[Emoji]) -> str:
    """Of the font's bytes and the emoji that are asked for."""
    digest = hashlib.sha256(font.read_bytes())
    digest.update("\n".join(one.text for one in wanted).encode())
    return digest.hexdigest()


def _files_of(table: Path) -> set[str]:
    """The pictures that an earlier table of this program lists."""
    if not file_text(table):
        return set()
    names = {str(entry.get("file")) for entry in read_table(table.parent)}
    return {name for name in names if Path(name).name == name and file_text(table.parent / name).get("Software")}
