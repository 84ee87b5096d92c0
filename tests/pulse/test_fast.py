"""The method "fast": its coordinates, its low resolutions, its start, and what a search by it returns."""

from __future__ import annotations

import importlib

import pytest
import torch

import pulse
import stylegan
from pulse import fast
from pulse.fast.low_resolution import fit_to_rgb, looks_at
from pulse.fast.rows import Rows
from pulse.fast.start import gain_of
from pulse.fast.whitening import whitening_of
from pulse.optimizer import OPTIMIZERS, SphericalOptimizer
from stylegan.networks.stylegan1 import Generator as StyleGAN1
from stylegan.networks.stylegan2 import Generator as StyleGAN2
from tests.pulse.fast_networks import draw, small_generator, targets_of

# The package has a function of that name.
prepare = importlib.import_module("pulse.fast.prepare")


pytestmark = pytest.mark.usefixtures("own_studies_and_one_thread")


def test_whitened_points_have_unit_covariance_and_come_back():
    mix = draw(6, 9)
    points = draw(4000, 6, seed=1) @ mix + 3
    whitening = whitening_of(points)
    assert whitening.k == 6
    u = whitening.encode(points)
    torch.testing.assert_close(torch.cov(u.T), torch.eye(6), atol=1e-4, rtol=0)
    torch.testing.assert_close(whitening.decode(u), points, atol=1e-3, rtol=1e-4)


def test_a_to_rgb_that_exists_is_found_and_one_that_does_not_is_known_to_be_none():
    features = draw(8, 5, 16, 16)
    pictures = torch.einsum("nchw,dc->ndhw", features, draw(3, 5, seed=1)) + 0.5
    fit = fit_to_rgb(features, pictures)
    assert fit.explained > 0.999
    torch.testing.assert_close(fit(features), pictures, atol=2e-3, rtol=0)
    assert fit_to_rgb(features, draw(8, 3, 16, 16, seed=2)).explained < 0.1


def test_a_linear_generator_is_solved_by_the_gain_alone():
    u = draw(300, 4)
    basis = draw(4, 3 * 8 * 8, seed=1)

    def pictures(u: torch.Tensor) -> torch.Tensor:
        return (u @ basis).view(-1, 3, 8, 8)

    gain = gain_of(u, pictures(u), lambda x: x)
    assert gain is not None
    start, truth = draw(5, 4, seed=2), draw(5, 4, seed=3)
    moved = start + gain(pictures(truth) - pictures(start))
    # The ridge leaves a tenth of the way at most for four directions that share the variance.
    assert (moved - truth).norm() < 0.3 * (start - truth).norm()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_row_moves_as_torchs_optimiser_moves_it_alone(name):
    first, second = draw(3, 2, 4), draw(3, 1, 2, 2, seed=1)
    gradients = [draw(3, 12, seed=2 + step) for step in range(4)]
    rows = Rows(name, 0.3, [first, second], [False, True], [1.0, 1.0])
    turns = [[0, 1, 2], [1], [1, 2], [0, 2]]
    for turn, gradient in zip(turns, gradients, strict=True):
        rows.step(torch.tensor(turn), gradient[turn])
    for row in range(3):
        alone = [first[row : row + 1].clone(), second[row : row + 1].clone()]
        optimizer = SphericalOptimizer(name, alone, 0.3, [False, True])
        for turn, gradient in zip(turns, gradients, strict=True):
            if row in turn:
                mine = gradient[row : row + 1]
                alone[0].grad, alone[1].grad = mine[:, :8].reshape(1, 2, 4), mine[:, 8:].reshape(1, 1, 2, 2)
                optimizer.step()
        for part, expected in zip(rows.parts(rows.flat[row : row + 1]), alone, strict=True):
            torch.testing.assert_close(part, expected, atol=1e-5, rtol=1e-5)


def test_rates_hold_one_variable_of_one_row_back():
    rows = Rows("sgd", 1.0, [draw(2, 1, 3), draw(2, 1, 2)], [False, False], [1.0, 0.5])
    rows.rates[1, rows.columns(1)] = 0
    before = rows.flat.clone()
    rows.step(torch.arange(2), torch.ones(2, 5))
    torch.testing.assert_close(before - rows.flat, torch.tensor([[1.0, 1.0, 1.0, 0.5, 0.5], [1.0, 1.0, 1.0, 0.0, 0.0]]))


