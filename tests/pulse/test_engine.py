from __future__ import annotations

import importlib
import math

import pytest
import torch

import pulse
from pulse import losses, search
from pulse.latents import SPACES
from pulse.optimizer import OPTIMIZERS, SCHEDULES


def reachable(stand_in, count: int = 1, size: int = 8, **options) -> tuple:
    """A generator and targets that it can make."""
    G = stand_in(**options)
    ws = G.mapping(torch.randn(count, G.z_dim, generator=torch.Generator().manual_seed(99)))
    image = ((G.synthesis(ws).detach() + 1) / 2).clamp(0, 1)
    return G, pulse.downsample(image, size).clamp(0, 1)


def test_the_search_finds_what_is_there_to_be_found(stand_in):
    G, target = reachable(stand_in, 3)
    result = search(G, target, seed=0)
    assert result.reached.all()
    assert (result.l2 <= 2e-3).all()
    assert (result.history["l2"][:, 0] > 2e-3).all()


def test_what_is_returned_is_what_was_measured(stand_in):
    G, target = reachable(stand_in, 3, size=(8, 5))
    result = search(G, target, seed=1, steps=20, starts=2, floor=1e-3)
    assert result.images.shape == (3, 3, 32, 32)
    assert result.downsampled.shape == target.shape
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    assert torch.equal(result.target, target)
    small = pulse.downsample(result.images, (8, 5))
    torch.testing.assert_close(result.downsampled, small, rtol=0, atol=1e-6)
    torch.testing.assert_close(result.l2, losses.l2(small, target))
    loss = losses.parse_loss("100*L2+0.05*GEOCROSS")(small, target, result.latents, 1e-3)
    torch.testing.assert_close(result.loss, loss)
    again = ((G.synthesis(result.ws, noise=result.noise) + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(result.images, again, rtol=0, atol=1e-5)
    assert torch.equal(result.reached, result.l2 <= 2e-3)


def test_the_best_is_returned_not_the_last(stand_in):
    G, target = reachable(stand_in, 4)
    result = search(G, target, seed=0, steps=30, learning_rate=3, lr_schedule="fixed", eps=0)
    assert result.history["loss"].shape == result.history["l2"].shape == (4, 31)
    best, at = result.history["loss"].min(1)
    assert torch.equal(result.loss, best)
    assert torch.equal(result.best_at, at)
    assert (result.loss < result.history["loss"][:, -1]).any()


def test_a_point_within_eps_beats_a_lower_loss_outside(stand_in):
    G, target = reachable(stand_in, 4)
    result = search(G, target, seed=0, loss_str="10*L2+GEOCROSS", eps=0.01, floor=0.01)
    for i in range(4):
        loss, error = result.history["loss"][i], result.history["l2"][i]
        inside = error <= 0.01
        assert bool(result.reached[i]) == bool(inside.any())
        assert result.loss[i] == (loss[inside] if inside.any() else loss).min()
        assert result.reached_at[i] == (int(inside.int().argmax()) if inside.any() else -1)
    assert (result.reached & (result.loss > result.history["loss"].min(1).values)).any()


def test_of_losses_that_the_floor_makes_equal_the_lower_error_wins(stand_in):
    G, target = reachable(stand_in, 2)
    result = search(G, target, seed=0, loss_str="100*L2", floor=0.5)
    torch.testing.assert_close(result.loss, torch.full((2,), 50.0))
    assert torch.equal(result.l2, result.history["l2"].min(1).values)


def test_a_search_goes_on_below_eps_unless_it_is_the_published_one_or_eps_is_the_variance_of_noise(stand_in):
    G, target = reachable(stand_in, 2)
    found = {method: search(G, target, seed=0, method=method, loss_str="100*L2") for method in ("bounded", "pulse")}
    assert [found[method].settings["floor"] for method in found] == [2e-4, 2e-3]
    assert (found["pulse"].loss == 0.2).all()
    assert (found["bounded"].loss < 0.2).all()
    operator = pulse.Downsampler((32, 32), (8, 8))
    assert search(G, target, seed=0, steps=1, operator=operator).settings["floor"] == 2e-3
    assert search(G, target, seed=0, steps=1, operator=operator, floor=1e-3).settings["floor"] == 1e-3


def test_each_image_is_found_as_it_would_be_alone(stand_in):
    G, target = reachable(stand_in, 3)
    options = {"steps": 10, "starts": 2, "return_all": True}
    batch = search(G, target, seed=5, **options)
    for i in range(3):
        alone = search(G, target[i : i + 1], seed=5 + i, **options)
        torch.testing.assert_close(alone.images[0], batch.images[i], atol=1e-4, rtol=0)
        torch.testing.assert_close(alone.history["loss"][0], batch.history["loss"][i], atol=1e-3, rtol=1e-3)
        assert alone.start[0] == batch.start[i]
    one_by_one = search(G, target, seed=5, batch_size=1, **options)
    assert torch.equal(search(G, target[1:2], seed=6, batch_size=1, **options).images[0], one_by_one.images[1])
    pieces = search(G, target, seed=5, batch_size=4, **options)
    torch.testing.assert_close(pieces.images, batch.images, atol=1e-4, rtol=0)
    torch.testing.assert_close(pieces.all_starts.images, batch.all_starts.images, atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", ["stylegan1", "stylegan2"])
def test_with_real_networks_too_a_batch_is_as_each_image_alone(architecture):
    torch.manual_seed(0)
    module = importlib.import_module(f"stylegan.networks.{architecture}")
    sizes = (16, 16, 32) if architecture == "stylegan1" else (16, 0, 16, 32)
    G = module.Generator(*sizes, synthesis_kwargs={"channel_max": 8})
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    target = torch.rand(2, 3, 8, 8)
    batch = search(G, target, seed=0, steps=3, method="bounded")
    assert (batch.l2 < batch.history["l2"][:, 0]).all()
    for i in range(2):
        alone = search(G, target[i : i + 1], seed=i, steps=3, method="bounded")
        torch.testing.assert_close(alone.history["loss"][0], batch.history["loss"][i], atol=1e-3, rtol=1e-3)


def test_the_same_seed_gives_the_same_result_and_another_one_another(stand_in):
    G, target = reachable(stand_in)
    runs = [search(G, target, seed=s, steps=5) for s in (3, 3, 4)]
    assert torch.equal(runs[0].images, runs[1].images)
    assert not torch.equal(runs[0].images, runs[2].images)
    state = torch.random.get_rng_state()
    drawn = search(G, target, steps=3)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(drawn.images, search(G, target, steps=3, seed=drawn.seed).images)


def test_the_best_of_several_starts_is_returned_and_all_on_request(stand_in):
    G, target = reachable(stand_in, 2)
    result = search(G, target, seed=0, starts=4, steps=5, return_all=True, eps=1e-9)
    every = result.all_starts
    assert every.images.shape[0] == 8
    assert every.start.tolist() == [0, 1, 2, 3] * 2
    assert len(set(every.loss.tolist())) == 8
    assert torch.equal(result.loss, every.loss.view(2, 4).min(1).values)
    assert torch.equal(result.start, every.loss.view(2, 4).argmin(1))
    for i in range(2):
        assert torch.equal(result.images[i], every.images[4 * i + result.start[i]])
    assert search(G, target, seed=0, steps=1).all_starts is None


@pytest.mark.parametrize("space", [*SPACES, "pulse"])
def test_every_space_comes_nearer(stand_in, space):
    G, target = reachable(stand_in, 2)
    result = search(G, target, seed=0, space=space, loss_str="100*L2", steps=60)
    assert (result.l2 < 0.5 * result.history["l2"][:, 0]).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_optimiser_and_schedule_comes_nearer(stand_in, name, schedule):
    G, target = reachable(stand_in)
    rate = 0.4 if name.startswith("ada") else 0.05
    result = search(G, target, seed=0, opt_name=name, lr_schedule=schedule, learning_rate=rate, steps=30)
    assert result.loss[0] < 0.9 * result.history["loss"][0, 0]


@pytest.mark.parametrize("kernel", ["bicubic", "area", "lanczos", "nearest"])
def test_every_kernel_is_used(stand_in, kernel):
    G, target = reachable(stand_in)
    result = search(G, target, seed=0, kernel=kernel, steps=3)
    torch.testing.assert_close(result.downsampled, pulse.downsample(result.images, 8, kernel=kernel))


def test_latents_and_trained_noise_stay_on_their_spheres(stand_in):
    G, target = reachable(stand_in)
    before = search(G, target, seed=0, steps=0)
    after = search(G, target, seed=0, steps=25)
    assert after.best_at[0] > 0
    assert not torch.equal(before.latents, after.latents)
    torch.testing.assert_close(before.latents.norm(dim=-1), after.latents.norm(dim=-1))
    for a, b in zip(before.noise, after.noise, strict=True):
        assert not torch.equal(a, b)
        torch.testing.assert_close(a.norm(), b.norm())


def test_noise_types_and_bad_layers(stand_in):
    G, target = reachable(stand_in)
    options = {"seed": 0, "steps": 10}
    start = search(G, target, seed=0, steps=0).noise
    first_only = search(G, target, num_trainable_noise_layers=1, **options).noise
    assert not torch.equal(first_only[0], start[0])
    assert torch.equal(first_only[1], start[1])
    fixed = search(G, target, noise_type="fixed", **options).noise
    assert all(torch.equal(a, b) for a, b in zip(fixed, start, strict=True))
    assert not any(x.any() for x in search(G, target, noise_type="zero", **options).noise)
    bad = search(G, target, bad_noise_layers="0.17", **options).noise
    assert not bad[0].any()
    assert bad[1].any()


def test_tiled_latents_are_one_vector(stand_in):
    G, target = reachable(stand_in)
    result = search(G, target, seed=0, steps=5, tile_latent=True)
    assert result.latents.shape == (1, 1, 16)
    assert torch.equal(result.ws, result.ws[:, :1].expand_as(result.ws))


def test_no_steps_still_give_the_starting_point(stand_in):
    G, target = reachable(stand_in, 2)
    result = search(G, target, seed=0, steps=0)
    assert result.history["loss"].shape == (2, 1)
    assert result.best_at.tolist() == [0, 0]
    assert not result.interrupted


def test_a_start_that_meets_nan_is_dropped_and_the_others_go_on(stand_in):
    G, target = reachable(stand_in, 2)
    clean = search(G, target, seed=0, steps=10, starts=2, return_all=True).all_starts
    calls = [0]

    def poison(ws):
        calls[0] += 1
        return torch.tensor([False, calls[0] == 4, False, False])

    G.poison = poison
    result = search(G, target, seed=0, steps=10, starts=2, return_all=True).all_starts
    history = result.history["loss"]
    assert history[1].isfinite().tolist() == [True] * 3 + [False] * 8
    assert result.loss[1] == history[1, :3].min()
    assert result.images[1].isfinite().all()
    for row in (0, 2, 3):
        torch.testing.assert_close(history[row], clean.history["loss"][row])
        torch.testing.assert_close(result.images[row], clean.images[row])


def test_a_step_whose_gradient_is_nan_is_undone(stand_in):
    G, target = reachable(stand_in, 2)
    calls = [0]
    forward = G.synthesis

    def synthesis(ws, **more):
        calls[0] += 1
        out = forward(ws, **more)
        if calls[0] == 3:
            out.register_hook(lambda g: torch.cat([g[:1] * math.nan, g[1:]]))
        return out

    G.synthesis = synthesis
    seen = []
    result = search(G, target, seed=0, steps=8, callback=lambda step, state: seen.append(state.best.latents.clone()))
    assert result.history["loss"].isfinite().sum(1).tolist() == [3, 9]
    assert all(torch.equal(x[0], seen[2][0]) for x in seen[2:])
    assert result.images.isfinite().all()


def test_when_every_start_is_dropped_the_best_so_far_is_returned(stand_in):
    G, target = reachable(stand_in)
    calls = [0]

    def poison(ws):
        calls[0] += 1
        return torch.full((len(ws),), calls[0] > 3)

    G.poison = poison
    result = search(G, target, seed=0, steps=50)
    assert calls[0] == 4
    assert result.loss[0] == result.history["loss"][0, :3].min()
    assert not result.interrupted


def test_a_generator_that_gives_nothing_finite_is_reported(stand_in):
    G, target = reachable(stand_in)
    G.poison = lambda ws: torch.ones(len(ws), dtype=torch.bool)
    with pytest.raises(ValueError, match="nothing finite for image 0"):
        search(G, target, seed=0, steps=2)


def test_the_callback_sees_every_step_of_every_batch(stand_in):
    G, target = reachable(stand_in, 3)
    seen = []

    def callback(step, state):
        assert step == state.step
        assert state.steps == 4
        assert state.images.shape == (len(state.image), 3, 32, 32)
        assert not state.images.requires_grad
        assert torch.equal(state.history["loss"][:, -1], state.loss)
        assert (state.best.loss <= state.loss).all()
        seen.append((state.batch, state.batches, step))

    search(G, target, seed=0, steps=4, batch_size=2, callback=callback)
    assert seen == [(b, 2, s) for b in range(2) for s in range(5)]


def test_the_callback_can_end_the_search(stand_in):
    G, target = reachable(stand_in, 3)
    result = search(G, target, seed=0, steps=50, batch_size=2, callback=lambda step, state: step == 5)
    # Ending a search by one's own callback is no interruption.
    assert not result.interrupted
    assert len(result) == 3
    assert result.images.isfinite().all()
    assert result.history["loss"].shape == (3, 6)
    # The batch that had not begun has its starting point.
    assert result.history["loss"][2].isfinite().tolist() == [True] + [False] * 5
    full = search(G, target, seed=0, steps=5, callback=lambda step, state: step == 5)
    assert not full.interrupted


@pytest.mark.parametrize("evaluation", [1, 4])
def test_ctrl_c_returns_the_best_so_far(stand_in, evaluation):
    G, target = reachable(stand_in, 2)
    calls = [0]

    def interrupt(ws):
        calls[0] += 1
        if calls[0] == evaluation:
            raise KeyboardInterrupt
        return torch.zeros(len(ws), dtype=torch.bool)

    G.poison = interrupt
    result = search(G, target, seed=0, steps=50)
    assert result.interrupted
    assert result.images.isfinite().all()
    assert result.history["loss"].shape == (2, max(1, evaluation - 1))


def test_a_second_ctrl_c_breaks_off(stand_in):
    G, target = reachable(stand_in, 2)

    def interrupt(ws):
        raise KeyboardInterrupt

    G.poison = interrupt
    with pytest.raises(KeyboardInterrupt):
        search(G, target, seed=0)


def test_a_start_can_end_when_it_is_within_eps(stand_in):
    G, target = reachable(stand_in, 2)
    whole = search(G, target, seed=0, loss_str="100*L2")
    result = search(G, target, seed=0, loss_str="100*L2", stop_when_reached=True)
    assert result.reached.all()
    assert not result.interrupted
    assert torch.equal(result.best_at, result.reached_at)
    assert torch.equal(result.reached_at, whole.reached_at)
    assert result.history["l2"].shape[1] == int(result.reached_at.max()) + 1 < 101


def test_the_generator_is_left_as_it_was(stand_in):
    G, target = reachable(stand_in)
    G.train()
    before = {k: v.clone() for k, v in G.state_dict().items()}
    with torch.inference_mode():
        result = search(G, target, seed=0, steps=3)
    assert result.best_at[0] > 0
    assert G.training
    assert all(torch.equal(v, before[k]) for k, v in G.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in G.parameters())


def test_the_result_tells_how_it_was_made(stand_in):
    G, target = reachable(stand_in)
    result = search(G, target, seed=12, steps=1)
    assert result.seed == result.settings["seed"] == 12
    assert result.settings["steps"] == 1
    assert result.settings["loss_str"] == "100*L2+0.05*GEOCROSS"
    assert result.settings["generator"] == "_StandIn"
    assert result.settings["img_resolution"] == 32


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (torch.zeros(1, 3, 33, 8), "8x33 pixels, the generator makes only 32"),
        (torch.zeros(1, 1, 8, 8), "has 1 channels"),
        (torch.zeros(3, 8, 8), "give a floating-point tensor"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "uint8"),
        (torch.zeros(0, 3, 8, 8), "is empty"),
        (torch.zeros(1, 3, 0, 8), "is empty"),
        (torch.full((1, 3, 8, 8), 1.5), "outside"),
        (torch.full((1, 3, 8, 8), math.nan), "outside"),
        ("face.png", "a str"),
    ],
)
def test_senseless_targets_are_refused_in_a_sentence(stand_in, target, words):
    with pytest.raises(ValueError, match=words):
        search(stand_in(), target)


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (3, 31)])
def test_targets_of_any_size_up_to_the_generators(stand_in, size):
    result = search(stand_in(), torch.rand(1, 3, *size), seed=0, steps=2)
    assert result.downsampled.shape == (1, 3, *size)
