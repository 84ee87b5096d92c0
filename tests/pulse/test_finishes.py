"""Who makes an answer: what is said decides, and nothing that is said is ignored."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import pulse
import stylegan
from pulse import drawn, engine
from pulse.finishes import choose_finish, in_the_box


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What would be done, without doing it: the finish, and the arguments of `pulse.draw`."""
    made: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(drawn, "draw", lambda target, **how: made.append(("drawn", how)))
    monkeypatch.setattr(engine, "_search_network", lambda *how: made.append(("network", {})))
    return made


TARGET = torch.full((1, 3, 16, 16), 0.5)


@pytest.mark.parametrize(
    ("arguments", "who"),
    [
        ({}, "drawn"),
        ({"seed": 3, "eps": 1e-3, "starts": 4}, "drawn"),
        ({"kind": "people"}, "drawn"),
        ({"fidelity": 0.0}, "drawn"),
        ({"steps": 100}, "network"),
        ({"loss_str": "100*L2"}, "network"),
        ({"kernel": "area"}, "network"),
        ({"options": pulse.SearchOptions(steps=5)}, "network"),
        ({"options": pulse.SearchOptions(seed=5)}, "drawn"),
        ({"finish": "network"}, "network"),
        ({"finish": "network", "seed": 1}, "network"),
        ({"finish": "drawn", "resolution": 32}, "drawn"),
    ],
)
def test_the_generator_in_the_box_draws_unless_the_search_is_asked_for(
    arguments: dict[str, Any], who: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    pulse.search("default", TARGET, **arguments)
    if "options" not in arguments or who == "drawn":
        pulse.depixelize(TARGET, **arguments, notes=[])
    assert {name for name, _ in calls} == {who}


@pytest.mark.parametrize(
    "arguments", [{"operator": object()}, {"init": []}, {"return_all": True}, {"device": "cpu"}, {"labels": TARGET}]
)
def test_arguments_of_the_search_alone_ask_for_it(
    arguments: dict[str, Any], calls: list[tuple[str, dict[str, Any]]]
) -> None:
    pulse.search("default", TARGET, **arguments)
    assert calls == [("network", {})]
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"Only the network's search has {name}; leave it out"):
        pulse.search("default", TARGET, finish="drawn", **arguments)


def test_starts_are_those_of_the_caller_or_of_drawn_answers(calls: list[tuple[str, dict[str, Any]]]) -> None:
    pulse.search("default", TARGET, starts=1)
    pulse.search("default", TARGET, seed=4, resolution=64)
    assert calls[0][1]["starts"] == 1
    assert "starts" not in calls[1][1]
    assert (calls[1][1]["seed"], calls[1][1]["resolution"]) == (4, 64)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"finish": "painted"}, "The finish is 'painted'; give one of drawn, network, or leave it out"),
        ({"kind": "people", "steps": 3}, "Only drawn answers have kind, and only the network's search has steps"),
        ({"finish": "network", "fidelity": 1.0}, "Only drawn answers have fidelity; leave it out"),
        ({"finish": "drawn", "steps": 3, "space": "z"}, "Only the network's search has space and steps; leave it out"),
        ({"resolution": 8}, "The resolution is 8; give a whole number from 16 to 1024"),
        ({"kind": "cats"}, "The kind is 'cats'; give one of any, people"),
        ({"fidelity": True}, "The fidelity is True; give a number from 0 to 1"),
    ],
)
def test_nothing_that_is_said_is_ignored(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pulse.search("default", TARGET, **arguments)
    with pytest.raises(ValueError, match=said):
        pulse.depixelize(TARGET, **arguments, notes=[])


def test_other_generators_are_searched(stand_in: Any) -> None:
    small = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    result = pulse.search(stand_in(), small, seed=0)
    assert (result.made_by, result.settings["finish"], result.images.shape[-1]) == ("network", "network", 32)
    with pytest.raises(ValueError, match=r"the generator is another; leave it out"):
        pulse.search(stand_in(), small, kind="people")
    with pytest.raises(ValueError, match=r"the generator is 'ffhq'; leave it out"):
        pulse.depixelize(TARGET, generator="ffhq", finish="drawn")


def test_the_box_is_known_by_name_by_file_and_as_a_network(tmp_path: Path) -> None:
    G = stylegan.load("default")
    assert all(map(in_the_box, ("default", "portraits128", G, G.source)))
    # Another file of that name, and its network, are not from the box.
    stylegan.save(G, tmp_path / "default.safetensors")
    other = stylegan.load(tmp_path / "default.safetensors")
    assert not any(map(in_the_box, (tmp_path / "default.safetensors", other, "ffhq", "aimoji", "\0", 3, None)))
    assert choose_finish(None, G) == "drawn"
    assert choose_finish(None, other) == "network"


def test_targets_that_cannot_be_drawn_are_said() -> None:
    with pytest.raises(ValueError, match=r"5x5 pixels; drawn answers need a square of 8 to 64, .*finish='network'"):
        pulse.search("default", torch.rand(1, 3, 5, 5))
    with pytest.raises(ValueError, match="give a floating-point tensor"):
        pulse.search("default", "face.png")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="The resolution is 16 and the target has 24 pixels"):
        pulse.search("default", torch.rand(1, 3, 24, 24), resolution=16)


def test_a_drawn_answer_loads_no_network() -> None:
    script = (
        "import sys, numpy, pulse\n"
        "from pulse import fit_portrait\n"
        "fit_portrait._SCREENED, fit_portrait._STEPS = {'people': 2}, 0\n"
        "picture = numpy.full((8, 8, 3), 90, numpy.uint8)\n"
        "pulse.depixelize(picture, kind='people', resolution=16, starts=1, seed=0, notes=[])\n"
        "assert not [name for name in sys.modules if name.startswith('stylegan.networks')]\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
