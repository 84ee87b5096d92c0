"""The method "fast" on coarse pictures: where the low resolutions of a StyleGAN1 say little about what it draws."""

from __future__ import annotations

import importlib

import pytest
import torch

import pulse
from pulse.fast.low_resolution import explained
from stylegan.networks.stylegan1 import Generator
from tests.pulse.fast_networks import draw, targets_of

# The package has functions of these names.
prepare = importlib.import_module("pulse.fast.prepare")
walk = importlib.import_module("pulse.fast.walk")

pytestmark = pytest.mark.usefixtures("own_studies_and_one_thread")


@pytest.fixture(scope="module")
def generator() -> Generator:
    """A StyleGAN1 of 128 px with random weights, whose images span about [-1, 1]."""
    torch.manual_seed(0)
    G = Generator(8, 16, 128, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 16})
    G.eval().requires_grad_(False)
    images = G(draw(8, 8))
    G.synthesis.torgb_weight *= 0.5 / images.std()
    G.synthesis.torgb_bias -= images.mean((0, 2, 3)) * 0.5 / images.std()
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    return G


@pytest.fixture
def passes(generator, monkeypatch):
    """What is drawn: "look" and "step" of the whole network, and "coarse" with its size."""
    seen = []
    hook = generator.synthesis.register_forward_hook(
        lambda module, given, images: seen.append(("step" if images.requires_grad else "look", len(images)))
    )
    plain = type(generator.synthesis).coarse

    def coarse(self, ws, resolution, **options):
        seen.append(("coarse", resolution))
        return plain(self, ws, resolution, **options)

    monkeypatch.setattr(type(generator.synthesis), "coarse", coarse)
    yield seen
    hook.remove()


def names(passes: list[tuple[str, int]]) -> set[str]:
    return {name for name, _ in passes}


def test_what_is_explained_is_a_part_of_the_variance_about_the_mean_picture():
    pictures = draw(64, 3, 8, 8)
    assert explained(pictures, pictures) == 1
    assert abs(explained(pictures.mean(0).expand_as(pictures), pictures)) < 1e-6
    off = explained(pictures + 0.5 * draw(64, 3, 8, 8, seed=1), pictures)
    assert 0.7 < off < 0.8


def test_a_study_finds_the_least_size_whose_coarse_pictures_predict_well(generator):
    study = prepare._make(generator, 16)
    assert study.to_rgb.explained < prepare._LEAST_EXPLAINED
    with torch.no_grad():
        ws = generator.mapping(draw(16, 8, seed=3))
        wanted = pulse.downsample((generator.synthesis(ws) + 1) / 2, 16)
        told = {
            size: explained(pulse.downsample((generator.synthesis.coarse(ws, size) + 1) / 2, 16), wanted)
            for size in (32, 64)
        }
    assert study.coarse == 64
    assert told[32] < prepare._LEAST_COARSE <= told[64]
    # Those that were drawn whole, and coarse ones.
    assert len(study.pictures) == prepare._ALL_WHOLE


def test_steps_are_on_coarse_pictures_and_looks_on_whole_ones(generator, passes, tmp_path):
    target = targets_of(generator, 2, 16)
    begun = pulse.search(generator, target, method="fast", seed=1, steps=0)
    passes.clear()
    ended = pulse.search(generator, target, method="fast", seed=1, steps=6)
    assert names(passes) == {"look", "coarse"}
    assert {size for name, size in passes if name == "coarse"} == {64}
    assert (ended.l2 < 0.3 * begun.l2).all()
    with torch.no_grad():
        again = ((generator.synthesis(ended.ws, noise=ended.noise) + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(again, ended.images, atol=1e-5, rtol=1e-5)
    # As it is kept.
    prepare._remembered.clear()
    read = pulse.search(generator, target, method="fast", seed=1, steps=6)
    assert torch.equal(read.images, ended.images)


def test_what_coarse_pictures_bring_no_further_goes_on_with_the_whole_network(generator, passes, monkeypatch):
    # No look helps as much as that.
    monkeypatch.setattr(walk, "_HELPED", 0.01)
    target = targets_of(generator, 1, 16)
    result = pulse.search(generator, target, method="fast", seed=1, steps=5, eps=1e-9)
    kinds = [name for name, _ in passes[[name for name, _ in passes].index("look") :]]
    first = kinds.index("step")
    assert "coarse" in kinds[:first]
    assert "coarse" not in kinds[first:]
    errors = result.history["l2"][0]
    # It goes on from its best point, which it looks at again.
    assert errors[3] == pytest.approx(float(errors[:3].min()), rel=1e-5)
    assert errors[4] < errors[3]
