"""Characters put together from parts: the masks in the box are those of the renderer, and the right ones are found."""

import pytest
import torch
import torch.nn.functional as F

from pulse.app import sprites
from stylegan import portraits
from stylegan.portraits.prototypes import NAMES, PARTS, _drawn, dressed, masks, point
from stylegan.portraits.prototypes import _coloured as _coloured_masks
from stylegan.portraits.variants import GROUPS, SHAPES

_COLOURS = {
    "skin": (0.8, 0.6, 0.4),
    "hair": (0.3, 0.15, 0.1),
    "hat": (0.1, 0.6, 0.5),
    "cloth": (0.8, 0.4, 0.1),
    "ground": (0.5, 0.8, 0.9),
    "trim": (0.95, 0.8, 0.2),
    "whisker": (0.25, 0.12, 0.08),
    "iris": (0.1, 0.3, 0.6),
}


def _coloured(u: torch.Tensor) -> torch.Tensor:
    for part, colour in _COLOURS.items():
        for channel, value in zip(("red", "green", "blue"), colour, strict=True):
            u[NAMES.index(f"{part}_{channel}")] = value
    return u


def test_names_of_parts_and_variants_are_coordinates() -> None:
    for change in (*SHAPES, *(change for group in GROUPS.values() for change in group)):
        assert point(change).shape == (128,)
    assert all(group[0] == {} for group in GROUPS.values())
    assert all(f"{part}_red" in NAMES for part in PARTS)


def test_the_masks_in_the_box_are_those_of_the_renderer() -> None:
    box = masks()
    base = _drawn(point(SHAPES[2])[None])[0]
    assert float((box.base[2] - base).abs().mean()) < 0.02
    number = next(i for i, change in enumerate(GROUPS["top"]) if change.get("headgear") == "cap")
    with_cap = _drawn(point(SHAPES[2], GROUPS["top"][number])[None])[0]
    assert float((box.changes["top"][2, number] - (with_cap - base)).abs().mean()) < 0.02


@pytest.mark.parametrize(
    ("shape", "parts", "headgear"),
    [
        (0, {"headgear": "cap", "bald": "no", "hair_length": 0.3, "hat_shape": 0.3}, "cap"),
        (2, {"headgear": "crown", "bald": "no", "hair_length": 0.8}, "crown"),
        (0, {"headgear": "open helmet"}, "open helmet"),
    ],
)
def test_a_character_made_of_parts_is_found(shape: int, parts: dict[str, float | str], headgear: str) -> None:
    truth = _coloured(point(SHAPES[shape], parts, {"camera_zoom": 0.6, "eye_large": 0.9, "mouth_width": 0.9}))
    target = F.interpolate(portraits.render(truth[None], 32), size=(16, 16), mode="area")
    u, expected = dressed(target, 4)
    assert u.shape == (1, 4, 128)
    assert bool((expected[:, 1:] >= expected[:, :-1]).all())
    drawn = F.interpolate(portraits.render(u[0], 32), size=(16, 16), mode="area")
    errors = (drawn - target).square().mean((1, 2, 3))
    # The picture's own variance is over 0.04.
    assert float(errors.min()) < 0.012
    row = next(row for row in portraits.TABLE if row.name == "headgear")
    found = u[0, int(errors.argmin()), NAMES.index("headgear")].contiguous()
    assert row.names[int(torch.bucketize(found, torch.tensor(row.bounds)))] == headgear


def test_sprites_are_met_before_anything_is_polished() -> None:
    names = ("knight", "hero", "goblin", "elf", "king", "angry")
    target = torch.cat([sprites.load(name) for name in names])
    u, _ = dressed(target, 4)
    drawn = F.interpolate(portraits.render(u.flatten(0, 1), 32), size=(16, 16), mode="area").view(len(names), 4, -1)
    errors = (drawn - target.flatten(1)[:, None]).square().mean(2).min(1).values
    assert float(errors.median()) < 0.035
    # One colour for all would leave twice that.
    assert float(target.flatten(2).var(2, unbiased=False).mean()) > 0.05


def test_what_is_expected_is_what_the_camera_can_show() -> None:
    target = torch.cat([sprites.load(name) for name in ("ghost", "hearts", "astronaut")])
    u, expected = dressed(target, 1)
    drawn = F.interpolate(portraits.render(u[:, 0], 32), size=(16, 16), mode="area")
    errors = (drawn - target).square().mean((1, 2, 3))
    # A tall hat that is cut off above a face that fills the picture was expected of all three, and is never drawn.
    assert bool((errors < 2 * expected[:, 0]).all())


def test_a_colour_may_slope_across_a_part() -> None:
    seen = torch.zeros(1, 1, len(PARTS) + 1, 256)
    seen[0, 0, 0, :128] = 1
    seen[0, 0, 1, 128:] = 1
    across = torch.linspace(0.2, 0.8, 16).repeat(16)
    small = across.expand(1, 3, 256).clone()
    small[:, :, 128:] = 0.3
    colour, error = _coloured_masks(small, seen)
    assert float(error) < 0.3 * float(small[:, :, :128].var())
    torch.testing.assert_close(colour[0, 0, :2, 0], torch.tensor([0.5, 0.3]), atol=0.03, rtol=0)
