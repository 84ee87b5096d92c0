"""The 68 landmarks of iBUG 300-W (Sagonas et al. 2013), where features are drawn, and the crop that they ask for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stylegan.portraits.camera import Frame, project, to_pixels
from stylegan.portraits.coordinates import decode
from stylegan.portraits.distance import bone, skin
from stylegan.portraits.features import BROW_LENGTH, BROW_START, Features, brow_curve, lid_curves, mouth_curves
from stylegan.portraits.head import Shape, build

# Places along half an eye or half a mouth, and which of the curves there. The lashes cover an eye's outer corner, which
# annotators therefore place inside the end of its curves.
_EYE = ((0.84, 0), (0.29, 1), (-0.40, 1), (-1.0, 0), (-0.40, -1), (0.29, -1))
_UPPER_LIP = ((-1, 1), (-0.62, 0), (-0.27, 0), (0, 0), (0.27, 0), (0.62, 0), (1, 1))
_LOWER_LIP = ((0.6, 3), (0.25, 3), (0, 3), (-0.25, 3), (-0.6, 3))
_INNER_LIPS = ((-0.8, 1), (-0.3, 1), (0, 1), (0.3, 1), (0.8, 1), (0.3, 2), (0, 2), (-0.3, 2))
_LEANS = 9
# The margin of a lid is seen below its lashes.
_LASHES = 0.013


def frame(shape: Shape) -> Frame:
    """The oriented square around each face (Karras et al. 2019, appendix C), wider for characters."""
    flat = project(shape, feature_points(shape))
    left, right = flat[:, 19:25].mean(1), flat[:, 25:31].mean(1)
    eyes = (left + right) / 2
    across = right - left
    down = (flat[:, 31] + flat[:, 37]) / 2 - eyes
    x = across + torch.stack([-down[:, 1], down[:, 0]], 1)
    x = torch.nn.functional.normalize(x, dim=1)
    x = x * torch.maximum(across.norm(dim=1) * 2.0, down.norm(dim=1) * 1.8)[:, None]
    y = torch.stack([x[:, 1], -x[:, 0]], 1)
    p = shape.p
    zoom = p["zoom"] + 0.22 * p["tall"]
    centre = eyes + 0.1 * down + y * -(p["lift"] + 0.30 * p["tall"]) + x * p["shift"]
    return Frame(centre, torch.stack([x, y], 1) * zoom[..., None], zoom, flat)


def feature_pixels(u: Tensor, resolution: int) -> Tensor:
    """Landmarks 17 to 67 (N, 51, 2) of portraits u (N, K) in pixels, as `Truth.landmarks` has them."""
    view = frame(build(decode(u)))
    return to_pixels(view, view.features, resolution)


def feature_points(shape: Shape) -> Tensor:
    """Landmarks 17 to 67, brows to lips, as points (N, 51, 3) of head space on the front of the skin."""
    a = shape.features
    flat = [*_brows(shape), *_nose(a), *_eyes(a)]
    for m, edge in (*_UPPER_LIP, *_LOWER_LIP, *_INNER_LIPS):
        x = m * a.mouth_half
        flat.append((x, mouth_curves(a, x)[edge]))
    x = torch.cat([point[0] for point in flat], 1)
    y = torch.cat([point[1] for point in flat], 1)
    z = torch.full_like(x, 1.3)
    for _ in range(14):
        z = z - skin(shape.solid, x, y, z).clamp(min=-0.1)
    return torch.stack([x, y, z], -1)


def _brows(shape: Shape) -> list[tuple[Tensor, Tensor]]:
    # The brow fades out at both ends of its curve: its ends are taken where half of its hair is left.
    half = [torch.full_like(shape.features.eye_x, BROW_START + BROW_LENGTH * s) for s in (0.0, 0.24, 0.50, 0.79, 1.01)]
    # Annotators follow its upper half, and its tail where it ends.
    points = [(x, y + 0.02 * (1 - s**6)) for x in half for y, s in [brow_curve(shape.p, shape.features, x)]]
    return [(-x, y) for x, y in reversed(points)] + points


def _nose(a: Features) -> list[tuple[Tensor, Tensor]]:
    zero = a.nose_y * 0
    bridge = [(zero, (a.tip_y - 0.022) * (i / 3)) for i in range(4)]
    return bridge + [(a.nose_w * (0.575 * i), a.nose_y - 0.122 + 0.012 * i * i) for i in range(-2, 3)]


def _eyes(a: Features) -> list[tuple[Tensor, Tensor]]:
    points = []
    for e, lid in _EYE:
        along = e * a.eye_half
        upper, lower = lid_curves(a, along)
        points.append((a.eye_x + along, (upper if lid > 0 else lower if lid < 0 else a.tilt * along) - _LASHES))
    mirrored = [(-x, y) for x, y in points]
    return mirrored + [points[i] for i in (3, 2, 1, 0, 5, 4)]


def jaw_contour(shape: Shape) -> Tensor:
    """Landmarks 0 to 16, ear to chin to ear, in the plane of the camera (N, 17, 2).

    As annotators do, the far cheek is followed along its outline, the near one along the edge of the jaw: from the
    middle of the face rays fan out to 17 sides, each leaning from that edge forwards; the surface point that lies
    furthest out in the picture counts. Beard, ears and hair are left out.
    """
    angle = torch.cat([torch.linspace(20.0, -90.0, 9), torch.linspace(-76.25, 20.0, 8)]) * (math.pi / 180)
    right = torch.cat([-angle.cos()[:9], angle.cos()[9:]])
    side = torch.stack([right, angle.sin()], 1).to(shape.rotation)
    # The edge of the jaw comes forward on its way from the ear down to the chin.
    back = torch.lerp(
        side.new_tensor(-0.30), side.new_tensor(0.36), (side.new_tensor(20.0) - angle.to(side) * 57.296) / 110
    )
    lean = back[:, None] + torch.linspace(0, 0.6, _LEANS).to(side)
    d = torch.cat([side[:, None].expand(-1, _LEANS, -1), lean[..., None]], 2).flatten(0, 1)
    middle = d.new_tensor([0.0, -0.28, 0.2])
    n = len(shape.rotation)
    r = d.new_full((n, len(d)), 1.3)
    for _ in range(24):
        x, y, z = (middle[i] + d[:, i] * r for i in range(3))
        r = r - 0.8 * bone(shape.solid, x, y, z).clamp(min=-0.1)
    flat = project(shape, middle + d * r[..., None]).view(n, 17, _LEANS, 2)
    outwards = torch.nn.functional.normalize(side @ shape.rotation[:, :2, :2].transpose(1, 2), dim=-1)
    reach = (flat * outwards[:, :, None]).sum(-1)
    weight = torch.softmax(reach / 0.004, dim=2)
    return (flat * weight[..., None]).sum(2)
