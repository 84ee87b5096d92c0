"""What people import: the arguments of `search`, and what `import pulse` gives and costs."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

import pulse
import stylegan
from pulse import SearchOptions, search
from pulse.latents import SPACES
from stylegan.networks.stylegan2 import Generator


@pytest.fixture
def reachable(stand_in):
    """A generator and two images that it makes."""
    G = stand_in()
    with torch.no_grad():
        ws = G.mapping(torch.randn(2, G.z_dim, generator=torch.Generator().manual_seed(99)))
        images = ((G.synthesis(ws) + 1) / 2).clamp(0, 1)
    return G, images


def small(images):
    return pulse.downsample(images, 8).clamp(0, 1)


class Rows:
    """Colour of the mean of each quarter of the rows: (N, 3, H, W) -> (N, 12)."""

    def A(self, x):
        return x.unflatten(2, (4, -1)).mean((3, 4)).flatten(1)


def test_options_come_as_one_object_by_name_or_both(reachable):
    G, images = reachable
    options = SearchOptions(steps=3, seed=4, eps=0.1)
    result = search(G, small(images), options, steps=2)
    assert result.history["loss"].shape == (2, 3)
    assert (result.settings["eps"], result.settings["steps"], result.seed) == (0.1, 2, 4)
    assert torch.equal(result.images, search(G, small(images), steps=2, seed=4, eps=0.1).images)


@pytest.mark.parametrize(
    "call", [pulse.search, lambda G, target, **more: pulse.depixelize(target[0], generator=G, **more)]
)
def test_an_unknown_option_is_told_with_what_was_meant(reachable, call):
    G, images = reachable
    with pytest.raises(ValueError, match="no option 'stepz'; did you mean steps"):
        call(G, small(images), stepz=1)


def test_a_generator_may_be_named_by_its_path(tmp_path):
    G = Generator(16, 0, 16, 16, synthesis_kwargs={"channel_max": 8})
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    stylegan.save(G, tmp_path / "tiny.safetensors")
    target = torch.rand(1, 3, 8, 8)
    named = search(tmp_path / "tiny.safetensors", target, seed=0, steps=1, device="cpu")
    assert torch.equal(named.images, search(str(tmp_path / "tiny.safetensors"), target, seed=0, steps=1).images)
    torch.testing.assert_close(named.images, search(G, target, seed=0, steps=1).images)


@pytest.mark.parametrize("wrong", [None, 7, torch.nn.Linear(2, 2)])
def test_what_is_no_generator_is_refused(wrong):
    with pytest.raises(ValueError, match="give a network such as stylegan"):
        search(wrong, torch.rand(1, 3, 8, 8))


def test_an_operator_decides_what_is_compared(reachable):
    G, images = reachable
    for operator in (pulse.Grey(), pulse.Mask(torch.rand(32, 32) > 0.5), Rows()):
        target = operator.A(images)
        result = search(G, target, operator=operator, seed=0, loss_str="100*L2", steps=60)
        assert result.downsampled.shape == target.shape
        torch.testing.assert_close(result.downsampled, operator.A(result.images))
        torch.testing.assert_close(result.l2, (result.downsampled - target).square().flatten(1).mean(1))
        assert (result.l2 < 0.3 * result.history["l2"][:, 0]).all()
        assert type(operator).__name__ in result.settings["operator"]


def test_a_composed_operator_finds_what_the_plain_one_does(reachable):
    G, images = reachable
    shrink = pulse.Downsampler((32, 32), (8, 8))
    plain = search(G, small(images), seed=0, steps=5)
    fused = search(G, small(images), operator=shrink, seed=0, steps=5)
    assert torch.equal(plain.images, fused.images)
    unfused = search(G, small(images), operator=types.SimpleNamespace(A=shrink.A), seed=0, steps=5)
    torch.testing.assert_close(plain.images, unfused.images, rtol=0, atol=1e-4)


def test_a_target_outside_of_the_range_of_pictures_is_an_operators_own_business(reachable):
    G, images = reachable
    noisy = images + 0.5 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    identity = types.SimpleNamespace(A=lambda x: x)
    assert search(G, noisy, operator=identity, seed=0, steps=2).target.max() > 1
    with pytest.raises(ValueError, match="outside"):
        search(G, noisy, seed=0)


@pytest.mark.parametrize(
    ("operator", "target", "words"),
    [
        (object(), torch.rand(1, 3), r"has no A\(x\)"),
        (Rows(), torch.rand(1, 11), r"makes \(12,\) of an image, the target has \(11,\)"),
        (Rows(), torch.full((1, 12), float("nan")), "not finite"),
    ],
)
def test_operators_that_do_not_fit_are_refused(stand_in, operator, target, words):
    with pytest.raises(ValueError, match=words):
        search(stand_in(), target, operator=operator, seed=0)


def test_losses_of_ones_own_are_added_with_their_weights(reachable):
    G, images = reachable
    target = small(images)

    def brightness(images, downsampled, target, latents):
        assert downsampled.shape == target.shape
        assert latents.shape == (2, 4, 16)
        return images.mean((1, 2, 3))

    plain = search(G, target, seed=0, steps=0)
    both = search(G, target, seed=0, steps=0, losses=[(3, brightness), brightness])
    torch.testing.assert_close(both.loss, plain.loss + 4 * both.images.mean((1, 2, 3)))
    assert both.settings["losses"] == [[3, "brightness"], [1.0, "brightness"]]
    pair = search(G, target, seed=0, steps=0, losses=(4, brightness))
    torch.testing.assert_close(pair.loss, both.loss)
    # Alone, it is what the search lowers.
    dark = search(G, target, seed=0, steps=30, loss_str="0*L2", losses=brightness)
    assert (dark.loss < 0.9 * dark.history["loss"][:, 0]).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([3], "3 is not a function"),
        (3, "3 is not a function"),
        ([("3", abs)], "is not a function"),
        ([(float("nan"), abs)], "is not a function"),
        (lambda images, *rest: images.mean(), r"gives \(\); it must give one value for each image, \(2,\)"),
        (lambda *rest: 1.0, "gives a float"),
    ],
)
def test_losses_that_are_none_are_refused(reachable, wrong, words):
    G, images = reachable
    with pytest.raises(ValueError, match=words):
        search(G, small(images), losses=wrong, seed=0)


def test_a_search_goes_on_where_another_ended(reachable):
    G, images = reachable
    first = search(G, small(images), seed=0, steps=5)
    again = search(G, small(images), seed=1, steps=10, init=first)
    torch.testing.assert_close(again.history["loss"][:, 0], first.loss)
    assert (again.loss <= first.loss).all()
    pair = search(G, small(images), seed=1, steps=10, init=(first.latents, first.noise))
    assert torch.equal(pair.images, again.images)
    # The start is copied, not walked in.
    assert torch.equal(search(G, small(images), seed=1, steps=10, init=first).images, again.images)
    one = search(G, small(images), seed=1, steps=0, init=first[1])
    assert torch.equal(one.latents[0], one.latents[1])
    assert torch.equal(one.latents[:1], first.latents[1:])


def test_noise_that_is_not_given_is_drawn_and_bad_layers_stay_zero(reachable):
    G, images = reachable
    drawn = search(G, small(images), seed=3, steps=0)
    given = search(G, small(images), seed=3, steps=0, init=(-drawn.latents, None))
    assert torch.equal(given.latents, -drawn.latents)
    assert all(torch.equal(a, b) for a, b in zip(given.noise, drawn.noise, strict=True))
    bad = search(G, small(images), seed=3, steps=2, init=drawn, bad_noise_layers="0")
    assert not bad.noise[0].any()
    assert bad.noise[1].any()


def test_several_inits_are_several_starts(reachable):
    G, images = reachable
    inits = [search(G, small(images), seed=s, steps=3) for s in (0, 7)]
    result = search(G, small(images), seed=1, steps=0, init=inits, return_all=True)
    assert result.all_starts.start.tolist() == [0, 1, 0, 1]
    assert result.settings["starts"] == 2
    for i in range(2):
        for s in range(2):
            assert torch.equal(result.all_starts.latents[2 * i + s], inits[s].latents[i])
    torch.testing.assert_close(result.loss, torch.minimum(inits[0].loss, inits[1].loss))


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ((torch.zeros(2, 3, 16), None), r"latents is \(2, 3, 16\); give floating point \(2 or 1, 4, 16\)"),
        ((torch.zeros(3, 4, 16), None), r"latents is \(3, 4, 16\)"),
        ((torch.full((1, 4, 16), float("nan")), None), "not finite"),
        ((torch.zeros(1, 4, 16), [torch.zeros(1, 1, 4, 4)]), "has 1 noise maps, the generator takes 2"),
        ((torch.zeros(1, 4, 16), [torch.zeros(1, 1, 4, 4)] * 2), r"noise map 1 is \(1, 1, 4, 4\)"),
        ([3], "holds a int"),
        (7, "is or holds a int"),
        ((torch.ones(1, 4, 16), 7), "noise is a int"),
        ([(torch.ones(1, 4, 16), None)] * 3, "has 3 starts, the option starts is 2"),
    ],
)
def test_inits_that_do_not_fit_are_refused(reachable, init, words):
    G, images = reachable
    with pytest.raises(ValueError, match=words):
        search(G, small(images), init=init, starts=2)


def test_an_init_from_another_space_is_refused(reachable):
    G, images = reachable
    other = search(G, small(images), seed=0, steps=0, space="w+")
    with pytest.raises(ValueError, match="in the space w\\+, this search is in gaussianized; give space='w\\+'"):
        search(G, small(images), init=other)


@pytest.fixture(scope="module")
def conditional():
    torch.manual_seed(0)
    return Generator(16, 3, 16, 16, synthesis_kwargs={"channel_max": 8})


@pytest.mark.parametrize("space", SPACES)
def test_a_conditional_generator_is_searched_with_its_labels(conditional, space):
    target = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.eye(3)[[2, 0]]
    options = {"space": space, "steps": 2, "seed": 0, "starts": 2}
    both = search(conditional, target, labels=labels, **options)
    in_turn = search(conditional, target, labels=labels, batch_size=1, **options)
    torch.testing.assert_close(both.ws, in_turn.ws, rtol=1e-3, atol=1e-3)
    for i in range(2):
        alone = search(conditional, target[i : i + 1], labels=labels[i : i + 1], **{**options, "seed": i})
        torch.testing.assert_close(both.ws[i], alone.ws[0], rtol=1e-3, atol=1e-3)
    other = search(conditional, target, labels=labels.flip(0), **options)
    assert not torch.allclose(both.ws, other.ws, rtol=1e-3, atol=1e-3)
    assert both.settings["labels"] == labels.tolist()


@pytest.mark.parametrize("labels", [None, torch.eye(3), torch.zeros(1, 4), [1, 0, 0]])
def test_a_conditional_generator_without_fitting_labels_is_refused(conditional, labels):
    with pytest.raises(ValueError, match=r"is conditional and needs labels, a tensor \(2, 3\) or \(1, 3\)"):
        search(conditional, torch.rand(2, 3, 8, 8), labels=labels)


def test_labels_for_a_generator_that_takes_none_are_refused(reachable):
    G, images = reachable
    with pytest.raises(ValueError, match="takes no labels"):
        search(G, small(images), labels=torch.eye(3)[:2])


def test_everything_public_is_there_and_no_module_hides_it():
    for module in pkgutil.walk_packages(pulse.__path__, "pulse."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in pulse.__all__:
        found = getattr(pulse, name)
        assert isinstance(found, types.ModuleType) == (name in ("losses", "operators", "sphere")), name
    assert set(pulse.__all__) <= set(dir(pulse))
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = pulse.serach


def test_importing_pulse_and_its_search_loads_nothing_heavy_beside_torch():
    heavy = ("PIL", "scipy", "skimage", "safetensors", "stylegan", "typer", "rich", "dlib", "matplotlib", "sympy")
    program = f"""
