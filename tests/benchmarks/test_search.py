"""The arithmetic of `benchmarks.search`, and that a search is measured as it is."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from dataclasses import asdict

import pytest
import torch

import pulse

if importlib.util.find_spec("dlib") is None:
    pytest.skip("benchmarks.search needs dlib", allow_module_level=True)

from benchmarks.search import Walked, _median, _sampled, compare, kept, peak_of, pulses_loss, walk
from benchmarks.search_costs import PHASES, Clock, costs, print_shares, shares
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


def test_an_inner_phase_does_not_count_for_the_outer_one():
    clock = Clock()

    def busy(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    inner = clock.timed(lambda: busy(0.05), "looks")

    def outer():
        busy(0.02)
        inner()

    clock.timed(outer, lambda: "begin")()
    assert clock.seconds["looks"] == pytest.approx(0.05, abs=0.02)
    assert clock.seconds["begin"] == pytest.approx(0.02, abs=0.02)
    assert clock.calls["looks"] == clock.calls["begin"] == 1


def test_the_phases_of_a_search_make_up_its_time(tmp_path, monkeypatch):
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path))
    torch.manual_seed(0)
    G = Generator(8, 0, 16, 32, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 4}).eval()
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    targets = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    row = costs(G, targets, pulse.SearchOptions(steps=12, seed=0), "fast", 2)
    assert sum(row["phases"].values()) == pytest.approx(row["seconds"])
    assert all(row["phases"][phase] > 0 for phase in PHASES if phase not in ("low steps", "full steps", "anew"))
    assert row["phases"]["low steps"] + row["phases"]["full steps"] > 0
    assert 1 < row["whole pictures"] <= 13


def test_a_comparison_that_was_ended_goes_on(tmp_path):
    torch.manual_seed(0)
    G = Generator(8, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 4}).eval()
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    targets = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    options = pulse.SearchOptions(steps=2, seed=0)
    path, told = tmp_path / "search.json", {"size": 8}
    whole, part = {"pulse": Walked()}, {"pulse": Walked()}
    compare(G, targets, options, whole)
    compare(G, targets[:1], options, part)
    path.write_text(json.dumps({**told, "methods": {"pulse": asdict(part["pulse"])}}))
    assert kept(path, {"size": 16}, ["pulse"])["pulse"].seconds == []
    found = kept(path, told, ["pulse"])
    kept_after = []
    compare(G, targets, options, found, lambda: kept_after.append(len(found["pulse"].seconds)))
    assert kept_after == [2, 3]
    assert found["pulse"].seconds[0] == part["pulse"].seconds[0]
    assert found["pulse"].columns["l2"] == whole["pulse"].columns["l2"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process took")
def test_the_peak_of_a_search_is_not_that_of_the_benchmark():
    torch.manual_seed(0)
    G = Generator(8, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 4}).eval()
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    held = torch.ones(10**9 // 4)
    loaded, peak = peak_of(G, "pulse", 8)
    assert 0 < loaded <= peak < held.nbytes


def test_calls_of_several_are_told_as_parts_of_as_many_calls_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    alone = {"method": "fast", "size": 1, "calls": [1.0, 1.0, 2.0, 2.0, 9.0]}
    pairs = {"method": "fast", "size": 2, "calls": [1.0, 1.0, 8.0]}
    assert shares(alone, pairs) == [0.5, 0.25]
    print_shares([alone, pairs])
    assert capsys.readouterr().out == "2 calls of 2, fast: 0.38 of as many calls of one (0.25 to 0.50), by the clock\n"
