"""The measurement of how steady films are."""

import itertools
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks import coherence


def test_animations_change_where_they_say() -> None:
    still, _, closed, *_ = coherence.blinking()
    where = (closed - still).abs().sum(0) > 0
    assert where.any()
    assert not where[:8].any()
    assert not where[10:].any()
    still, lower, *_ = coherence.moving()
    assert torch.equal(lower[:, 1:], still[:, :-1])
    frames = coherence.cycling()
    for before, after in itertools.pairwise(frames):
        assert torch.equal(before[:, 7:], after[:, 7:])
        assert float((before[:, :7] - after[:, :7]).abs().mean()) > 0.01


def test_it_prints_a_row_and_draws_both_films(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "films.png"
    coherence.main(["--only", "cycling", "--finish", "network", "--steps", "2", "-o", str(out)])
    name, change, apart, ratio, *rest = capsys.readouterr().out.splitlines()[-1].split()
    assert name == "cycling"
    assert len(rest) == 4
    assert float(ratio) == pytest.approx(float(apart) / float(change), rel=0.01, abs=0.06)
    # A follower that takes a fifth of the steps stays nearer.
    assert float(change) < float(apart)
    with Image.open(out) as picture:
        assert picture.width == 4 * 128
        assert picture.height == 3 * 128