import sys
import pulse
print("torch" in sys.modules)
import torch
before = set(sys.modules)
pictures = "depixelize depixelize_frames FilmResult cut_sheet Piece find_head Head draw align Alignment true_pixels"
others = "TruePixels morph upscale Upscaled search_folder Report"
tricks = "Variant disagreement explore iterate samples soften"
films = "Film SearchRecord film_of_morph film_of_search film_of_turn film_of_zoom"
for name in pulse.__all__:
    if name not in (*pictures.split(), *tricks.split(), *others.split(), *films.split()):
        getattr(pulse, name)
loaded = set(sys.modules) - before
print(sorted(loaded & set({heavy!r})), len(loaded) < 80)
"""
    root = Path(pulse.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n") == ["False", "[] True", ""]


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ("", "passive"),
        # torch reads it when it is imported; what is set later would hold for child processes alone.
        ("import sys, types; sys.modules['torch'] = types.ModuleType('torch'); ", "None"),
        ("import os; os.environ['KMP_BLOCKTIME'] = '0'; ", "None"),
    ],
)
def test_importing_pulse_before_torch_lets_its_threads_sleep(before, then):
    waiting = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    environment = {name: value for name, value in os.environ.items() if name not in waiting}
    code = f"{before}import os, pulse; print(os.environ.get('OMP_WAIT_POLICY'))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == then
