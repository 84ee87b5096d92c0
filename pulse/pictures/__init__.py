"""Pictures in and out: read any file safely, make it a target, write a PNG that tells its story, draw sheets."""

from pulse.pictures.fit import FITS, check_fit, fit_target
from pulse.pictures.read import MAX_PIXELS, Colour, PictureError, Source, parse_colour, read_picture
from pulse.pictures.write import check_folder, check_replaceable, read_text, software, story, to_pil, write_picture

__all__ = [
    "FITS",
    "MAX_PIXELS",
    "Colour",
    "PictureError",
    "Source",
    "check_fit",
    "check_folder",
    "check_replaceable",
    "fit_target",
    "parse_colour",
    "read_picture",
    "read_text",
    "software",
    "story",
    "to_pil",
    "write_picture",
]
