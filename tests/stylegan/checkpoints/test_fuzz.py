"""Damaged files by the thousand; `python -m benchmarks.fuzz_checkpoints` does a hundred thousand."""

import os

from benchmarks.fuzz_checkpoints import fuzz


def test_damaged_files_are_refused_in_one_sentence_or_load() -> None:
    count = int(os.environ.get("FUZZ_COUNT", "1500"))
    outcomes = fuzz(count, seed=10_000_000)
    assert sum(outcomes.values()) == count
    assert outcomes["refused"] > count / 2
    assert outcomes["loaded"] > 0
