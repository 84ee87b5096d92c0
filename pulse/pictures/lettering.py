"""Text on pictures: Pillow's own font, lines that fit."""

from PIL import ImageFont

from stylegan.common.console import printable

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Longer names and texts do not help the reader of a picture.
_LONGEST = 1000


def font(size: int) -> Font:
    """Pillow's own font at a size in pixels."""
    return ImageFont.load_default(size)


def fitting_font(text: str, size: int, width: int) -> Font:
    """The font at this size, or as much smaller as makes the text fit into the width."""
    while size > 11 and font(size).getlength(text) > width:
        size -= 1
    return font(size)


def shortened(text: str, width: int, face: Font) -> str:
    """The text in one line of limited width. The middle is left out, because names often differ at the end."""
    text = printable(text)[:_LONGEST]
    if face.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: kept - kept // 3]}...{text[len(text) - kept // 3 :]}"
        if face.getlength(short) <= width:
            return short
    return ""


def wrapped(text: str, width: int, face: Font) -> list[str]:
    """The text in lines of limited width."""
    lines: list[str] = []
    for word in printable(text)[:_LONGEST].split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(word, width, face))
    return lines
