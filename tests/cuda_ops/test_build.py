"""Building: once for two processes, never behind a dead one, one warning for a failure, anew for a changed source."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import cuda_ops
from cuda_ops import build, reference, toolchain

TINY = 'extern "C" int answer() { return 42; }\n'
COMPILE = """
import sys
from pathlib import Path
from cuda_ops import build
print(build.compiled(Path(sys.argv[1]), "cpu", Path(sys.argv[2])))
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "tiny.cpp").write_text(TINY)
    return folder


def _compiler_that(tmp_path: Path, does: str) -> Path:
    """A stand-in for the compiler that runs a line of shell when it compiles, and then the compiler."""
    path = tmp_path / "compiler"
    real = toolchain.find_compiler()
    path.write_text(f'#!/bin/sh\ncase "$*" in *" -c "*) {does};; esac\nexec {real} "$@"\n')
    path.chmod(0o755)
    return path


def _start(sources: Path, cache: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMPILE, str(sources), str(cache)]
    return subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_two_processes_build_once(sources: Path, tmp_path: Path) -> None:
    count = tmp_path / "count"
    compiler = _compiler_that(tmp_path, f"echo built >> {count}; sleep 1")
    both = [_start(sources, tmp_path / "cache", CXX=str(compiler)) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert count.read_text() == "built\n"


def test_a_killed_builder_is_succeeded(sources: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    # The first to compile hangs; whoever comes after it does not.
    compiler = _compiler_that(tmp_path, f"if [ ! -e {started} ]; then touch {started}; sleep 60; fi")
    marker = f"marker-{tmp_path}"
    first = _start(sources, tmp_path / "cache", CXX=str(compiler), PULSE_TEST_MARKER=marker)
    deadline = time.monotonic() + 30
    while not started.exists():
        assert time.monotonic() < deadline, "the first builder never compiled"
        time.sleep(0.05)
    second = _start(sources, tmp_path / "cache", CXX=str(compiler))
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(timeout=4)  # it waits for the first
    first.kill()  # the builder alone: ninja hears of it, and ends its compilers
    output, errors = second.communicate(timeout=30)
    first.communicate()
    assert second.returncode == 0, errors
    assert Path(output.strip()).is_file()
    _ends(marker)


def _ends(marker: str) -> None:
    """Wait until no process has the marker in its environment."""

    def alive() -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if marker.encode() in path.read_bytes():
                    found.append(path.parent.name)
        return found

    deadline = time.monotonic() + 10
    while alive():
        assert time.monotonic() < deadline, f"processes {alive()} of the build run on"
        time.sleep(0.1)


INTERRUPTED = """
import sys
from pathlib import Path
import torch
from cuda_ops import build
try:
    build.load("cpu")
except KeyboardInterrupt:
    print("interrupted")
    print(build.load("cpu"))
    raise
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_interruption_ends_the_compilers_and_starts_nothing_again(tmp_path: Path) -> None:
    started, marker = tmp_path / "started", f"marker-{tmp_path}"
    compiler = _compiler_that(tmp_path, f"echo started >> {started}; sleep 60")
    environment = {"PULSE_CACHE": str(tmp_path / "cache"), "CXX": str(compiler), "PULSE_TEST_MARKER": marker}
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not started.exists():
        assert time.monotonic() < deadline, "nothing was compiled"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert output == "interrupted\nits build was interrupted\n"
    assert "Building the fused operations, once (about" in errors
    # One build starts as many compilers as it has jobs, and these sleep; a second build would start more.
    assert len(started.read_text().splitlines()) <= (os.cpu_count() or 1) + 2
    _ends(marker)


def test_a_full_cache_is_told_before_anything_is_compiled(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = tmp_path / "compiled"
    monkeypatch.setenv("CXX", str(_compiler_that(tmp_path, f"touch {compiled}")))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 3 << 20))
    with pytest.raises(build.BuildError, match=r"has 3 MB free and a build takes \d+; make room, or set PULSE_CACHE"):
        build.compiled(sources, "cpu", tmp_path / "cache")
    assert not compiled.exists()


def test_a_failure_that_the_cache_cannot_hold_is_remembered_elsewhere(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = tmp_path / "count"
    monkeypatch.setenv("CXX", str(_compiler_that(tmp_path, f"echo >> {count}; exit 1")))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    replaced = Path.write_text

    def write_text(path: Path, *arguments: object, **options: object) -> int:
        if path.name == "failed":
            raise OSError(28, "No space left on device")
        return replaced(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", write_text)
    for _ in range(2):
        with pytest.raises(build.BuildError, match="the build failed"):
            build.compiled(sources, "cpu", tmp_path / "cache")
    assert count.read_text() == "\n"


def test_a_forbidden_cache_is_told_as_permission(tmp_path: Path) -> None:
    said = build._sentence(PermissionError(13, "Permission denied"), tmp_path)
    assert said == (
        f"the cache folder {tmp_path} cannot be used, because you have no permission to use it; set PULSE_CACHE to a"
        " folder of your own."
    )


@pytest.mark.parametrize(
    ("output", "first"),
    [
        (
            "[1/2] g++ -isystem /a/error: -c x.cpp\nFAILED: [code=1] x.cpp.o \ng++ -isystem /a -c x.cpp\n"
            "x.cpp: In function f:\nx.cpp:3:1: error: no\nx.cpp:4:1: error: more\nninja: build stopped: cannot.\n",
            "x.cpp:3:1: error: no",
        ),
        (
            "[2/2] g++ -shared\nx.o: undefined reference to `f'\nninja: build stopped\n",
            "x.o: undefined reference to `f'",
        ),
        ("FAILED: x.o\n/bin/sh: 1: nvcc: not found\nninja: build stopped\n", "/bin/sh: 1: nvcc: not found"),
        ("", "no output"),
    ],
)
def test_the_first_error_is_the_compilers_own(output: str, first: str) -> None:
    assert toolchain.first_error(output) == first


def test_a_left_over_lock_file_blocks_nobody(sources: Path, tmp_path: Path) -> None:
    library = build.compiled(sources, "cpu", tmp_path / "cache")
    assert (library.parent / "lock").exists()
    library.unlink()
    assert build.compiled(sources, "cpu", tmp_path / "cache") == library
    assert sorted(p.name for p in library.parent.iterdir()) == ["build.log", "lock", "native.so"]


def test_a_changed_source_is_built_anew(sources: Path, tmp_path: Path) -> None:
    first = build.compiled(sources, "cpu", tmp_path / "cache")
    changed = first.stat().st_mtime_ns
    assert build.compiled(sources, "cpu", tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == changed
    (sources / "tiny.cpp").write_text(TINY.replace("42", "43"))
    assert build.compiled(sources, "cpu", tmp_path / "cache") != first


def test_a_failure_is_remembered_until_it_is_asked_for_again(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    compiler = _compiler_that(tmp_path, f"if [ -e {broken} ]; then echo 'x.cpp:1: error: no luck'; exit 1; fi")
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(build.BuildError, match=r"x\.cpp:1: error: no luck.* log is .*build\.log") as first:
        build.compiled(sources, "cpu", tmp_path / "cache")
    broken.unlink()
    with pytest.raises(build.BuildError) as again:
        build.compiled(sources, "cpu", tmp_path / "cache")
    assert str(again.value) == str(first.value)
    assert build.compiled(sources, "cpu", tmp_path / "cache", retry=True).is_file()
    assert build.compiled(sources, "cpu", tmp_path / "cache").is_file()


USE = """
import torch, cuda_ops
x = torch.linspace(-1, 1, 8).reshape(2, 4)
for _ in range(2):
    print(cuda_ops.bias_act(x, act="lrelu").tolist())
"""


def _use(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PULSE_CACHE": str(tmp_path / "cache"), "CXX": "/nowhere/c++"} | environment
    return subprocess.run([sys.executable, "-c", USE], env=environment, capture_output=True, text=True, timeout=60)


def test_without_a_compiler_there_is_one_warning_and_the_reference(tmp_path: Path) -> None:
    used = _use(tmp_path, PULSE_OPS="auto")
    assert used.returncode == 0, used.stderr
    assert used.stderr.count("RuntimeWarning") == 1
    assert "there is no C++ compiler (/nowhere/c++ not found)" in used.stderr
    x = torch.linspace(-1, 1, 8).reshape(2, 4)
    assert used.stdout == f"{reference.bias_act(x, act='lrelu').tolist()}\n" * 2


def test_native_raises_one_sentence(tmp_path: Path) -> None:
    used = _use(tmp_path, PULSE_OPS="native")
    assert used.returncode == 1
    last = used.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "cuda_ops.toolchain.BuildError: PULSE_OPS=native asks for a native form, but there is no C++"
    )
    assert "Warning" not in used.stderr


def test_reference_builds_nothing(tmp_path: Path) -> None:
    used = _use(tmp_path, PULSE_OPS="reference")
    assert used.returncode == 0
    assert used.stderr == ""
    assert not (tmp_path / "cache").exists()


def test_the_command_says_why_not_and_how_to_mend_it(tmp_path: Path) -> None:
    environment = os.environ | {"PULSE_CACHE": str(tmp_path), "CXX": "/nowhere/c++", "PULSE_OPS": "reference"}
    command = [sys.executable, "-m", "cuda_ops"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "there is no C++ compiler" in done.stdout
    assert "install g++" in done.stdout


def test_an_unknown_mode_and_a_type_without_native_form_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_OPS", "fast")
    with pytest.raises(ValueError, match="PULSE_OPS is 'fast'; set it to one of auto, native, reference"):
        cuda_ops.bias_act(torch.zeros(2))
    monkeypatch.setenv("PULSE_OPS", "native")
    with pytest.raises(build.BuildError, match=r"there is none for torch\.float16 on cpu"):
        cuda_ops.bias_act(torch.zeros(2, dtype=torch.float16))


def test_importing_builds_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"PULSE_CACHE": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", "import cuda_ops"], env=environment, check=True, timeout=60)
    assert not (tmp_path / "cache").exists()
