"""Colour fonts: where the system keeps one, and the picture that it draws for an emoji."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from stylegan.common.console import printable

# By how many emoji they have, and how sharp they are.
_FILES = (
    "NotoColorEmoji.ttf",
    "Apple Color Emoji.ttc",
    "seguiemj.ttf",
    "Twemoji.ttf",
    "TwemojiMozilla.ttf",
    "JoyPixels.ttf",
)
_FOLDERS = (
    "~/.local/share/fonts",
    "~/.fonts",
    "/usr/local/share/fonts",
    "/usr/share/fonts",
    "/opt/homebrew/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
# A font of bitmaps has one size, or a few: Noto's is 109, Apple's 160. Of outlines any size can be drawn.
_SIZES = (136, 109, 160, 128, 96, *range(256, 15, -1))
_GRINNING, _NOBODYS = "\U0001f600", "\U000ffffe"


def find_font() -> Path:
    """The file of a colour font of this system.

    Raises:
        ValueError: in one sentence, if none is found.
    """
    found: dict[str, Path] = {}
    for folder in _FOLDERS:
        for where, _, names in os.walk(os.path.expanduser(folder)):
            for name in set(names) & set(_FILES):
                found.setdefault(name, Path(where) / name)
    for name in _FILES:
        if name in found:
            return found[name]
    raise ValueError(
        "There is no colour font with emoji here; install one (on Debian: apt-get install fonts-noto-color-emoji), or"
        " name its file with --font."
    )


class ColourFont:
    """A font that draws emoji in colour.

    Args:
        path: the font's file.

    Raises:
        ValueError: in one sentence, if there is no such font, or it draws no emoji, or none in colour.
    """

    def __init__(self, path: Path) -> None:
        if not features.check("raqm"):
            raise ValueError(
                "This Pillow has no Raqm, which joins the characters of flags and families; install Pillow's own wheel"
                " from the package index."
            )
        self.name = printable(path)
        self._font = _opened(path)
        self._advance = self._font.getlength(_GRINNING)
        nothing = self._drawn(_NOBODYS)
        # What the font draws for characters that it lacks.
        self._missing = None if nothing is None else nothing.tobytes()
        first = self._drawn(_GRINNING)
        if first is None or first.tobytes() == self._missing:
            raise ValueError(f"The font {self.name} draws no emoji; give a colour font such as NotoColorEmoji.ttf.")
        self.side = max(first.size)
        # The ink is black, so whatever is not black is the font's own colour.
        if first.convert("RGB").getbbox() is None:
            raise ValueError(
                f"The font {self.name} has no colours that Pillow can draw; give one with bitmaps or layers, such as"
                " NotoColorEmoji.ttf."
            )

    def draw(self, emoji: str) -> Image.Image | None:
        """The picture of an emoji, RGBA and square, on a transparent ground; None if the font lacks it."""
        # Where the font cannot join all its characters, it draws them side by side.
        if self._font.getlength(emoji) > 1.2 * self._advance:
            return None
        picture = self._drawn(emoji)
        if picture is None or picture.tobytes() == self._missing:
            return None
        if max(picture.size) > self.side:
            picture.thumbnail((self.side, self.side), Image.Resampling.LANCZOS)
        square = Image.new("RGBA", (self.side, self.side))
        square.paste(picture, ((self.side - picture.width) // 2, (self.side - picture.height) // 2))
        return square

    def _drawn(self, text: str) -> Image.Image | None:
        left, top, right, bottom = (round(edge) for edge in self._font.getbbox(text))
        if right <= left or bottom <= top:
            return None
        picture = Image.new("RGBA", (right - left, bottom - top))
        ImageDraw.Draw(picture).text((-left, -top), text, "black", self._font, embedded_color=True)
        # Pillow mixes colours with the transparent black below them; as premultiplied ones they come out as they were.
        picture = Image.frombytes("RGBa", picture.size, picture.tobytes()).convert("RGBA")
        return picture if picture.getbbox() else None


def _opened(path: Path) -> ImageFont.FreeTypeFont:
    if not path.is_file():
        raise ValueError(f"There is no font {printable(path)}; give the path of a .ttf, .ttc or .otf file.")
    for font in _of_any_size(path):
        return font
    raise ValueError(f"{printable(path)} is no font that can be read; give a .ttf, .ttc or .otf file.")


def _of_any_size(path: Path) -> Iterator[ImageFont.FreeTypeFont]:
    for size in _SIZES:
        try:
            yield ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.RAQM)
        except OSError as error:
            # Anything else is wrong with the file, whatever the size.
            if "size" not in str(error):
                return
