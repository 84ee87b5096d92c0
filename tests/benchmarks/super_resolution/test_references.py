"""The rows beside the methods: the truths, and the generator that is told who it is to draw."""

import numpy as np
import pytest
import torch

import stylegan
from benchmarks.super_resolution import references
from benchmarks.super_resolution.degradations import DEGRADATIONS
from benchmarks.super_resolution.measures import Known, measure
from benchmarks.super_resolution.methods import Task
from stylegan import portraits
from stylegan.networks import stylegan2
from stylegan.portraits.held_out import held_out

_SEED, _COUNT = 7, 4


@pytest.fixture(scope="module")
def people() -> tuple[torch.Tensor, torch.Tensor]:
    u = held_out(_COUNT)
    return u, portraits.render(u, 128)


def _task(generator: object, seeds: tuple[int, ...]) -> Task:
    return Task(128, DEGRADATIONS["bicubic"], seeds, generator, 100)


def test_the_truth_is_found_by_its_seed(people: tuple[torch.Tensor, torch.Tensor]) -> None:
    _, images = people
    method = references.truth(images, _SEED)
    (found,) = method(torch.zeros(2, 3, 16, 16), _task(None, (_SEED + 3, _SEED)))
    torch.testing.assert_close(found.float() / 255, images[[3, 0]], atol=1 / 400, rtol=0)


def test_the_generator_in_the_box_draws_whom_it_is_told_of(people: tuple[torch.Tensor, torch.Tensor]) -> None:
    u, images = people
    G = stylegan.load("default")
    method = references.told(u, images, G, _SEED)
    assert method is not None
    (found,) = method(torch.zeros(3, 3, 16, 16), _task(G, (_SEED + 1, _SEED + 2, _SEED + 3)))
    error = (found.float()[:, None] / 255 - images[None]).square().mean((2, 3, 4))
    assert error.argmin(1).tolist() == [1, 2, 3]


def test_other_generators_have_no_such_row(people: tuple[torch.Tensor, torch.Tensor]) -> None:
    u, images = people
    default = stylegan.load("default")
    assert references.told(None, images, default, 0) is None
    torch.manual_seed(0)
    for z_dim in (u.shape[1], 32):
        G = stylegan2.Generator(z_dim, 0, 16, 32, synthesis_kwargs={"channel_base": 256, "channel_max": 8})
        assert references.told(u, images, G.eval().requires_grad_(False), 0) is None


def test_lightness_is_told_of_the_answer_and_of_what_the_question_shows(
    people: tuple[torch.Tensor, torch.Tensor],
) -> None:
    u, images = people
    landmarks = np.stack([fact.landmarks.numpy() for fact in portraits.truth(u, 128)])
    known = Known(images, landmarks, np.full((_COUNT, 4), np.nan), np.ones((_COUNT, 4), bool))
    operator = DEGRADATIONS["area"].operator(128, 16)
    small = operator.A(images)

    def shifts(answers: torch.Tensor) -> np.ndarray:
        rows = measure(answers, small, known, operator, 2e-3, {})
        return np.array([[row["L"], row["L small"]] for row in rows])

    np.testing.assert_allclose(shifts(images), 0, atol=1e-4)
    assert (shifts(images * 0.7 + 0.3) > 1).all()
    # A pattern of stripes one pixel wide is in the answer, and not in what is made of it.
    stripes = torch.tensor([0.08, -0.08]).repeat(64)
    large, seen = shifts(images.clamp(0.1, 0.9) + stripes).T
    base, base_seen = shifts(images.clamp(0.1, 0.9)).T
    np.testing.assert_allclose(seen, base_seen, atol=1e-3)
    assert np.abs(large - base).max() > 0.1


def test_what_hair_covers_is_no_skin(people: tuple[torch.Tensor, torch.Tensor]) -> None:
    u, images = people
    landmarks = np.stack([fact.landmarks.numpy() for fact in portraits.truth(u, 128)])
    shown = np.ones((_COUNT, 4), bool)
    shown[0, 2], shown[1] = False, False
    operator = DEGRADATIONS["area"].operator(128, 16)
    answers = images.clone()
    x, y = landmarks[0, [21, 22]].mean(0).astype(int)
    answers[0, :, : y - 1, x - 30 : x + 30] = 0

    def shifts(bare: np.ndarray) -> list[float | None]:
        known = Known(images, landmarks, np.full((_COUNT, 4), np.nan), bare)
        return [row["L"] for row in measure(answers, operator.A(images), known, operator, 2e-3, {})]

    first, second, *others = shifts(shown)
    assert second is None
    assert first == pytest.approx(0, abs=1e-4)
    assert others == pytest.approx([0, 0], abs=1e-4)
    counted = shifts(np.ones_like(shown))[0]
    assert counted is not None
    assert counted < -1
