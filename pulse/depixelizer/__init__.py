"""From anything with pixels to large faces: pictures, the sprites of a sheet, the heads of figures."""

from pulse.depixelizer.cut import Head, Piece, crop_picture, cut_sheet, find_head, parse_crop, parse_layout
from pulse.depixelizer.one import depixelize

__all__ = ["Head", "Piece", "crop_picture", "cut_sheet", "depixelize", "find_head", "parse_crop", "parse_layout"]
