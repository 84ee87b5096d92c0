"""Linear operators and their adjoints: what was done to an image before it became the target.

A search finds an image x whose measurement A(x) is the target y. What A is decides what the search does:

- made small: `Downsampler((128, 128), (16, 16))`, PULSE's and the default;
- parts are missing: `Mask(mask)`, inpainting;
- blurred: `Blur(kernel)` or `Blur.gaussian(2.0)`, deblurring;
- without colour: `Grey()`, colourising;
- blurred, then made small: `Downsampler((128, 128), (16, 16)) @ Blur.gaussian(2.0)`;
- several measurements of one image: `Stack([a, b], in_shape=(3, 128, 128))`.

`a @ b` is the composition a(b(x)), in the order of a product of matrices. Anything else that has `A(x)` works as well,
such as the physics of DeepInverse. `A` has to be differentiable; the search itself never calls `A_adjoint`.

Noise needs no operator. If y = A(x) + n, where n has the deviation sigma, then the true x has a mean squared error of
sigma**2, and an image with a smaller error fits the noise: search with `eps=sigma**2, floor=sigma**2`.
"""

from pulse.operators.base import Composition, Operator, Stack, check_adjoint
from pulse.operators.blur import BORDERS, Blur
from pulse.operators.downsampler import KERNELS, Downsampler, downsample
from pulse.operators.pointwise import Grey, Mask

__all__ = [
    "BORDERS",
    "KERNELS",
    "Blur",
    "Composition",
    "Downsampler",
    "Grey",
    "Mask",
    "Operator",
    "Stack",
    "check_adjoint",
    "downsample",
]
