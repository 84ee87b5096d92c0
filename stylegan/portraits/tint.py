"""Tints: soft fields of colour that are laid on portraits, one for each material.

Games paint what they draw: a cheek is pinker, a hood has a stripe, a sky darkens upwards. A tint adds such colours to a
portrait. Each field is smooth, and each is seen on its own material alone, so that every edge stays as crisp as it was.
Eyes, lips, teeth and what hides them keep their colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan.portraits.camera import Frame, project
from stylegan.portraits.coordinates import as_characters, decode
from stylegan.portraits.distance import MATERIALS
from stylegan.portraits.head import Shape, build
from stylegan.portraits.landmarks import frame

# What has a field of its own.
TINTED = (*MATERIALS, "ground")
# Fields of heads are enlarged to this side, by cubic interpolation, and then looked up by linear one.
_FINE = 128


@dataclass(frozen=True)
class Tint:
    """Tints of N portraits.

    Args:
        colour: (N, 7, 3, g, g), what is added to the sRGB of each of `TINTED`, in the plane of the picture.
        at: (N, K), the portraits that they were made for. The fields of a head are fixed to its surface: if another
            pose is drawn, they turn with it. That of the ground stays where it is.
    """

    colour: Tensor
    at: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Tint:
        return Tint(self.colour[rows], self.at[rows])

    @property
    def on(self) -> Tensor:
        """(N,) bool, which portraits have any."""
        return self.colour.flatten(1).ne(0).any(1)

    def on_ground(self, side: int) -> Tensor:
        """What is added to grounds of `side` pixels: (N, 3, side * side)."""
        field = self.colour[:, TINTED.index("ground")]
        smaller = side < field.shape[-1]
        return F.interpolate(field, size=(side, side), mode="bicubic", antialias=smaller).flatten(2)

    def pose(self) -> tuple[Shape, Frame]:
        """The heads that they were made for, and how these were framed."""
        shape = build(decode(as_characters(self.at)))
        return shape, frame(shape)

    def on_head(self, points: Tensor, share: Tensor, shape: Shape, view: Frame) -> Tensor:
        """What is added (3, N, P) at points (3, N, P) of head space, of which `share` (6, N, P) is each material.

        `shape` and `view` are those of `pose`.
        """
        flat = project(shape, points.permute(1, 2, 0)) - view.centre[:, None]
        place = flat @ torch.linalg.inv(view.axes)
        fields = F.interpolate(self.colour[:, :-1].flatten(1, 2), size=(_FINE, _FINE), mode="bicubic")
        seen = F.grid_sample(fields, place[:, None], padding_mode="border", align_corners=False)[:, :, 0]
        n, count = share.shape[1:]
        return (seen.view(n, -1, 3, count) * share.transpose(0, 1)[:, :, None]).sum(1).transpose(0, 1)
