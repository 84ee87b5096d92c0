"""One report of all that a machine with an NVIDIA GPU can tell of this project, in under nine minutes.

    python -m benchmarks.gpu_report --out FOLDER

It builds the operations, runs their tests, checks and goldens, compute-sanitizer, and the benchmarks, each in processes
of its own with a limit of time. FOLDER/report.md and FOLDER/report.json are written anew after every phase, and hold
every error in full. Called again, it goes on where it was interrupted; another source, torch or GPU begins anew. It
needs no internet. Without a GPU it says so and exits with 2; with 1 if anything failed.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import describe
from benchmarks.gpu.rows import MARK
from stylegan.common.files import whole_file

ROOT = Path(__file__).parents[1]
BROKEN = 3  # the exit code of a phase that must go on in a new process


@dataclass(frozen=True)
class Phase:
    """A module that prints rows, and the seconds that it may take; one that measures times runs alone."""

    name: str
    command: tuple[str, ...]
    limit: float
    alone: bool = True


# What finds faults comes before what measures.
PHASES = (
    Phase("environment", ("benchmarks.gpu.times", "environment"), 40),
    Phase("build", ("benchmarks.gpu.times", "build"), 200),
    Phase("checks", ("benchmarks.gpu.checks",), 110, alone=False),
    Phase("tests", ("benchmarks.gpu.suites", "tests"), 100, alone=False),
    Phase("sanitizer", ("benchmarks.gpu.suites", "sanitizer"), 100, alone=False),
    Phase("generators", ("benchmarks.gpu.times", "generators"), 70),
    Phase("operations", ("benchmarks.gpu.times", "operations"), 90),
    Phase("search", ("benchmarks.gpu.times", "search"), 60),
)


def key(device: str) -> str:
    """A name for all that the report depends on."""
    digest = hashlib.sha256(f"{torch.__version__} {describe()} {device}".encode())
    for package in ("cuda_ops", "stylegan", "pulse", "benchmarks", "tests/cuda_ops"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in (".py", ".cpp", ".cu", ".h"):
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Report:
    """The phases' rows, in two files that are always whole."""

    def __init__(self, folder: Path, device: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.lock = threading.Lock()
        self.data: dict[str, Any] = {"key": key(device), "environment": describe(), "phases": {}}
        with contextlib.suppress(OSError, ValueError):
            earlier = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            if earlier["key"] == self.data["key"]:
                self.data = earlier

    def phase(self, name: str) -> dict[str, Any]:
        """What is known of a phase."""
        begin = {"state": "not run", "seconds": 0.0, "rows": [], "output": ""}
        phase: dict[str, Any] = self.data["phases"].setdefault(name, begin)
        return phase

    def write(self) -> None:
        """Both files."""
        with self.lock:
            self._write()

    def _write(self) -> None:
        for name, text in (("report.json", json.dumps(self.data, indent=1)), ("report.md", markdown(self.data))):
            with whole_file(self.folder / name) as path:
                path.write_text(text, encoding="utf-8")


def run_phase(phase: Phase, report: Report, device: str, seconds: float) -> None:
    """Run a phase in a process of its own, and go on in a new one after a check that broke the GPU's context."""
    entry = report.phase(phase.name)
    begun = time.monotonic()
    deadline = begun + min(phase.limit, seconds)
    spent = entry["seconds"]
    entry["state"] = "interrupted"
    while True:
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as done:
            json.dump([row["name"] for row in entry["rows"]], done)
            done.flush()
            code = _run(phase, report, entry, [*phase.command, "--device", device, "--done", done.name], deadline)
        entry["seconds"] = round(spent + time.monotonic() - begun, 1)
        if code is None:
            entry["state"] = f"stopped after {entry['seconds']:.0f} s, its limit"
        elif code == BROKEN:
            report.write()
            continue
        else:
            entry["state"] = "done" if code == 0 else f"ended with {code}"
        report.write()
        return


def _run(phase: Phase, report: Report, entry: dict[str, Any], command: list[str], deadline: float) -> int | None:
    """The exit code of one process, None where the deadline ended it; its rows and its output go into `entry`."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "4"}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(max(deadline - time.monotonic(), 0.1), stop)
    timer.start()
    written = time.monotonic()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(MARK):
                row = json.loads(line.removeprefix(MARK))
                entry["rows"].append(row)
                if not row.get("ok"):
                    print(f"  failed: {row['name']}: {str(row.get('note')).strip().splitlines()[-1][:200]}", flush=True)
            else:
                entry["output"] = (entry["output"] + line)[-30000:]
            if time.monotonic() - written > 10:
                report.write()
                written = time.monotonic()
        code = process.wait()
    finally:
        timer.cancel()
        _kill(process)
    return None if late.is_set() else code


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def markdown(data: dict[str, Any]) -> str:
    """The report to read: a table of the phases, all failures in full, then what was measured."""
    lines = ["# Report of a GPU", "", data["environment"], "", "| phase | state | seconds | passed | failed |"]
    lines.append("|---|---|---|---|---|")
    for name, phase in data["phases"].items():
        good = sum(bool(row.get("ok")) for row in phase["rows"])
        bad = len(phase["rows"]) - good
        lines.append(f"| {name} | {phase['state']} | {phase['seconds']:.0f} | {good} | {bad} |")
    for name, phase in data["phases"].items():
        failed = [row for row in phase["rows"] if not row.get("ok")]
        if failed:
            lines += ["", f"## Failed in {name}"]
        for row in failed:
            lines += ["", f"### {row['name']}", "```", str(row.get("note", "")).strip(), "```"]
        if phase["state"] not in ("done", "not run") and phase["output"].strip():
            lines += ["", f"## Last words of {name}", "```", phase["output"].strip()[-8000:], "```"]
    for name, phase in data["phases"].items():
        if name in ("checks", "tests") or not phase["rows"]:
            continue
        lines += ["", f"## {name}", ""]
        for row in phase["rows"]:
            lines += _measured(row)
    return "\n".join(lines) + "\n"


def _measured(row: dict[str, Any]) -> list[str]:
    note = str(row.get("note", "")).strip()
    seconds = f" ({row['seconds']} s)" if "seconds" in row else ""
    if not row.get("ok"):
        return [f"- {row['name']}{seconds}: failed, see above"]
    lines = (
        [f"- {row['name']}{seconds}: {note}"]
        if "\n" not in note
        else [f"- {row['name']}{seconds}:", "```", note, "```"]
    )
    if "kernels" in row:
        lines += ["```", row["kernels"], "```"]
    if row.get("rows"):
        lines += ["", "| shape | native ms | reference ms | ratio | GB/s | of copy | wall ms, native | reference |"]
        lines.append("|---|---|---|---|---|---|---|---|")
        for r in row["rows"]:
            share = "" if r["of_copy"] is None else f"{100 * r['of_copy']:.0f} %"
            rate = "" if r["gb_per_s"] is None else f"{r['gb_per_s']:.0f}"
            wall = [f"{r[k]:.3f}" if r.get(k) else "" for k in ("native_wall_ms", "reference_wall_ms")]
            lines.append(
                f"| {r['what']} | {r['native_ms']:.3f} | {r['reference_ms']:.3f} | {r['ratio']:.2f} | {rate} | {share}"
                f" | {wall[0]} | {wall[1]} |"
            )
        lines.append("")
    return lines


def main() -> int:
    """Run what is missing; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the report's folder")
    parser.add_argument("--minutes", type=float, default=8.8, help="for all of it (default 8.8)")
    parser.add_argument("--only", nargs="*", choices=[p.name for p in PHASES], help="these phases alone")
    # For trying the phases themselves where there is no GPU.
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("There is no NVIDIA GPU that torch can use, so there is nothing to report.", file=sys.stderr)
        return 2
    deadline = time.monotonic() + 60 * arguments.minutes
    report = Report(arguments.out, arguments.device)
    report.write()
    wanted = [p for p in PHASES if not arguments.only or p.name in arguments.only]
    for phase in wanted:
        report.phase(phase.name)
    for _, group in itertools.groupby(wanted, key=lambda p: p.name if p.alone else ""):
        phases = [p for p in group if report.phase(p.name)["state"] != "done"]
        with ThreadPoolExecutor(len(PHASES)) as pool:
            list(pool.map(lambda p: _tell(p, report, arguments.device, deadline - time.monotonic()), phases))
        if _build_failed(report):
            print("The operations could not be built, so nothing else was tried.", flush=True)
            break
    print(f"The report is {arguments.out / 'report.md'}.")
    entries = [report.phase(p.name) for p in wanted]
    return int(any(e["state"] != "done" or not all(row.get("ok") for row in e["rows"]) for e in entries))


def _tell(phase: Phase, report: Report, device: str, left: float) -> None:
    """Run a phase in what time is left, and say how it went."""
    if left < 5:
        print(f"{phase.name}: no time is left; call again to go on", flush=True)
        return
    print(f"{phase.name}, up to {min(left, phase.limit):.0f} s", flush=True)
    run_phase(phase, report, device, left)
    entry = report.phase(phase.name)
    failed = sum(not row.get("ok") for row in entry["rows"])
    print(f"{phase.name}: {entry['state']}, {entry['seconds']:.0f} s, {failed} failed", flush=True)


def _build_failed(report: Report) -> bool:
    rows = report.phase("build")["rows"]
    return any(row["name"] == "load" and not row["ok"] for row in rows)


if __name__ == "__main__":
    sys.exit(main())
