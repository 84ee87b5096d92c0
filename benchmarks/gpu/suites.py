"""The tests of the operations and compute-sanitizer, several at once: a part of `benchmarks.gpu_report`.

python -m benchmarks.gpu.suites tests|sanitizer
"""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from benchmarks.gpu.rows import emit, phase_arguments

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "cuda_ops"
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")


def groups() -> Iterator[tuple[str, list[str]]]:
    """Names and pytest arguments of each group: one for each function of the CUDA tests, and one for each other file.

    A test that breaks the GPU's context then fails no other.
    """
    tree = ast.parse((TESTS / "test_cuda.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, [f"{TESTS / 'test_cuda.py'}::{node.name}", "-k", "not emulated"]
    for path in sorted(TESTS.glob("test_*.py")):
        if path.name != "test_cuda.py":
            yield path.name, [str(path)]


def tests(done: set[str]) -> None:
    """pytest, a process for each group."""
    if importlib.util.find_spec("pytest") is None or importlib.util.find_spec("numpy") is None:
        emit(
            name="pytest",
            ok=False,
            note="pytest is not installed; the phase `checks` tests the goldens without it.",
        )
        return

    def run(name: str, arguments: list[str]) -> tuple[str, subprocess.CompletedProcess[str], float]:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", *arguments]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
        return name, result, time.perf_counter() - begun

    with ThreadPoolExecutor(max(2, min(8, (os.cpu_count() or 2) // 2))) as pool:
        running = [pool.submit(run, name, arguments) for name, arguments in groups() if name not in done]
        for each in as_completed(running):
            name, result, seconds = each.result()
            said = result.stdout + result.stderr
            counts = re.findall(r"^.*\d+ (?:passed|skipped|deselected).*$", said, re.MULTILINE)
            note = counts[-1] if counts and result.returncode == 0 else said[-12000:]
            # pytest exits with 5 if a group has no test for a GPU.
            emit(name=name, ok=result.returncode in (0, 5), note=note, seconds=round(seconds, 1))


def sanitizer(done: set[str]) -> None:
    """compute-sanitizer over small calls of every kernel."""
    if (found := shutil.which("compute-sanitizer")) is None:
        emit(name="compute-sanitizer", ok=False, note="compute-sanitizer is not installed.")
        return

    def run(tool: str) -> tuple[str, subprocess.CompletedProcess[str], float]:
        begun = time.perf_counter()
        command = [found, "--tool", tool, "--print-limit", "20", "--error-exitcode", "9"]
        # A separate allocation for every tensor, so that an access outside of it is found.
        environment = os.environ | {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
        result = subprocess.run(
            [*command, sys.executable, "-m", "benchmarks.gpu.only"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
        )
        return tool, result, time.perf_counter() - begun

    with ThreadPoolExecutor(len(TOOLS)) as pool:
        for each in as_completed([pool.submit(run, tool) for tool in TOOLS if tool not in done]):
            tool, result, seconds = each.result()
            said = result.stdout + result.stderr
            note = said.strip()[-300:] if result.returncode == 0 else said[:12000]
            emit(name=tool, ok=result.returncode == 0, note=note, seconds=round(seconds, 1))


def main() -> int:
    """Runs one of the two."""
    phase = {"tests": tests, "sanitizer": sanitizer}[sys.argv.pop(1)]
    phase(phase_arguments(__doc__)[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
