from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NOTEBOOK = Path(__file__).parents[1] / "examples" / "depixelize.ipynb"


def cells() -> list[dict]:
    return [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_was_executed_from_top_to_bottom():
    assert [cell["execution_count"] for cell in cells()] == list(range(1, len(cells()) + 1))
    outputs = [output for cell in cells() for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    assert NOTEBOOK.stat().st_size < 700_000


def test_the_notebook_runs(tmp_path):
    # Lines that begin with % are for IPython.
    lines = "\n".join("".join(cell["source"]) for cell in cells()).splitlines()
    script = tmp_path / "notebook.py"
    script.write_text("\n".join(line for line in lines if not line.strip().startswith("%")), encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=NOTEBOOK.parents[1], timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert "An enlarged sprite, read at 16x16" in done.stdout
