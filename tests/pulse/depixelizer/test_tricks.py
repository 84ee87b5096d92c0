"""Soften, iterate, explore."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.app import sprites
from pulse.depixelizer import tricks
from pulse.feedforward.network import Upscaler
from pulse.pictures import read_target, story, to_pil

_QUICK: dict[str, Any] = {"size": 8, "kind": "people", "resolution": 16, "starts": 1, "seed": 1}


def test_a_softened_sprite_has_the_same_colours_and_smaller_steps() -> None:
    sprite = sprites.load("goblin")
    soft = pulse.soften(to_pil(sprite[0]))
    assert soft.size == (128, 128)
    small = read_target(soft, 1024, grid="off")
    assert small.shape == sprite.shape
    assert float((small - sprite).square().mean().sqrt()) < 0.1
    torch.testing.assert_close(small.mean((2, 3)), sprite.mean((2, 3)), atol=0.02, rtol=0)
    steps = [float(x.diff(dim=3).square().mean() + x.diff(dim=2).square().mean()) for x in (small, sprite)]
    assert steps[0] < 0.8 * steps[1]


def test_an_enlarged_sprite_is_softened_from_its_own_pixels() -> None:
    sprite = to_pil(sprites.load("cat")[0])
    large = sprite.resize((16 * 11, 16 * 11), Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(pulse.soften(large)), np.asarray(pulse.soften(sprite)))
    assert pulse.soften(sprite, crop=(0, 0, 16, 8)).size == (128, 64)


def test_colours_under_transparent_pixels_do_not_bleed() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[..., 0] = 255
    pixels[4:12, 4:12] = (0, 0, 255, 255)
    soft = np.asarray(pulse.soften(Image.fromarray(pixels)))
    assert soft[..., 0][soft[..., 3] > 0].max() == 0


def test_a_picture_larger_than_that_stays() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (150, 140, 3), np.uint8)
    assert np.array_equal(np.asarray(pulse.soften(noise, grid="off")), noise)


@pytest.mark.usefixtures("few_renderings")
def test_each_stage_begins_with_the_one_before() -> None:
    stages = pulse.iterate(sprites.load("goblin"), 3, **_QUICK)
    assert len(stages) == 3
    first = pulse.depixelize(sprites.load("goblin"), **_QUICK)
    assert torch.equal(stages[0].images, first.images)
    for before, after in pairwise(stages):
        assert torch.equal(after.target, pulse.downsample(before.images, size=8).clamp(0, 1))
    assert [stage.seed for stage in stages if isinstance(stage, pulse.Result)] == [1, 2, 3]


def test_what_a_file_says_of_a_stage_or_a_variant_finds_it_again(stand_in: Any) -> None:
    target, G = torch.rand(1, 3, 8, 8), stand_in()
    how: dict[str, Any] = {"generator": G, "steps": 2, "size": 8}
    found = [pulse.iterate(target, 3, **how)[2], pulse.explore(target, seed=3, **how)[4].answer]
    for one in found:
        assert isinstance(one, pulse.Result)
        again = story(one, 0, "g.safetensors", source="small.png", size="8")["again"]
        made = eval(again.replace("'small.png'", "target").replace("'g.safetensors'", "G"), vars() | {"pulse": pulse})
        assert torch.equal(made.images, one.images), again
    found[0].settings["iterate"] = {"stage": "__import__('os')", "seed": 1}
    assert "iterate" not in story(found[0], 0, "g.safetensors")["again"]


def test_a_callback_ends_the_stages(stand_in: Any) -> None:
    seen: list[tuple[int, int]] = []

    def watch(step: int, state: pulse.SearchState) -> bool:
        seen.append((state.batch, state.batches))
        return state.batch == 1

    target = torch.rand(1, 3, 8, 8)
    stages = pulse.iterate(target, 4, generator=stand_in(), steps=2, size=8, callback=watch)
    assert len(stages) == 2
    assert seen == [(0, 4)] * 3 + [(1, 4)]


def test_engines_take_turns(stand_in: Any) -> None:
    torch.manual_seed(0)
    stages = pulse.iterate(
        sprites.load("cat"), 3, engines=["search", "feedforward"], network=Upscaler(), generator=stand_in(), steps=1
    )
    assert [type(stage) for stage in stages] == [pulse.Result, pulse.Upscaled, pulse.Result]
    torch.testing.assert_close(stages[2].target, pulse.downsample(stages[1].images, size=16).clamp(0, 1))
    with pytest.raises(ValueError, match="The engines are 'magic'"):
        pulse.iterate(sprites.load("cat"), engines="magic")
    with pytest.raises(ValueError, match="The number of stages is 0"):
        pulse.iterate(sprites.load("cat"), 0)


def test_variants_are_moved_scaled_and_resampled(stand_in: Any) -> None:
    sprite = sprites.load("cat")
    found = pulse.explore(to_pil(sprite[0]), generator=stand_in(), steps=0, seed=3)
    seen = {variant.name: variant.answer.target for variant in found}
    assert len(seen) == 14
    torch.testing.assert_close(seen["as it is"], sprite)
    torch.testing.assert_close(seen["1 px to the left"][..., :-1], sprite[..., 1:], atol=2e-3, rtol=0)
    torch.testing.assert_close(seen["1 px down"][:, :, 1:], sprite[:, :, :-1], atol=2e-3, rtol=0)
    assert {tuple(target.shape[2:]) for target in seen.values()} == {(16, 16), (12, 12)}
    # The middle of the enlarged one is the middle of the sprite.
    assert not torch.equal(seen["125 %"], sprite)
    torch.testing.assert_close(seen["125 %"][..., 7:9, 7:9].mean(), sprite[..., 7:9, 7:9].mean(), atol=0.05, rtol=0)


def test_a_larger_picture_is_made_small_by_each_kernel(stand_in: Any) -> None:
    ramp = torch.linspace(0, 1, 96).expand(1, 3, 96, 96)
    found = pulse.explore(ramp, generator=stand_in(), steps=0, size=8, grid="off")
    assert {tuple(variant.answer.target.shape) for variant in found} == {(1, 3, 8, 8)}
    assert [v.name for v in found][-4:] == ["8 px, bicubic", "8 px, area", "8 px, lanczos", "8 px, nearest"]


def test_a_window_continues_what_is_at_the_border() -> None:
    whole = torch.zeros(1, 3, 10, 10)
    whole[..., 9] = 1
    seen = tricks.window(whole, (0.5, 0.0, 1.5, 1.0), 10)
    assert torch.equal(seen[..., 4:], torch.ones(1, 3, 10, 6))
    assert torch.equal(seen[..., :4], torch.zeros(1, 3, 10, 4))
