"""From anything with pixels to large faces: one picture in one call."""

from pulse.depixelizer.one import depixelize

__all__ = ["depixelize"]
