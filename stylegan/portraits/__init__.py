"""Procedural portraits of people and characters: heads drawn by sphere tracing, each a point of the unit cube."""

from stylegan.portraits import before_torch  # noqa: F401 - the first import
from stylegan.portraits.characters import EXTRAS, TABLE, Coordinate
from stylegan.portraits.coordinates import COORDINATES, KINDS, as_characters, sample
from stylegan.portraits.render import render
from stylegan.portraits.truth import Truth, truth
from stylegan.portraits.words import describe

__all__ = [
    "COORDINATES",
    "EXTRAS",
    "KINDS",
    "TABLE",
    "Coordinate",
    "Truth",
    "as_characters",
    "describe",
    "render",
    "sample",
    "truth",
]
