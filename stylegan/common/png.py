"""Writing PNGs with text chunks that say what they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from stylegan.common.files import whole_file
from stylegan.common.pixels import to_pil

if TYPE_CHECKING:
    from PIL.Image import Image


def write_png(path: str | os.PathLike[str], image: Tensor | Image, text: Mapping[str, str] | None = None) -> None:
    """Writes a PNG, whole or not at all.

    Args:
        path: the file to make or replace; its folder must exist.
        image: a tensor (C, H, W) in [0, 1] or of uint8, or a Pillow image.
        text: written to the PNG's text chunks; `stylegan.common.ownership.file_text` reads it.

    Raises:
        OSError: in one sentence, when the file cannot be written.
    """
    from PIL import PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        # A file name may hold bytes that are not valid UTF-8, which a text chunk cannot store.
        chunks.add_text(key, value.encode("utf-8", "backslashreplace").decode())
    picture = to_pil(image) if isinstance(image, Tensor) else image
    with whole_file(Path(path)) as part:
        picture.save(part, format="PNG", pnginfo=chunks)
