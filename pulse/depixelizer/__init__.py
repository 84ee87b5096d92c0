"""From anything with pixels to large faces: pictures, the sprites of a sheet, the heads of figures, animations."""

from pulse.depixelizer.cut import Head, Piece, crop_picture, cut_sheet, find_head, parse_crop, parse_layout
from pulse.depixelizer.film import FilmResult
from pulse.depixelizer.frames import depixelize_frames
from pulse.depixelizer.one import depixelize

__all__ = [
    "FilmResult",
    "Head",
    "Piece",
    "crop_picture",
    "cut_sheet",
    "depixelize",
    "depixelize_frames",
    "find_head",
    "parse_crop",
    "parse_layout",
]
