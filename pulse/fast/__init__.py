"""The method "fast": few looks at the whole picture, and many cheap steps on the generator's low resolutions.

The picture that a search compares has 16 or 32 pixels a side, and a generator's layers of those resolutions already say
what it will look like. So most steps run on these layers alone (`low_resolution`), after a start that a regression has
moved towards the target (`start`), in coordinates in which the generator's own points are unit normal (`whitening`).
What the low resolutions get wrong is measured on the whole picture and subtracted (`walk`). Where they say too little,
coarse pictures take their place.
"""

from pulse.fast.prepare import Prepared, keep_study, kept_study, prepare
from pulse.fast.walk import walk

__all__ = ["Prepared", "keep_study", "kept_study", "prepare", "walk"]
