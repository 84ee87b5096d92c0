"""Procedural portraits: heads drawn by sphere tracing, each a point of the unit cube, all that our generator saw."""

from stylegan.portraits.coordinates import COORDINATES, sample
from stylegan.portraits.render import render
from stylegan.portraits.truth import Truth, truth

__all__ = ["COORDINATES", "Truth", "render", "sample", "truth"]
