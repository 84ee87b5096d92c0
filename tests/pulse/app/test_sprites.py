"""The sprites are whole drawings in 16x16 pixels, framed as faces are."""

import pytest
import torch

from pulse.app import sprites


@pytest.mark.parametrize("name", sprites.names())
def test_each_sprite_is_a_complete_drawing(name: str) -> None:
    palette, drawing = sprites._SPRITES[name]
    assert set("".join(drawing.split())) == set(palette)
    sprite = sprites.load(name)
    assert sprite.shape == (1, 3, 16, 16)
    assert sprite.amin() >= 0
    assert sprite.amax() <= 1


@pytest.mark.parametrize("name", sprites.names())
def test_eyes_are_where_a_face_has_them(name: str) -> None:
    # What is darkest or most unlike its row's middle lies left and right in rows 6 to 9.
    rows = sprites.load(name)[0, :, 6:10]
    for half in (rows[..., 3:8], rows[..., 8:13]):
        assert (half.amax((1, 2)) - half.amin((1, 2))).amax() > 0.3


def test_there_are_the_promised_ones_and_no_two_alike() -> None:
    assert {"knight", "hero", "goblin", "robot", "ghost", "smiley", "elf", "frog", "alien", "angry"} <= set(
        sprites.names()
    )
    assert len(sprites.names()) >= 24
    everything = torch.cat([sprites.load(name) for name in sprites.names()]).flatten(1)
    assert torch.pdist(everything).amin() > 1


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no sprite named 'nobody'; choose one of knight, .*\.$"):
        sprites.load("nobody")
