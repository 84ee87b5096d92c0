"""What the low resolutions cannot answer begins anew: when, where, and how long it goes on."""

from __future__ import annotations

import importlib

import pytest
import torch

import pulse
from tests.pulse.fast_networks import draw, small_generator, targets_of

pytestmark = pytest.mark.usefixtures("own_studies_and_one_thread")


def test_what_low_resolutions_cannot_draw_takes_all_steps_and_a_batch_is_as_each_alone():
    G = small_generator()
    # The last picture is noise, which no point of the network draws.
    target = torch.cat([targets_of(G, 2, 16), torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))])
    options = pulse.SearchOptions(method="fast", steps=60)
    together = pulse.search(G, target, options, seed=4)
    looks = together.history["l2"].isfinite().sum(1)
    assert not together.reached[2]
    assert looks.argmax() == 2
    assert looks[2] == 61
    # The loop of all steps brings it nearer than the low resolutions had.
    early = pulse.search(G, target[2:], options, seed=6, steps=8)
    assert together.l2[2] < early.l2[0]
    assert together.best_at[2] > 8
    again = ((G.synthesis(together.ws, noise=together.noise) + 1) / 2).clamp(0, 1)
    torch.testing.assert_close(again, together.images, atol=1e-4, rtol=1e-4)
    for row in range(2):
        alone = pulse.search(G, target[row : row + 1], options, seed=4 + row)
        # After nine looks rounding has grown; a row that moved with the others would be elsewhere by then.
        both = [history[0][:9] for history in (together.history["l2"][row : row + 1], alone.history["l2"])]
        shared = min(len(x) for x in both)
        torch.testing.assert_close(both[0][:shared], both[1][:shared], atol=1e-4, rtol=0.02, equal_nan=True)


def test_the_low_resolutions_have_so_many_looks_and_no_more(monkeypatch):
    walks = importlib.import_module("pulse.fast.walk")
    begun = []
    monkeypatch.setattr(walks, "_PATIENCE", 1000)
    monkeypatch.setattr(walks, "_MOST_LOOKS", 3)
    monkeypatch.setattr(
        walks, "walk_rest", lambda course, rows, before, rngs: begun.append((rows.tolist(), before.step)) or []
    )
    target = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    pulse.search(small_generator(), target, method="fast", seed=4, steps=8)
    assert begun == [([0], 3)]


def test_what_begins_anew_begins_at_a_random_point_of_its_seed_or_where_it_is_told_to(monkeypatch):
    G = small_generator()
    monkeypatch.setattr(importlib.import_module("pulse.fast.walk"), "_MOST_LOOKS", 0)
    begun = []
    monkeypatch.setattr(
        importlib.import_module("pulse.fast.rest"), "walk", lambda course: begun.append(course.latents) or iter([])
    )
    target = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    pulse.search(G, target, method="fast", steps=2, seed=4)
    pulse.search(G, target[1:], method="fast", steps=2, seed=5)
    assert begun[0].shape == (2, G.num_ws, G.w_dim)
    # Not a picture of the generator's own, whose styles are the same.
    assert (begun[0][:, 0] - begun[0][:, 1]).abs().max() > 0.1
    assert (begun[0][0] - begun[0][1]).abs().max() > 0.1
    assert torch.equal(begun[0][1:], begun[1])
    told = draw(1, G.num_ws, G.w_dim)
    pulse.search(G, target[:1], method="fast", steps=2, init=(told, None))
    assert torch.equal(begun[2], told)


def test_a_row_that_began_anew_ends_within_eps_when_steps_bring_it_little(monkeypatch):
    G = small_generator()
    monkeypatch.setattr(importlib.import_module("pulse.fast.walk"), "_MOST_LOOKS", 0)
    target = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    options = pulse.SearchOptions(method="fast", steps=60, seed=4, floor=0.0)
    # No row is within such an eps.
    free = pulse.search(G, target, options, eps=1e-9).history["l2"]
    assert free.isfinite().all()
    eps = float(free[:, 30].max())
    errors = pulse.search(G, target, options, eps=eps).history["l2"]
    for row in range(2):
        looks = int(errors[row].isfinite().sum())
        assert 12 < looks < 61
        torch.testing.assert_close(errors[row, :looks], free[row, :looks], atol=1e-6, rtol=1e-3)
        slow = [t for t in range(11, 61) if eps >= free[row, t] > 0.8 * free[row, t - 10]]
        assert looks == slow[0] + 1
