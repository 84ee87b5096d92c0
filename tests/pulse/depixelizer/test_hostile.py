"""Malformed and huge inputs end in one sentence each, in little time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pulse.depixelizer.hostile import NO_ANIMATION, READ, REFUSED, write

# Reads each file in every way, in a process of its own, because a decoder may crash.
_PROGRAM = """
import json, resource, sys, time
from pulse.depixelizer import cut_sheet, find_head
from pulse.pictures import read_target
from pulse.pictures.frames import open_frames

ways = {
    "picture": lambda path: read_target(path, 128),
    "frames": open_frames,
    "sheet": cut_sheet,
    "head": find_head,
}
def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
first = memory()
for path in sys.argv[1:]:
    told = {}
    for way, read in ways.items():
        started = time.process_time()
        try:
            read(path)
            words = None
        except ValueError as error:
            words = str(error)
        told[way] = (words, time.process_time() - started)
    print(json.dumps([path, told, memory() - first]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], int]]:
    """Of each file what became of it in each way, and by how many megabytes memory has grown since the start."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = write(folder)
    paths["folder"] = folder
    paths["missing"] = folder / "missing.png"
    if hasattr(os, "mkfifo"):
        paths["pipe"] = folder / "pipe.png"
        os.mkfifo(paths["pipe"])
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, paths.values())],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[3],
    )
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    found = {path: (told, grown) for path, told, grown in lines}
    return {name: found[str(path)] for name, path in paths.items()}


def _check(words: str | None, name: str) -> None:
    assert words is not None, "it was read"
    assert name in words
    assert words.endswith(".")
    assert "\n" not in words
    assert len(words) < 400


def test_there_are_fifty_of_them() -> None:
    assert len(REFUSED) + len(NO_ANIMATION) >= 50


@pytest.mark.parametrize("name", [*REFUSED, "folder", "missing", "pipe"])
def test_what_is_no_picture_is_refused_in_one_sentence(outcomes: Any, name: str) -> None:
    if name not in outcomes:
        pytest.skip("This system has no named pipes.")
    told, _ = outcomes[name]
    for way, (words, seconds) in told.items():
        if (name, way) == ("png_transparent", "frames"):
            # A frame may be blank; all frames may not, which `depixelize_frames` tells.
            continue
        _check(words, "hostile" if name == "folder" else name)
        assert seconds < 5


@pytest.mark.parametrize("name", NO_ANIMATION)
def test_endless_animations_are_refused_in_one_sentence(outcomes: Any, name: str) -> None:
    told, _ = outcomes[name]
    words, seconds = told["frames"]
    _check(words, name)
    assert seconds < 15


@pytest.mark.parametrize("name", READ)
def test_odd_pictures_are_read(outcomes: Any, name: str) -> None:
    told, _ = outcomes[name]
    assert {way: words for way, (words, _) in told.items()} == dict.fromkeys(told)


def test_memory_stays_bounded(outcomes: Any) -> None:
    assert max(grown for _, grown in outcomes.values()) < 1000
