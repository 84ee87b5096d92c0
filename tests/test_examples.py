from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def test_there_are_examples():
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run_and_write_their_picture(path, tmp_path):
    command = [sys.executable, "-W", "error", str(path), str(tmp_path / "out"), "--steps", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parents[1], timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "of 255 grey levels" in done.stdout
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"{path.stem}.png"]
    with Image.open(tmp_path / "out" / f"{path.stem}.png") as picture:
        assert picture.height in (128, 2 * 128)
        assert picture.width in (3 * 128, 4 * 128)
