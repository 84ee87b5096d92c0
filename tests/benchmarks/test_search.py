"""The arithmetic of `benchmarks.search`, and that a search is measured as it is."""

from __future__ import annotations

import importlib.util

import pytest
import torch

import pulse

if importlib.util.find_spec("dlib") is None:
    pytest.skip("benchmarks.search needs dlib", allow_module_level=True)

from benchmarks.search import Walked, _median, _sampled, pulses_loss, walk
from stylegan.networks.stylegan2 import Generator


def test_never_is_later_than_any_time():
    assert _median([3.0, None, 1.0]) == 3.0
    assert _median([None, None, 1.0]) is None


def test_a_curve_keeps_its_last_value_and_has_none_before_its_first():
    values = _sampled([(1.0, 5.0), (2.0, 3.0)], torch.tensor([0.5, 1.5, 9.0]))
    assert values[0].isnan()
    assert values[1:].tolist() == [5.0, 3.0]


def test_passes_and_the_last_loss_are_those_of_the_search():
    torch.manual_seed(0)
    G = Generator(8, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 4}).eval()
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    options = pulse.SearchOptions(method="pulse", steps=4, seed=0)
    found = Walked()
    result = walk(G, torch.full((1, 3, 8, 8), 0.5), options, found)
    assert found.passes == [5]
    assert len(found.curve[0]) == 5
    seconds = [at for at, _ in found.curve[0]]
    assert seconds == sorted(seconds)
    expected = float(pulses_loss(result.l2, result.ws, options.eps))
    assert found.curve[0][-1][1] == pytest.approx(expected, rel=1e-5)
    assert (found.near[0] is None) == (not result.reached.item())
