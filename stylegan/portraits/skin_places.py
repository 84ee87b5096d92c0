"""Four places of a face that are usually bare skin, found by its landmarks."""

import torch
from torch import Tensor

PLACES = ("left cheek", "right cheek", "forehead", "bridge of the nose")

# Of the 68 landmarks.
_LEFT_EYE, _RIGHT_EYE, _MOUTH = slice(36, 42), slice(42, 48), slice(48, 68)
_LEFT_CORNER, _RIGHT_CORNER, _BRIDGE, _BROWS = 48, 54, 29, (21, 22)
# Radii, as shares of the distance between the eyes' centres.
_RADII = (0.12, 0.12, 0.12, 0.08)


def skin_places(landmarks: Tensor, resolution: int) -> Tensor:
    """Which pixels of faces lie within `PLACES`: (N, 4, R, R) of booleans, at least one in each.

    Args:
        landmarks: (N, 68, 2) as in `stylegan.portraits.Truth`; a place outside of the picture is moved to its edge.
        resolution: R, pixels along a side.
    """
    left, right = landmarks[:, _LEFT_EYE].mean(1), landmarks[:, _RIGHT_EYE].mean(1)
    mouth = landmarks[:, _MOUTH].mean(1)
    centres = [
        (left + landmarks[:, _LEFT_CORNER]) / 2,
        (right + landmarks[:, _RIGHT_CORNER]) / 2,
        landmarks[:, _BROWS].mean(1) - 0.3 * (mouth - (left + right) / 2),
        landmarks[:, _BRIDGE],
    ]
    centre = torch.stack(centres, 1).clamp(0, resolution - 1)[..., None, None]
    apart = (left - right).norm(dim=1)
    radius = (apart[:, None] * landmarks.new_tensor(_RADII)).clamp(min=1)[..., None, None]
    at = torch.arange(resolution, dtype=landmarks.dtype, device=landmarks.device)
    return (at - centre[:, :, 0]).square() + (at[:, None] - centre[:, :, 1]).square() <= radius.square()