def test_an_operator_looks_at_low_resolutions_as_at_the_whole_picture():
    smooth = pulse.downsample(draw(2, 3, 8, 8), 4)
    whole = torch.nn.functional.interpolate(smooth, size=(64, 64), mode="bicubic")
    low = torch.nn.functional.interpolate(smooth, size=(16, 16), mode="bicubic")
    reduce = pulse.operators.Downsampler((64, 64), (8, 8))
    assert (looks_at(reduce, 16, 64)(low) - reduce.A(whole)).abs().max() < 0.1
    grey = pulse.operators.Grey() @ reduce
    assert looks_at(grey, 16, 64)(low).shape == (2, 1, 8, 8)
    assert (looks_at(grey, 16, 64)(low) - grey.A(whole)).abs().max() < 0.1


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_features_of_stylegan2_are_those_that_make_its_image(architecture):
    G = small_generator(architecture=architecture)
    ws = G.mapping(draw(2, 8))
    low = G.synthesis.features(ws, 16)
    channels = 8 + (3 if architecture == "skip" else 0)
    assert low.shape == (2, channels, 16, 16)
    changed = ws.clone()
    # At 16 px the network has read two styles more than it has convolutions at 4, 8 and 16 px.
    changed[:, 6:] += 1
    torch.testing.assert_close(G.synthesis.features(changed, 16), low, rtol=0, atol=0)
    whole = G.synthesis.features(ws, 64)
    assert torch.equal(whole[:, -3:], G.synthesis(ws))
    with pytest.raises(ValueError, match="no block of 12 px; choose one of 4, 8, 16, 32, 64"):
        G.synthesis.features(ws, 12)


def test_features_of_stylegan1_are_those_that_make_its_image():
    torch.manual_seed(0)
    G = StyleGAN1(8, 16, 32, synthesis_kwargs={"channel_max": 8}).eval()
    ws = G.mapping(draw(2, 8))
    x = G.synthesis.features(ws, 32)
    image = torch.nn.functional.conv2d(x, G.synthesis.torgb_weight / 8**0.5, G.synthesis.torgb_bias)
    assert torch.equal(image, G.synthesis(ws))
    assert G.synthesis.features(ws, 8).shape == (2, 8, 8, 8)


