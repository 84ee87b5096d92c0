"""Paths: constant speed, exact ends, loops that close."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pulse import sphere
from pulse.films.path import Path, places


def _points(count: int, vectors: int = 1, dim: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, vectors, dim, generator=torch.Generator().manual_seed(seed))


def _steps(path: Path, frames: int) -> torch.Tensor:
    """The distances between neighbouring frames, along the path's own geodesics where they lie on one segment."""
    points = torch.stack([point for point, _ in path.walk(frames)]).double()
    x, y = points[:-1], points[1:]
    apart = sphere.distance(x, y) if path.spherical else (y - x).norm(dim=2)
    return apart.norm(dim=1)


@pytest.mark.parametrize("spherical", [True, False])
@pytest.mark.parametrize("vectors", [1, 5])
def test_two_points_are_joined_at_constant_speed(spherical: bool, vectors: int) -> None:
    path = Path(_points(2, vectors), spherical)
    steps = _steps(path, 31)
    assert steps.sum().item() == pytest.approx(path.lengths()[0], rel=1e-5)
    assert float((steps / steps.mean() - 1).abs().max()) < 1e-4


def test_the_speed_is_the_same_on_long_and_short_segments() -> None:
    points = _points(3)
    points[2] = sphere.slerp(points[1], points[2], 0.1)
    steps = _steps(Path(points, True), 101)
    corner = steps.argmin()
    straight = torch.cat([steps[:corner], steps[corner + 1 :]])
    assert float(straight.max() / straight.min()) < 1.0001


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("spherical", [True, False])
def test_the_first_frame_is_the_first_point_and_an_open_path_ends_at_the_last(loop: bool, spherical: bool) -> None:
    path = Path(_points(4, 3), spherical, loop)
    points = [point for point, _ in path.walk(17)]
    assert torch.equal(points[0], path.points[0])
    assert torch.equal(points[-1], path.points[-1]) != loop


def test_a_loop_closes_exactly() -> None:
    path = Path(_points(3), True, loop=True)
    around = [point for point, _ in path.walk(40)]
    # The step from the last frame to the first is as long as the others.
    closed = Path(torch.cat([path.points, path.points[:1]]), True)
    again = [point for point, _ in closed.walk(41)]
    assert len(around) == 40
    for one, other in zip(around, again, strict=False):
        torch.testing.assert_close(one, other)
    assert torch.equal(again[-1], around[0])


def test_lengths_of_latents_change_linearly_and_noise_stays_as_strong() -> None:
    points = _points(2)
    points[1] *= 3
    noise = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    walked = list(Path(points, True, noise=[noise]).walk(3))
    ends = points.norm(dim=2)
    assert float(walked[1][0].norm()) == pytest.approx(float(ends.mean()), rel=1e-5)
    assert walked[1][1][0].shape == (1, 16, 16)
    assert float(walked[1][1][0].std()) == pytest.approx(float(noise.std()), rel=0.05)
    assert torch.equal(walked[2][1][0], noise[1])


def test_one_point_stands_still_and_equal_points_do_not_divide_by_zero() -> None:
    still = _points(1)
    assert all(torch.equal(point, still[0]) for point, _ in Path(still, True).walk(4))
    twice = still.repeat(3, 1, 1)
    for spherical in (True, False):
        for point, _ in Path(twice, spherical, loop=True).walk(5):
            torch.testing.assert_close(point, still[0])


@given(st.lists(st.floats(0, 5), min_size=1, max_size=5), st.integers(1, 40), st.booleans())
def test_places_are_in_order_and_evenly_apart(lengths: list[float], frames: int, loop: bool) -> None:
    found = list(places(lengths, frames, loop))
    assert len(found) == frames
    assert found[0] == (next((i for i, x in enumerate(lengths) if x > 0), 0), 0.0)
    assert found == sorted(found)
    total = sum(lengths)
    if total > 1e-3 and frames > 1:
        far = [sum(lengths[:i]) + t * lengths[i] for i, t in found]
        step = total / (frames if loop else frames - 1)
        assert far == pytest.approx([step * k for k in range(frames)], abs=1e-6)
