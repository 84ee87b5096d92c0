"""The colours of skin at the four places of `stylegan.portraits.skin_places`, and whether it is bare there."""

import numpy as np
import torch
from torch import Tensor

from stylegan.portraits.render import materials
from stylegan.portraits.skin_places import PLACES, skin_places
from stylegan.portraits.tint import TINTED

# Linear sRGB to CIE XYZ, relative to the white point D65 (IEC 61966-2-1).
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_TO_XYZ /= _TO_XYZ.sum(axis=1, keepdims=True)

# Share of a place that has to be skin. Its colour is a median, so what covers the rest hardly counts.
_BARE = 0.75


def to_lab(srgb: np.ndarray) -> np.ndarray:
    """Pixels (..., 3) of sRGB in [0, 1] as CIE 1976 L*a*b* (..., 3), L* from 0 to 100."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def colours_at(lab: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """L*a*b* (4, 3) at `PLACES`, from a picture (R, R, 3) of L*a*b* with landmarks (68, 2).

    Each is a median over a patch, so that a strand of hair or the frame of glasses counts little.
    """
    return np.stack([np.median(lab[patch], axis=0) for patch in _patches(lab.shape[:2], landmarks)])


def all_colours_at(pictures: Tensor, landmarks: np.ndarray) -> np.ndarray:
    """`colours_at` of each of the pictures (N, 3, R, R) of sRGB in [0, 1] with landmarks (N, 68, 2): (N, 4, 3)."""
    data = to_lab(pictures.permute(0, 2, 3, 1).cpu().numpy().astype(np.float64))
    return np.stack([colours_at(lab, points) for lab, points in zip(data, landmarks, strict=True)])


def bare(u: Tensor, landmarks: np.ndarray, resolution: int) -> np.ndarray:
    """Whether portraits u (N, K) of people show skin at `PLACES`: (N, 4).

    Hair, a hat or glasses cover a place; what is seen there is not the colour of the skin. A beard is painted on the
    skin, and counts as skin.

    Args:
        u: coordinates of portraits.
        landmarks: (N, 68, 2) of them, in pixels.
        resolution: pixels along a side.
    """
    skin = torch.cat([materials(some, resolution)[:, TINTED.index("skin")] for some in u.split(32)]).numpy()
    shown = [
        [share[patch].mean() >= _BARE for patch in _patches(share.shape, points)]
        for share, points in zip(skin, landmarks, strict=True)
    ]
    return np.array(shown).reshape(-1, len(PLACES))


def _patches(size: tuple[int, ...], landmarks: np.ndarray) -> np.ndarray:
    """The pixels of `PLACES` as masks (4, R, R) of a square picture of the given height and width."""
    return skin_places(torch.from_numpy(landmarks.astype(np.float64))[None], size[0])[0].numpy()
