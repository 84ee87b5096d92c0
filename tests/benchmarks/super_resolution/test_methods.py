"""What methods are asked, what they may answer, and how pictures are made small for them."""

from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import interpolate

import pulse
from benchmarks.super_resolution.degradations import DEGRADATIONS, Chain, Covered
from benchmarks.super_resolution.methods import EIGHT, METHODS, Task, own
from pulse.operators import Grey, check_adjoint
from stylegan.networks import stylegan2


def _task(count: int = 2, resolution: int = 32) -> Task:
    return Task(resolution, DEGRADATIONS["bicubic"], tuple(range(count)), SimpleNamespace(img_resolution=resolution), 3)


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_the_chain_is_three_antialiased_steps_and_linear() -> None:
    x = _random(2, 3, 128, 128)
    expected = x
    for side in (64, 32, 16):
        expected = interpolate(expected, size=(side, side), mode="bilinear", antialias=True)
    torch.testing.assert_close(Chain(128, 16).A(x), expected, atol=1e-5, rtol=0)
    check_adjoint(Chain(128, 16), (1, 3, 128, 128))


@pytest.mark.parametrize("name", list(DEGRADATIONS))
def test_questions_are_pixels_of_8_bits_and_do_not_depend_on_how_many_there_are(name: str) -> None:
    truths = _random(3, 3, 64, 64)
    questions = DEGRADATIONS[name].questions(truths, 16)
    assert questions.shape == (3, 3, 16, 16)
    torch.testing.assert_close(questions * 255, (questions * 255).round(), atol=1e-4, rtol=0)
    torch.testing.assert_close(DEGRADATIONS[name].questions(truths[:2], 16), questions[:2])


def test_only_the_mismatched_questions_differ_from_what_methods_are_told() -> None:
    truths = _random(2, 3, 64, 64)
    for name, degradation in DEGRADATIONS.items():
        away = (degradation.operator(64, 16).A(truths).clamp(0, 1) - degradation.questions(truths, 16)).abs().max()
        assert (away > 0.02) == (name == "mismatched"), name


def test_of_a_covered_face_the_upper_corners_are_asked_about() -> None:
    truths, plain = _random(2, 3, 64, 64), DEGRADATIONS["bicubic"]
    covered = Covered(*astuple(plain))
    questions = covered.questions(truths, 8)
    assert questions.shape == (2, 1, 1, 8)
    assert bool((questions[..., 1:-1] == 0).all())
    expected = Grey().A(plain.operator(64, 8).A(truths))[:, :, :1, ::7]
    torch.testing.assert_close(questions[..., ::7], expected.clamp(0, 1), atol=0.5 / 255 + 1e-6, rtol=0)
    check_adjoint(covered.operator(64, 8), (1, 3, 64, 64))
    # Bicubic reaches two and a half small pixels far.
    changed = truths.clone()
    changed[..., 20:, :] = changed[..., 20:44] = 0
    torch.testing.assert_close(covered.operator(64, 8).A(changed), covered.operator(64, 8).A(truths))


def test_methods_that_are_told_how_pictures_were_made_are_those_that_search() -> None:
    told = {key for key, method in METHODS.items() if method.told}
    assert told == {"pulse", "search", "bounded", "to-eps", "eight", "posterior"}


def test_interpolations_give_pictures_of_the_asked_size() -> None:
    questions = _random(2, 3, 8, 8)
    nearest = METHODS["nearest"](questions, _task())[0]
    torch.testing.assert_close(
        nearest, (questions * 255).round().byte().repeat_interleave(4, 2).repeat_interleave(4, 3)
    )
    for key in ("bicubic", "lanczos"):
        (large,) = METHODS[key](questions, _task())
        assert large.shape == (2, 3, 32, 32)
        assert large.dtype == torch.uint8
        assert not torch.equal(large, nearest)


