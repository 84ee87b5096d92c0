"""Several faces for one picture, and where they disagree."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

import pulse
from pulse import pictures
from pulse.app import sprites
from pulse.depixelizer import samples as module
from pulse.depixelizer.variety import distances, farthest, mean_distance
from pulse.fit_portrait import to_unit
from pulse.result import joined
from stylegan import portraits

_QUICK: dict[str, Any] = {"size": 8, "kind": "people", "resolution": 32, "starts": 1, "seed": 1, "eps": 5e-3}
_COUNT = 3

pytestmark = pytest.mark.usefixtures("few_renderings")


@pytest.fixture(scope="module")
def person() -> Tensor:
    """A person of 8 px, for whom drawn answers are within eps."""
    large = portraits.render(portraits.sample(1, torch.Generator().manual_seed(5)), 64)
    return pulse.downsample(large, size=8).clamp(0, 1)


@pytest.fixture(scope="module")
def three(person: Tensor, few_renderings: None) -> pulse.Result:
    return pulse.samples(person, _COUNT, **_QUICK)


def test_drawn_samples_fit_and_differ_more_than_answers_of_other_seeds(person: Tensor, three: pulse.Result) -> None:
    plain = pulse.search("default", person.expand(_COUNT, -1, -1, -1), **_plain())
    assert three.reached.all()
    assert plain.reached.all()
    assert mean_distance(three) > 1.5 * mean_distance(plain)


def _plain() -> dict[str, Any]:
    return {name: value for name, value in _QUICK.items() if name != "size"}


def test_the_first_sample_is_the_plain_answer_and_the_same_seed_gives_the_same_faces(
    person: Tensor, three: pulse.Result
) -> None:
    alone = pulse.depixelize(person, **_QUICK)
    assert torch.equal(alone.images, three[0].images)
    assert torch.equal(pulse.samples(person, _COUNT, **_QUICK).images, three.images)
    assert three.settings["sampled"] == {"count": _COUNT, "seed": 1}
    assert three.target.shape == (_COUNT, 3, 8, 8)
    torch.testing.assert_close(pulse.downsample(three.images, size=8), three.downsampled)


def test_what_a_file_says_of_a_sample_finds_it_again(person: Tensor, three: pulse.Result) -> None:
    turned = three[2].redraw(yaw=10)
    told = [pictures.story(one, 0, "default", source="person.png") for one in (three[0], three[2], turned)]
    call = "pulse.samples('person.png', 3, seed=1, starts=1, eps=0.005, kind='people', resolution=32)"
    assert [one["again"].split(")")[0] + ")" for one in told] == 3 * [told[0]["again"].removesuffix("[0]")]
    assert sorted(call[len("pulse.samples(") : -1].split(", ")) == sorted(
        told[0]["again"].removesuffix("[0]")[len("pulse.samples(") : -1].split(", ")
    )
    assert told[1]["again"].endswith("[2]")
    assert told[2]["again"].endswith("[2].redraw(yaw=10)")


def test_a_callback_sees_both_parts_and_ends_them(person: Tensor, three: pulse.Result) -> None:
    seen: list[tuple[int, int]] = []

    def watch(step: int, state: pulse.SearchState) -> bool:
        seen.append((state.batch, state.batches))
        # At the last face that is drawn large.
        return state.batch == 1 and step == state.steps - 1

    found = pulse.samples(person, _COUNT, callback=watch, **_QUICK)
    assert set(seen) == {(0, 2), (1, 2)}
    assert len(found) == 2
    assert torch.equal(found.images, three.images[:2])
    assert len(pulse.samples(person, _COUNT, callback=lambda step, state: True, **_QUICK)) == 1


def test_ctrl_c_keeps_the_faces_that_are_drawn(person: Tensor) -> None:
    def stop(step: int, state: pulse.SearchState) -> None:
        if state.batch == 1 and step == state.steps - 1:
            raise KeyboardInterrupt

    found = pulse.samples(person, 3, callback=stop, **_QUICK)
    assert (len(found), found.interrupted) == (2, True)


def test_samples_of_a_sprite_that_does_not_fit_are_as_near_as_the_first() -> None:
    found = pulse.samples(sprites.load("cat"), 3, resolution=32, starts=1, seed=1)
    assert not found.reached.any()
    # Without their paint, as the faces were chosen.
    faces = portraits.render(to_unit(found.latents[:, 0]), 64)
    error = (pulse.downsample(faces, size=16) - found.target).square().mean((1, 2, 3))
    assert float(error.max()) <= 1.11 * float(error[0])
    # With it they are nearer, and each has its own.
    assert bool((found.l2 < error).all())
    assert found.paint is not None
    assert not torch.equal(found.paint[0], found.paint[1])


def test_samples_of_a_network_have_seeds_of_their_own(stand_in: Any) -> None:
    G = stand_in()
    target = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = pulse.samples(target, 3, generator=G, steps=3, seed=5)
    assert found.made_by == "network"
    assert (len(found), found.seeds[0], len(set(found.seeds))) == (3, 5, 3)
    assert set(found.seeds) <= set(range(5, 11))
    alone = pulse.depixelize(target, generator=G, steps=3, seed=found.seeds[2])
    torch.testing.assert_close(alone.images, found[2].images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [0, 65, 2.0, True])
def test_a_count_that_makes_no_sense(count: Any) -> None:
    with pytest.raises(ValueError, match="number of samples"):
        pulse.samples(torch.rand(1, 3, 8, 8), count)


def test_what_the_small_picture_shows_is_no_distance() -> None:
    low = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = interpolate(low, size=64, mode="bicubic").clamp(0, 1)
    fine = smooth.clone()
    fine[1] = smooth[0] + 0.2 * ((torch.arange(64) % 2) - 0.5)
    # Two pictures of other colours lie nearer than two that differ in stripes which 16 px do not show.
    assert float(distances(smooth, 16)[0, 1]) < 0.5 * float(distances(fine, 16)[0, 1])
    assert float((smooth[0] - smooth[1]).square().mean()) > float((fine[0] - fine[1]).square().mean())


def test_the_farthest_points_are_spread() -> None:
    x = torch.tensor([0.0, 0.1, 5.0, 5.1, 10.0])
    assert farthest((x[:, None] - x).abs(), 3) == [0, 4, 2]
    assert farthest((x[:, None] - x).abs(), 9) == [0, 4, 2, 1, 3]


def test_disagreement_is_the_deviation_of_each_pixel(three: pulse.Result) -> None:
    images = torch.zeros(4, 3, 2, 2)
    images[:2, :, 0, 0] = 1
    assert pulse.disagreement(images).tolist() == [[0.5, 0.0], [0.0, 0.0]]
    assert pulse.disagreement(three).shape == (32, 32)
    with pytest.raises(ValueError, match="give two or more"):
        pulse.disagreement(images[:1])


def test_joined_results_are_taken_apart_again(three: pulse.Result, person: Tensor) -> None:
    alone = pulse.depixelize(person, **_QUICK)
    both = joined([alone, three])
    assert both.seeds == (1, *three.seeds)
    assert torch.equal(both[1:].images, three.images)
    assert torch.equal(both[0].latents, alone.latents)
    assert module.joined is joined
