"""How a phase of `benchmarks.gpu_report` reports: lines of JSON that begin with a mark, among other output."""

import argparse
import json
from pathlib import Path
from typing import Any

MARK = "@@row "


def emit(**row: Any) -> None:
    """Prints a row."""
    print(MARK + json.dumps(row), flush=True)


def phase_arguments(description: str | None) -> tuple[str, set[str]]:
    """The device, and the names of the rows that an earlier run has finished."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--done", type=Path, help="a JSON list of rows that are finished")
    arguments = parser.parse_args()
    done = json.loads(arguments.done.read_text(encoding="utf-8")) if arguments.done else []
    return arguments.device, set(done)
