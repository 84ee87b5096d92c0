"""Damaged and composed files by the thousand; `python -m benchmarks.fuzz_checkpoints` does a hundred thousand."""

import os
import random
from pathlib import Path

import pytest

from benchmarks import structured_files, structured_fuzz
from benchmarks.fuzz_checkpoints import fuzz


def test_damaged_files_are_refused_in_one_sentence_or_load() -> None:
    count = int(os.environ.get("FUZZ_COUNT", "1500"))
    outcomes = fuzz(count, seed=10_000_000)
    assert sum(outcomes.values()) == count
    assert outcomes["refused"] > count / 2
    assert outcomes["loaded"] > 0


def test_composed_files_are_refused_in_one_sentence_or_can_be_called_and_take_little() -> None:
    count = int(os.environ.get("FUZZ_COUNT", "600"))
    outcomes, faults = structured_fuzz.fuzz(count, seed=20_000_000)
    assert faults == []
    assert sum(outcomes.values()) == count
    assert outcomes["refused"] > count / 2
    assert outcomes["loaded"] > 0


def test_an_input_depends_on_its_number_alone(tmp_path: Path) -> None:
    # Of the networks that both write, each storage lies at another address.
    first, second = (structured_fuzz.writers(tmp_path) for _ in range(2))
    for number in (3, 40, 500):
        structured_fuzz.content(number - 1, first)
        assert structured_fuzz.content(number, first) == structured_fuzz.content(number, second)


def test_unchanged_samples_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzzer's own writer writes good files, so that what is refused is refused for what was changed."""
    monkeypatch.setattr(structured_files, "changed", lambda tree, draw: lambda: None)
    for number, write in enumerate(structured_fuzz.writers(tmp_path)[:-1]):
        (tmp_path / "x").write_bytes(write(random.Random(3)))
        assert structured_fuzz.outcome(number, tmp_path / "x", "D" if number == 7 else "G_ema") == "loaded", number


def test_a_file_that_takes_too_long_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structured_fuzz, "SECONDS", 0.0)
    write = structured_fuzz.writers(tmp_path)[0]
    (tmp_path / "x").write_bytes(write(random.Random(3)))
    assert "Input 5 took" in structured_fuzz.outcome(5, tmp_path / "x", "G_ema")
