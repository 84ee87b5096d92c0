"""Tints: each field shows on its own material, moves with the head, and leaves eyes and edges as they are."""

import pytest
import torch

from stylegan import portraits
from stylegan.portraits.landmarks import feature_pixels
from stylegan.portraits.prototypes import NAMES, point
from stylegan.portraits.render import materials
from stylegan.portraits.tint import TINTED, Tint


@pytest.fixture(scope="module")
def u() -> torch.Tensor:
    return point({"headgear": "cap", "eye_large": 0.9, "light_style": "flat", "bald": "no", "hair_length": 0.4})[None]


def _tint(u: torch.Tensor, material: str, value: float = 0.2) -> Tint:
    colour = torch.zeros(len(u), len(TINTED), 3, 16, 16)
    colour[:, TINTED.index(material)] = value
    return Tint(colour, u)


def test_a_picture_is_divided_among_its_materials(u: torch.Tensor) -> None:
    shares = materials(u, 32)
    assert shares.shape == (1, len(TINTED), 32, 32)
    assert float(shares.min()) >= 0
    whole = shares.sum(1)
    assert float(whole.max()) < 1.1
    # Only eyes and mouth have no tint.
    assert 0.01 < float((whole < 0.5).float().mean()) < 0.2
    corner = shares[0, :, 0, 0]
    assert int(corner.argmax()) == TINTED.index("ground")


@pytest.mark.parametrize(("material", "side"), [("skin", 64), ("hat", 64), ("ground", 64), ("skin", 256)])
def test_a_field_shows_on_its_material_alone(u: torch.Tensor, material: str, side: int) -> None:
    plain = portraits.render(u, side)
    added = portraits.render(u, side, _tint(u, material)) - plain
    share = materials(u, side)[:, TINTED.index(material)]
    # What would be brighter than white is cut off.
    expected = torch.minimum(0.2 * share[:, None], 1 - plain)
    assert float((added - expected).abs().mean()) < 0.004
    assert float((added - expected).abs().max()) < 0.15


def test_no_tint_and_one_of_nothing_are_the_same(u: torch.Tensor) -> None:
    assert torch.equal(portraits.render(u, 32), portraits.render(u, 32, _tint(u, "skin", 0.0)))


def test_portraits_of_a_batch_have_their_own(u: torch.Tensor) -> None:
    two = u.repeat(2, 1)
    tint = _tint(two, "skin")
    tint.colour[0] = 0
    pictures = portraits.render(two, 32, tint)
    torch.testing.assert_close(pictures[:1], portraits.render(u, 32), atol=1e-5, rtol=0)
    torch.testing.assert_close(pictures[1:], portraits.render(u, 32, _tint(u, "skin")), atol=1e-5, rtol=0)


def test_eyes_keep_their_colours(u: torch.Tensor) -> None:
    changed = (portraits.render(u, 128, _tint(u, "skin")) - portraits.render(u, 128)).abs().mean(1)[0]
    eyes = feature_pixels(u, 128)[0, 19:31].view(2, 6, 2).mean(1).round().long()
    for x, y in eyes.tolist():
        assert float(changed[y, x]) < 0.02
        assert float(changed[y + 30, x]) > 0.1


def test_paint_turns_with_the_head_and_that_of_the_ground_stays(u: torch.Tensor) -> None:
    near = u.clone()
    near[0, NAMES.index("camera_zoom")] = 0.1
    tint = _tint(near, "skin", 0.0)
    tint.colour[:, :, :, :, 8:] = -0.5
    turned = near.clone()
    turned[0, NAMES.index("yaw")] = 0.95

    def darker(one: torch.Tensor) -> torch.Tensor:
        return (portraits.render(one, 96, tint) - portraits.render(one, 96)).mean(1)[0] < -0.1

    def middle(one: torch.Tensor) -> tuple[float, float]:
        """Columns of the tip of the nose and of the edge of the paint beside it."""
        x, y = feature_pixels(one, 96)[0, 13].round().long().tolist()
        row = darker(one)[y]
        return float(x), float(row[24:72].float().argmax()) + 24

    nose, edge = middle(near)
    there, moved = middle(turned)
    # The frame follows the eyes, and the nose stands before them.
    assert there > nose + 3
    assert abs((moved - there) - (edge - nose)) < 2.5
    corner = darker(near)[:4, :4], darker(turned)[:4, :4]
    assert torch.equal(*corner)
