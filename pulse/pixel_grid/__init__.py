"""The true pixels of enlarged sprites: where a grid of cells lies in a picture, and the colour of each cell.

`pulse.true_pixels` is the front; `read` here takes arrays.
"""

from pulse.pixel_grid.axis import Axis
from pulse.pixel_grid.sprite import TruePixels, read, read_frames

__all__ = ["Axis", "TruePixels", "read", "read_frames"]
