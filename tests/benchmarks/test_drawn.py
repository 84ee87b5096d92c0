"""The measurements of drawn answers, without a fit."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import avg_pool2d

from benchmarks.drawn import __main__ as command
from benchmarks.drawn import measures, parts
from pulse.app import sprites
from stylegan import portraits


def test_twice_the_contrast_is_six_decibels_and_a_blur_takes_fine_detail() -> None:
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    doubled = measures.sharpness(2 * pictures, pictures)
    assert all(x == pytest.approx(20 * math.log10(2), abs=1e-3) for x in doubled.values())
    blurred = measures.sharpness(avg_pool2d(pictures, 3, 1, 1, count_include_pad=False), pictures)
    assert blurred["0.5 to 1, dB"] < -6 < blurred["0.125 to 0.25, dB"] < 0


def test_a_slow_ramp_has_no_power_above_an_eighth() -> None:
    ramp = torch.linspace(0, 1, 128).expand(1, 3, 128, 128)
    noise = 1e-2 * torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    # Without a window the jump from one border to the other would be heard in all octaves.
    assert measures.sharpness(ramp + noise, noise)["above 1/8, dB"] == pytest.approx(0, abs=0.5)


def test_the_truth_is_recovered_by_itself_and_not_by_others() -> None:
    u = portraits.sample(6, torch.Generator().manual_seed(2))
    u[:, portraits.COORDINATES.index("glasses")] = torch.tensor([0.9, 0.9, 0.9, 0.1, 0.1, 0.1])
    true = portraits.truth(u, 128)
    itself = measures.recovered(true, true)
    assert itself.pop("landmarks") == 0
    assert set(itself.values()) == {1.0}
    others = measures.recovered(true, true[3:] + true[:3])
    assert others["landmarks"] > 1
    assert others["glasses"] == 0


def test_the_choices_of_characters_are_counted() -> None:
    u = portraits.sample(4, torch.Generator().manual_seed(3), "characters")
    u[:, 64] = 0.9
    row = portraits.TABLE[portraits.EXTRAS.index("headgear")]
    u[:, 64 + portraits.EXTRAS.index("headgear")] = torch.tensor(
        [row.value(x) for x in ("crown", "hood", "cap", "none")]
    )
    true = portraits.truth(u, 128)
    assert measures.chosen(true, true[:1] * 4)["headgear"] == 0.25


def test_misses_are_counted_by_what_characters_have() -> None:
    u = portraits.sample(4, torch.Generator().manual_seed(3), "characters")
    for name, values in (("headgear", ("crown", "hood", "crown", "hood")), ("eyewear", ("none",) * 4)):
        at = portraits.EXTRAS.index(name)
        u[:, 64 + at] = torch.tensor([portraits.TABLE[at].value(x) for x in values])
    # The last one is a person, who wears no hood.
    u[:, 64] = torch.tensor([0.9, 0.9, 0.9, 0.1])
    rows = measures.by_part(portraits.truth(u, 128), torch.tensor([1e-3, 9e-3, 3e-3, 1.0]), 2e-3)
    assert [rows[0]["within eps"], rows[-1]["within eps"]] == sorted(row["within eps"] for row in rows)[
        :: len(rows) - 1
    ]
    of = {str(row["of"]): row for row in rows}
    assert of["1 headgear: hood"]["within eps"] == 0
    assert of["2 headgear: crown"]["within eps"] == 0.5
    assert not any("eyewear" in name for name in of)


def test_characters_are_counted_apart_from_people() -> None:
    u = portraits.sample(3, torch.Generator().manual_seed(3), "characters")
    u[:, 64] = torch.tensor([0.9, 0.1, 0.9])
    assert parts._halves(portraits.truth(u, 128)) == [
        ("all", [0, 1, 2]),
        ("people among them", [1]),
        ("the others", [0, 2]),
    ]
    assert [name for name, _ in parts._halves(portraits.truth(u[1:2], 128))] == ["all", "people among them"]


def test_distances_are_those_within_eps() -> None:
    row = measures.distances(torch.tensor([1e-3, 2e-3, 3e-3]), 2e-3)
    assert row["median L2"] == pytest.approx(2e-3)
    assert row["within eps"] == pytest.approx(2 / 3)


def test_the_command_prints_the_parts_that_are_asked_for(monkeypatch, capsys, tmp_path) -> None:
    rows = [{"size": 8, "median L2": 1e-3, "within eps": 1.0}]
    monkeypatch.setitem(parts.OF_EITHER, "sizes", lambda count, kinds: rows * count * len(kinds))
    file = tmp_path / "table.json"
    monkeypatch.setattr(
        "sys.argv", ["drawn", "--count", "2", "--kinds", "people", "--only", "sizes", "--json", str(file)]
    )
    command.main()
    assert "1.00e-03   100%" in capsys.readouterr().out
    assert json.loads(file.read_text())["tables"] == {"sizes": rows * 2}


def test_sprites_with_a_human_face_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(targets: torch.Tensor, **options: object) -> SimpleNamespace:
        # Only of humans dlib finds a face.
        human = torch.tensor([name in parts.HUMAN for name in sprites.names()[: len(targets)]])
        return SimpleNamespace(l2=torch.full((len(targets),), 0.01), images=human)

    monkeypatch.setattr(parts.pulse, "draw", draw)
    monkeypatch.setattr(parts.pulse, "search", lambda generator, targets, **options: draw(targets))
    monkeypatch.setattr(measures, "faces", lambda images: {"faces": float(images.float().mean())})
    assert set(parts.HUMAN) < set(sprites.names())
    rows = parts.game(100)
    assert [row["faces of 12 human"] for row in rows] == [1.0, 1.0, 1.0]
    assert rows[0]["faces"] == pytest.approx(12 / 27)
    # Without a human among them there is no such column.
    monkeypatch.setattr(parts, "HUMAN", ())
    assert not any("human" in name for name in parts.game(3)[0])
