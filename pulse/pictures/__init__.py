"""Pictures in and out: read any file safely, make it a target, write a PNG that says how it was made, draw sheets."""

from pulse.pictures.fit import FRAMINGS, check_framing, fit_target, read_target
from pulse.pictures.native import true_pixels, true_pixels_of_frames
from pulse.pictures.read import (
    BACKGROUND,
    Colour,
    Picture,
    PictureError,
    Source,
    load_picture,
    open_picture,
    parse_colour,
    parse_grid,
    read_picture,
)
from pulse.pictures.write import check_folder, check_replaceable, read_text, software, story, to_pil, write_picture

__all__ = [
    "BACKGROUND",
    "FRAMINGS",
    "Colour",
    "Picture",
    "PictureError",
    "Source",
    "check_folder",
    "check_framing",
    "check_replaceable",
    "fit_target",
    "load_picture",
    "open_picture",
    "parse_colour",
    "parse_grid",
    "read_picture",
    "read_target",
    "read_text",
    "software",
    "story",
    "to_pil",
    "true_pixels",
    "true_pixels_of_frames",
    "write_picture",
]
