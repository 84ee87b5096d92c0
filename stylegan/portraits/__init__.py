"""Procedural portraits: seeded ray-marched heads, the only faces our generator ever sees."""

from stylegan.portraits.coordinates import COORDINATES, sample
from stylegan.portraits.render import render
from stylegan.portraits.truth import Truth, truth

__all__ = ["COORDINATES", "Truth", "render", "sample", "truth"]
