"""Recognising files that are not pictures, so that the error can say what to do."""

_FILM = "is a film and not a picture; export one frame as PNG first"
# What a file begins with, and the sentence's second half. XML declarations are looked through for SVG below.
_BEGINNINGS = (
    (b"%!PS", "is PostScript, a drawing and not pixels; export it as PNG first"),
    (b"\xc5\xd0\xd3\xc6", "is PostScript, a drawing and not pixels; export it as PNG first"),
    (b"%PDF", "is a PDF and not a picture; export its page as PNG first"),
    (b"\xd7\xcd\xc6\x9a", "is a Windows metafile, a drawing and not pixels; export it as PNG first"),
    (b"PK\x03\x04", "is a zip archive and not a picture; unpack it first"),
    (b"\x1a\x45\xdf\xa3", _FILM),
    (b"version https://git-lfs", "is a pointer of Git LFS; fetch the picture itself with git lfs pull"),
)
_SVG = "is an SVG, a drawing and not pixels; export it as PNG first"
_HTML = "is a web page and not a picture; save the picture itself"
_HEIF = "is in the format HEIC, which is not read here; export it as JPEG or PNG first"
_AVIF = "is a damaged AVIF, or of a kind that cannot be read here; export it as JPEG or PNG first"
_BRANDS = {
    b"heic": _HEIF,
    b"heix": _HEIF,
    b"hevc": _HEIF,
    b"mif1": _HEIF,
    b"msf1": _HEIF,
    b"avif": _AVIF,
    b"avis": _AVIF,
}
HEAD = 4096


def is_film(head: bytes) -> bool:
    """Whether a file that begins with `head` is a film: MP4, QuickTime, Matroska or WebM."""
    return verdict(head) == _FILM


def verdict(head: bytes) -> str:
    """The second half of the sentence "X ...", for a file that begins with `head` (HEAD bytes or the whole file)."""
    if not head:
        return "is empty; it has no bytes at all"
    for beginning, words in _BEGINNINGS:
        if head.startswith(beginning):
            return words
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], _FILM)
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return _HTML
    if text.startswith(b"<"):
        if b"<svg" in text:
            return _SVG
        if b"<html" in text:
            return _HTML
    return "is no picture of a known format; give a PNG, JPEG, GIF or WebP file"