def test_as_published_the_lowest_loss_is_the_answer_also_if_another_image_is_nearer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = [[3.0, 5.0], [1.0, 6.0], [2.0, 4.0]]

    def search(generator, questions, options, *, callback, **more):
        assert options.method == "pulse"
        for step, loss in enumerate(steps):
            images = torch.full((2, 3, 32, 32), (step + 1) / 10)
            state = SimpleNamespace(image=torch.arange(2), loss=torch.tensor(loss), images=images)
            assert callback(step, state) is None
        # What `pulse.search` itself would choose: the image within eps.
        return SimpleNamespace(images=torch.zeros(2, 3, 32, 32))

    monkeypatch.setattr(pulse, "search", search)
    (answers,) = METHODS["pulse"](_random(2, 3, 8, 8), _task())
    assert answers[:, 0, 0, 0].tolist() == [51, 76]


def test_of_eight_starts_the_best_and_the_mean_are_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    every = _random(2 * EIGHT, 3, 32, 32)

    def search(generator, questions, options, *, starts, **more):
        assert starts == EIGHT
        return SimpleNamespace(images=every[[3, 9]], all_starts=SimpleNamespace(images=every))

    monkeypatch.setattr(pulse, "search", search)
    best, mean = METHODS["eight"](_random(2, 3, 8, 8), _task())
    torch.testing.assert_close(best.float() / 255, every[[3, 9]], atol=2e-3, rtol=0)
    torch.testing.assert_close(mean[1].float() / 255, every[EIGHT:].mean(0), atol=2e-3, rtol=0)


def test_the_search_has_its_own_floor_and_one_to_eps_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def search(generator, questions, options, **more):
        asked.append(options)
        return SimpleNamespace(images=torch.zeros(2, 3, 32, 32))

    monkeypatch.setattr(pulse, "search", search)
    stylegan = stylegan2.Generator(16, 0, 16, 32, synthesis_kwargs={"channel_max": 8})
    for key in ("search", "bounded", "to-eps", "pulse"):
        METHODS[key](_random(2, 3, 8, 8), replace(_task(), generator=stylegan))
    assert [one.method for one in asked] == ["fast", "bounded", "bounded", "pulse"]
    eps = asked[0].eps
    assert [one.floor for one in asked] == pytest.approx([eps / 10, eps / 10, eps, eps])


def test_pictures_that_are_the_same_get_different_samples_of_one_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def search(generator, questions, *, samples, seed, draw, **more):
        asked.append((round(float(questions.mean()), 3), samples, seed, draw))
        return SimpleNamespace(images=(seed + torch.arange(samples))[:, None, None, None].expand(-1, 3, 32, 32) / 100)

    monkeypatch.setattr(pulse, "search", search)
    questions = torch.tensor([0.2, 0.7, 0.2])[:, None, None, None].expand(-1, 3, 8, 8)
    (answers,) = METHODS["posterior"](questions, _task(3))
    assert sorted(asked) == [(0.2, 2, 0, "posterior"), (0.7, 1, 1, "posterior")]
    assert (answers[:, 0, 0, 0].float() / 2.55).round().tolist() == [0, 1, 1]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_a_user.py").write_text(
        "from torch.nn.functional import interpolate\n"
        "def alone(pictures):\n    'Enlarges twice.'\n    return interpolate(pictures, scale_factor=2)\n"
        "def told(pictures, task):\n    return interpolate(pictures, size=(task.resolution,) * 2)\n"
        "def wrong(pictures):\n    return pictures[:1]\n"
        "def broken(pictures):\n    return pictures / 0\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("module")
def test_a_function_of_the_users_is_a_method() -> None:
    questions = _random(2, 3, 8, 8)
    for name in ("alone", "told"):
        method = own(f"of_a_user:{name}")
        assert method.answers == (name,)
        # What has another size is brought to the one that was asked for.
        assert method(questions, _task())[0].shape == (2, 3, 32, 32)
    assert own("of_a_user:alone").about == "Enlarges twice."


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "words"), [("wrong", "returned \\(1, 3, 8, 8\\) for 2 pictures"), ("broken", "not finite")]
)
def test_what_a_method_may_not_return_is_said(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        own(f"of_a_user:{name}")(_random(2, 3, 8, 8), _task())


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("name", ["of_a_user:missing", "no_such_module:f", "of_a_user", "of_a_user:number"])
def test_a_name_without_a_function_is_said(name: str) -> None:
    with pytest.raises(ValueError, match=name.split(":")[0]):
        own(name)


def test_every_method_says_what_it_is() -> None:
    for key, method in METHODS.items():
        assert method.key == key
        assert method.about.endswith(".")
