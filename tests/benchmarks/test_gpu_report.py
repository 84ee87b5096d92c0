"""The report of a GPU, as far as it goes without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_report
from benchmarks.gpu.checks import run_checks
from benchmarks.gpu.times import kernel_table
from benchmarks.gpu.workbench import OPERATIONS, Workbench, agree, near

LOG = """\
[1/2] nvcc
ptxas info    : Compiling entry function 'fast' for 'sm_90'
ptxas info    : Function properties for fast
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 2048 bytes smem
ptxas info    : Compiling entry function 'slow' for 'sm_90'
ptxas info    : Function properties for slow
    8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 48 registers, used 0 barriers
"""

# Breaks its context at the second row, and hangs at its first try to make the last.
A_PHASE = """
import sys, time
from benchmarks.gpu.rows import emit, phase_arguments
_, done = phase_arguments("a phase")
print("words for nobody")
if not done:
    emit(name="good", ok=True, note="")
    emit(name="breaks the context", ok=False, note="illegal memory access")
    sys.exit(3)
if "in a new process" not in done:
    emit(name="in a new process", ok=True, note="")
    time.sleep(60)
emit(name="last", ok=True, note="")
"""


def _report(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu_report", "--out", str(out), *arguments]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_without_a_gpu_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    done = _report(tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.strip() == "There is no NVIDIA GPU that torch can use, so there is nothing to report."
    assert not (tmp_path / "out").exists()


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_phase.py").write_text(A_PHASE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    phase = gpu_report.Phase("checks", ("a_phase",), 60)
    report = gpu_report.Report(tmp_path, "cpu")
    gpu_report.run_phase(phase, report, "cpu", 3)
    first = report.phase("checks")
    assert first["state"].startswith("stopped after")
    assert [row["name"] for row in first["rows"]] == ["good", "breaks the context", "in a new process"]
    again = gpu_report.Report(tmp_path, "cpu")
    assert again.phase("checks") == first
    gpu_report.run_phase(phase, again, "cpu", 30)
    entry = again.phase("checks")
    assert entry["state"] == "done"
    assert [row["name"] for row in entry["rows"]][3:] == ["last"]
    text = (tmp_path / "report.md").read_text()
    assert "### breaks the context\n```\nillegal memory access\n```" in text
    assert "words for nobody" in entry["output"]


def test_another_source_begins_anew(tmp_path: Path) -> None:
    report = gpu_report.Report(tmp_path, "cpu")
    report.phase("checks")["state"] = "done"
    report.write()
    assert gpu_report.Report(tmp_path, "cpu").phase("checks")["state"] == "done"
    data = json.loads((tmp_path / "report.json").read_text()) | {"key": "another"}
    (tmp_path / "report.json").write_text(json.dumps(data))
    assert gpu_report.Report(tmp_path, "cpu").phase("checks")["state"] == "not run"


def test_a_failed_check_is_told_in_full_and_the_next_one_runs(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> str:
        raise ValueError("a wrong number")

    checks = iter([("first", fails), ("second", lambda: "fine"), ("third", fails)])
    assert run_checks(checks, "cpu", {"third"}) == 0
    first, second = (json.loads(line.split(" ", 1)[1]) for line in capsys.readouterr().out.splitlines())
    assert (first["ok"], second["ok"], second["note"]) == (False, True, "fine")
    assert "Traceback" in first["note"]
    assert first["note"].strip().endswith("ValueError: a wrong number")


@pytest.mark.parametrize("op", OPERATIONS)
def test_the_checks_find_a_wrong_gradient(op: str) -> None:
    case = (op, (1, 4, 8, 8), torch.float64, torch.contiguous_format)
    native, plain, inputs = Workbench("cpu").case(*case)
    agree(native, plain, inputs, second=True)
    with pytest.raises(AssertionError, match="is off by"):
        agree(lambda x, *rest: native(x * (1 + 1e-9), *rest), plain, inputs, second=True)
    with pytest.raises(AssertionError, match="is off by nan"):
        near("y", torch.tensor([torch.nan]), torch.ones(1), 1.0)


def test_kernels_are_listed_with_those_that_spill_first() -> None:
    assert kernel_table(LOG).splitlines() == [
        "  48 registers,   12 bytes spilled, used 0 barriers slow",
        "  40 registers,    0 bytes spilled, used 1 barriers, 2048 bytes smem fast",
    ]