def test_a_search_returns_what_its_numbers_say():
    G = small_generator()
    target = targets_of(G, 3, 16)
    seen = []
    result = pulse.search(G, target, method="fast", seed=1, steps=6, callback=lambda step, state: seen.append(step))
    again = ((G.synthesis(result.ws, noise=result.noise) + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(again, result.images, atol=1e-4, rtol=1e-4)
    error = (pulse.downsample(again, 16) - target).square().mean((1, 2, 3))
    torch.testing.assert_close(error, result.l2, atol=1e-5, rtol=1e-3)
    assert result.reached.tolist() == (result.l2 <= 2e-3).tolist()
    assert seen == list(range(len(seen)))
    assert len(seen) <= 7


def test_a_stylegan_is_searched_so_by_default_but_not_with_what_the_method_does_not_know(stand_in):
    G = small_generator()
    target = targets_of(G, 1, 16)

    def method(G, **options):
        return pulse.search(G, target, seed=1, steps=1, **options).settings["method"]

    assert method(G) == "fast"
    assert method(G, method="pulse") == "pulse"
    assert method(G, lr_schedule="fixed") == "bounded"
    assert method(G, losses=lambda images, small, target, latents: images.mean((1, 2, 3))) == "bounded"
    assert method(G, operator=pulse.Downsampler((64, 64), (16, 16))) == "bounded"
    assert method(stand_in()) == "bounded"


@pytest.mark.parametrize("how", [{"floor": 2e-3}, {"stop_when_reached": True}])
def test_a_row_that_has_arrived_is_not_looked_at_again(how):
    G = small_generator()
    result = pulse.search(G, targets_of(G, 3, 16), method="fast", seed=1, steps=6, **how)
    looks = result.history["loss"].isfinite().sum(1)
    assert result.reached.any()
    assert looks[result.reached].tolist() == (result.reached_at[result.reached] + 1).tolist()


def test_a_row_within_eps_goes_on_while_low_resolutions_bring_it_nearer():
    G = small_generator()
    target = targets_of(G, 3, 16)
    first, on = (pulse.search(G, target, method="fast", seed=1, steps=30, **how) for how in ({"floor": 2e-3}, {}))
    assert on.settings["floor"] == 2e-4
    assert (on.l2[first.reached] < first.l2[first.reached]).all()


def test_a_row_is_searched_as_it_would_be_alone_and_seeds_differ():
    G = small_generator()
    target = targets_of(G, 2, 16)
    options = pulse.SearchOptions(method="fast", steps=2)
    both = pulse.search(G, target, options, seed=4)
    alone = pulse.search(G, target[1:], options, seed=5)
    torch.testing.assert_close(both.images[1:], alone.images, atol=2e-2, rtol=0)
    assert torch.equal(pulse.search(G, target, options, seed=4).images, both.images)
    assert (pulse.search(G, target, options, seed=40).latents - both.latents).abs().max() > 0.1


@pytest.mark.parametrize("space", ["gaussianized", "z", "w", "w+"])
def test_it_begins_exactly_where_it_is_told_to(space):
    G = small_generator()
    target = targets_of(G, 1, 16)
    first = pulse.search(G, target, method="pulse", seed=1, steps=1, space=space)
    second = pulse.search(G, target, method="fast", seed=9, steps=0, space=space, init=first)
    torch.testing.assert_close(second.latents, first.latents, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(second.images, first.images, atol=1e-3, rtol=0)


@pytest.mark.parametrize("space", ["gaussianized", "z", "w", "w+"])
@pytest.mark.parametrize("tile", [False, True])
def test_it_lowers_the_error_in_every_space(space, tile):
    G = small_generator()
    target = targets_of(G, 2, 16)
    begun = pulse.search(G, target, method="fast", seed=1, steps=0, space=space, tile_latent=tile)
    ended = pulse.search(G, target, method="fast", seed=1, steps=8, space=space, tile_latent=tile)
    assert (ended.l2 < begun.l2).all()


def test_a_generator_without_low_resolutions_or_with_own_losses_is_searched_whole(stand_in):
    G = stand_in()
    with torch.no_grad():
        images = (G.synthesis(G.mapping(draw(2, 16))) + 1) / 2
    target = pulse.downsample(images.clamp(0, 1), 8).clamp(0, 1)
    begun = pulse.search(G, target, method="fast", seed=0, steps=0)
    ended = pulse.search(G, target, method="fast", seed=0, steps=30)
    assert (ended.l2 < begun.l2).all()

    def bright(images, small, target, latents):
        assert images.shape[-1] == 32
        return images.mean((1, 2, 3))

    dark = pulse.search(G, target, method="fast", seed=0, steps=30, losses=(100.0, bright))
    assert (dark.images.mean((1, 2, 3)) < ended.images.mean((1, 2, 3))).all()


def test_gradients_in_half_precision_lead_to_pictures_in_float32(monkeypatch):
    torch.manual_seed(0)
    G = StyleGAN1(8, 16, 32, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 8}).eval()
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    monkeypatch.setattr(prepare, "_half", lambda G, own_losses: True)
    monkeypatch.setattr(prepare, "_LEAST_EXPLAINED", 2)
    drawn = []
    G.synthesis.register_forward_hook(lambda module, given, images: drawn.append((images.requires_grad, images.dtype)))
    target = targets_of(G, 1, 16)
    begun = pulse.search(G, target, method="fast", seed=1, steps=0)
    drawn.clear()
    ended = pulse.search(G, target, method="fast", seed=1, steps=4)
    assert set(drawn) == {(False, torch.float32), (True, torch.bfloat16)}
    assert ended.l2 < begun.l2
    with torch.no_grad():
        again = ((G.synthesis(ended.ws, noise=ended.noise) + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(again, ended.images, atol=1e-5, rtol=1e-5)


def test_a_study_of_a_large_generator_draws_one_picture_at_once(monkeypatch):
    G = small_generator()
    monkeypatch.setattr(prepare, "_WHOLE", 6)
    monkeypatch.setattr(prepare, "_SAMPLES", 8)
    drawn = []
    G.synthesis.register_forward_hook(lambda module, given, images: drawn.append(len(images)))
    for pixels, expected in ((64**2, [1] * 6), (10**9, [4, 2])):
        monkeypatch.setattr(prepare, "_MOST_PIXELS", pixels)
        drawn.clear()
        prepare._make(G, 16)
        assert drawn == expected


def test_half_precision_is_for_wide_networks_on_processors_that_have_it(monkeypatch):
    wide = StyleGAN1(8, 16, 8, synthesis_kwargs={"channel_base": 8192, "channel_max": 512})
    narrow = StyleGAN1(8, 16, 8, synthesis_kwargs={"channel_max": 32})
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has: has, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        assert prepare._half(wide, False) == has
        assert not prepare._half(wide, True)
        assert not prepare._half(narrow, False)


def test_a_row_that_is_not_finite_does_not_stop_the_others(stand_in):
    G = stand_in()
    target = torch.full((2, 3, 8, 8), 0.5)
    poisoned = []

    def poison(ws):
        # The second row of a batch of two, at the third look.
        poisoned.append(len(ws))
        bad = torch.zeros(len(ws), dtype=torch.bool)
        bad[1:] = len(poisoned) >= 3
        return bad

    plain = pulse.search(G, target[:1], method="fast", seed=0, steps=5, eps=0)
    G.poison = poison
    result = pulse.search(G, target, method="fast", seed=0, steps=5, eps=0)
    assert result.images.isfinite().all()
    assert result.history["loss"][1].isfinite().sum() < 6
    torch.testing.assert_close(result.l2[0], plain.l2[0], atol=1e-4, rtol=1e-2)


def test_the_study_of_a_generator_is_kept_and_a_spoilt_one_is_made_again(tmp_path):
    G = small_generator()
    target = targets_of(G, 1, 16)
    first = pulse.search(G, target, method="fast", seed=0, steps=1)
    (kept,) = (tmp_path / "studies").iterdir()
    written = kept.stat().st_mtime_ns
    pulse.search(G, target, method="fast", seed=0, steps=1)
    assert kept.stat().st_mtime_ns == written
    prepare._remembered.clear()
    read = pulse.search(G, target, method="fast", seed=0, steps=1)
    assert torch.equal(read.images, first.images)
    kept.write_bytes(b"spoilt")
    prepare._remembered.clear()
    again = pulse.search(G, target, method="fast", seed=0, steps=1)
    assert torch.equal(again.images, first.images)
    assert kept.stat().st_size > 1000


def test_another_machine_can_be_given_a_study(tmp_path, monkeypatch):
    G = small_generator()
    target = targets_of(G, 1, 16)
    file = fast.kept_study(G, pulse.Downsampler((64, 64), (16, 16)))
    assert file is not None
    monkeypatch.setattr(prepare, "cache_folder", lambda: tmp_path / "other")
    fast.keep_study(file.name, file.read_bytes())
    monkeypatch.setattr(prepare, "_make", lambda G, level: pytest.fail("It was made again."))
    assert pulse.search(G, target, method="fast", seed=0, steps=1).images.isfinite().all()


def test_a_conditional_generator_is_searched_among_its_label():
    torch.manual_seed(0)
    G = StyleGAN2(8, 3, 16, 64, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 8}).eval()
    labels = torch.eye(3)[[2, 0]]
    with torch.no_grad():
        target = pulse.downsample((G(draw(2, 8), labels) + 1).div(2).clamp(0, 1), 16).clamp(0, 1)
    begun = pulse.search(G, target, labels=labels, method="fast", seed=1, steps=0)
    ended = pulse.search(G, target, labels=labels, method="fast", seed=1, steps=8)
    assert (ended.l2 < begun.l2).all()


def test_held_out_portraits_are_reached_in_a_few_looks():
    from stylegan import portraits

    G = stylegan.load("default")
    u = portraits.sample(6, torch.Generator().manual_seed(77))
    target = pulse.downsample(portraits.render(u, 128), 16).clamp(0, 1)
    result = pulse.search(G, target, method="fast", seed=0)
    assert result.reached.all()
    assert result.reached_at.float().median() <= 5
    # PULSE's own walk ends at 0.2 for eps and 0.01 to 0.06 for GEOCROSS.
    assert result.loss.median() < 0.22
    assert 0.7 < result.radius.mean() < 1.3
