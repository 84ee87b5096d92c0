"""`python -m benchmarks`: each benchmark has its own process and heading, and a failure stops none of the others."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, OUT, Benchmark, main, run_all

ROOT = Path(__file__).parents[2]
_GOOD = "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2]); print('measured in', os.getpid())"
_BAD = "import sys; print('broken'); sys.exit(3)"


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Benchmark, ...]:
    (tmp_path / "good_benchmark.py").write_text(_GOOD)
    (tmp_path / "bad_benchmark.py").write_text(_BAD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return (
        Benchmark("bad_benchmark"),
        Benchmark("good_benchmark", (f"{OUT}/result.txt", "a table")),
        Benchmark("bad_benchmark", ("--large",), needs_gpu=True),
    )


def test_a_failure_stops_no_other_benchmark(
    fakes: tuple[Benchmark, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_all(fakes, tmp_path, has_gpu=False) == ["python -m bad_benchmark: exit code 3"]
    assert (tmp_path / "result.txt").read_text() == "a table"
    told = capfd.readouterr().out
    headings = [line for line in told.splitlines() if line.startswith("## ")]
    assert headings == [
        "## python -m bad_benchmark",
        f"## python -m good_benchmark {OUT}/result.txt a table",
        "## python -m bad_benchmark --large",
    ]
    # What a benchmark prints stands below its own heading.
    assert told.index(headings[0]) < told.index("broken") < told.index(headings[1]) < told.index("measured in")
    assert "Not run, because torch finds no NVIDIA GPU." in told.split(headings[2])[1]


def test_with_a_gpu_nothing_is_left_out(fakes: tuple[Benchmark, ...], tmp_path: Path) -> None:
    failures = run_all(fakes, tmp_path, has_gpu=True)
    assert failures == ["python -m bad_benchmark: exit code 3", "python -m bad_benchmark --large: exit code 3"]


def test_the_exit_code_says_whether_all_succeeded(
    fakes: tuple[Benchmark, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    assert main(fakes[1:2]) == 0
    assert main(fakes[:2]) == 1
    told = capfd.readouterr().err
    assert "1 of 2 failed:" in told
    assert "python -m bad_benchmark: exit code 3" in told


@pytest.mark.parametrize("module", sorted({benchmark.module for benchmark in BENCHMARKS}))
def test_every_benchmark_exists(module: str) -> None:
    assert importlib.util.find_spec(module) is not None


def test_the_runner_takes_no_arguments() -> None:
    result = subprocess.run([sys.executable, "-m", "benchmarks", "--fast"], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 2
    assert "unrecognized arguments: --fast" in result.stderr
    assert "Traceback" not in result.stderr
