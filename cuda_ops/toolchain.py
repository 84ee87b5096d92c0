"""Compiling the native operations: the compilers, their flags, ninja, and what they say when they fail.

A folder of sources is compiled in the pieces that build quickest. The .cpp files at its top include PyTorch's headers,
which take seconds to read, so one compilation reads them for all. The files in `kernels/` do without those headers:
they are compiled one by one with all optimisations, and so are .cu files.
"""

import contextlib
import ctypes
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch

NAME = "native.so"
# ptxas tells each kernel's registers and spills, which the log keeps.
_NVCC_FLAGS = "-O3 -std=c++17 -Xcompiler -fPIC -Xptxas -v"
# Seconds of one core that a build takes, for the message that announces it.
_SECONDS = {"cpu": 50, "cuda": 90}


class BuildError(RuntimeError):
    """There is no native library; the message is one sentence that says why and where the log is."""


def build(sources: Path, part: str, folder: Path, log: Path, compiler: str, nvcc: str | None, flags: list[str]) -> Path:
    """Compile and link with ninja in `folder`; returns the library there, and leaves all output in `log`.

    An interruption ends the compilers before it goes on to the caller; so does the end of this process, on Linux.

    Args:
        sources: folder of .cpp files, of .cu files for "cuda", and of `kernels/*.cpp`.
        part: "cpu" or "cuda".
        folder: where to work; emptied by nobody.
        log: file for the compilers' output.
        compiler: path of the C++ compiler.
        nvcc: path of CUDA's compiler, or None.
        flags: of the C++ compiler, as `compile_flags` gives them.

    Raises:
        BuildError: with the first error of the compiler and the path of the log.
    """
    (folder / "operations.cpp").write_text(
        "".join(f'#include "{path}"\n' for path in sorted(sources.glob("*.cpp"))), encoding="utf-8"
    )
    (folder / "build.ninja").write_text(_rules(sources, folder, compiler, nvcc, flags), encoding="utf-8")
    code, output = _run_ninja(folder, part)
    log.write_text(output, encoding="utf-8")
    if code != 0:
        raise BuildError(f"the build failed with `{first_error(output)}`, and its log is {log}.")
    return folder / NAME


def _rules(sources: Path, folder: Path, compiler: str, nvcc: str | None, flags: list[str]) -> str:
    headers = Path(torch.__file__).parent / "include"
    include = [f"-isystem {_quoted(p)}" for p in (headers, headers / "torch" / "csrc" / "api" / "include")]
    torch_lib = headers.parent / "lib"
    link = [f"-L{_quoted(torch_lib)}", f"-Wl,-rpath,{_quoted(torch_lib)}", "-ltorch", "-ltorch_cpu", "-lc10"]
    if nvcc:
        include.append(f"-isystem {_quoted(_toolkit(nvcc) / 'include')}")
        link += ["-ltorch_cuda", "-lc10_cuda", _quoted(cuda_runtime(nvcc))]
    command = f"{_quoted(compiler)} {' '.join(flags)} {' '.join(include)}"
    rules = [
        f"rule kernel\n  command = {command} -c $in -o $out\n",
        f"rule link\n  command = {_quoted(compiler)} -shared -fopenmp $in {' '.join(link)} -o $out\n",
    ]
    pieces = [("kernel", folder / "operations.cpp")]
    pieces += [("kernel", path) for path in sorted(sources.glob("kernels/*.cpp"))]
    if nvcc:
        major, minor = torch.cuda.get_device_capability()
        arch = f"-gencode=arch=compute_{major}{minor},code=sm_{major}{minor}"
        rules.append(f"rule nvcc\n  command = {_quoted(nvcc)} {_NVCC_FLAGS} {arch} -c $in -o $out\n")
        pieces += [("nvcc", path) for path in sorted(sources.glob("*.cu"))]
    objects = [f"{rule}-{path.name}.o" for rule, path in pieces]
    rules += [f"build {made}: {rule} {_escaped(path)}\n" for made, (rule, path) in zip(objects, pieces, strict=True)]
    rules.append(f"build {NAME}: link {' '.join(objects)}\n")
    return "".join(rules)


def _run_ninja(folder: Path, part: str) -> tuple[int, str]:
    """The exit code and the output; all files are tried, also after a failure, so that the log holds every error."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    process = subprocess.Popen(
        [find_ninja(), "-v", "-k", "0"],
        cwd=folder,
        env=os.environ | {"NINJA_STATUS": "[%f/%t] "},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C reaches this process alone, which then ends ninja; and ninja hears when this process is killed (1 is
        # PR_SET_PDEATHSIG). A ninja that is terminated ends its compilers.
        start_new_session=True,
        preexec_fn=(lambda: prctl(1, signal.SIGTERM)) if prctl else None,
    )
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        lines.extend(iter(process.stdout.readline, ""))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        _wait(process, part, lines)
    except BaseException:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        raise
    reader.join()
    return process.returncode, "".join(lines)


def _wait(process: subprocess.Popen[str], part: str, lines: list[str]) -> None:
    """Wait, with one line on stderr, which on a terminal tells how far it is."""
    seconds = _SECONDS[part] / max(1, min(os.cpu_count() or 1, 4))
    what = "Building the fused operations" + (" for the GPU" if part == "cuda" else "") + ", once"
    if not sys.stderr.isatty():
        print(f"{what} (about {seconds:.0f} s) ...", file=sys.stderr, flush=True)
        process.wait()
        return
    begun = time.monotonic()
    try:
        while process.poll() is None:
            counts = [m[0] for line in lines if (m := re.match(r"\[\d+/\d+\]", line))]
            spent = time.monotonic() - begun
            far = f"{counts[-1] if counts else ''} {spent:.0f} of about {seconds:.0f} s"
            print(f"\r{what} {far} ", end="", file=sys.stderr, flush=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.25)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def first_error(output: str) -> str:
    """The line of a build's output that says most: the compiler's own first error, else the linker's, else the last."""
    lines = [line.strip() for line in output.splitlines()]
    # ninja repeats the commands, which may hold any word, and sums up what the compilers said before.
    lines = [line for line in lines if line and not re.match(r"ninja:|FAILED:|\[\d+/\d+\]|.* -isystem ", line)]
    for pattern in (
        r"\berror:",
        r"undefined reference|ld: |collect2",
        r"not found|No such file|cannot|No space|Killed",
    ):
        for line in lines:
            if re.search(pattern, line):
                return line[:300]
    return lines[-1][:300] if lines else "no output"


def compile_flags(part: str, march: str = "native") -> list[str]:
    """The C++ compiler's flags; `march` is the processor, "native" for this very machine."""
    flags = ["-std=c++17", "-O3", "-fPIC", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"]
    flags.append(f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}")
    if part == "cpu" and platform.machine() in ("x86_64", "AMD64"):
        flags.append(f"-march={march}")
    return flags


def find_compiler() -> str:
    """The C++ compiler: CXX, or the first of the usual ones; BuildError if there is none."""
    if sys.platform == "win32":
        raise BuildError("the native operations have no build for Windows yet.")
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for name in names:
        if path := shutil.which(name):
            return path
    raise BuildError(f"there is no C++ compiler ({', '.join(names)} not found).")


def compiler_name() -> str:
    """The C++ compiler's path, or why there is none."""
    try:
        return find_compiler()
    except BuildError as error:
        return str(error).rstrip(".")


def find_nvcc() -> str:
    """CUDA's compiler; BuildError if there is none."""
    from torch.utils.cpp_extension import CUDA_HOME

    found = shutil.which("nvcc") or (shutil.which(str(Path(CUDA_HOME) / "bin" / "nvcc")) if CUDA_HOME else None)
    if found is None:
        raise BuildError("there is no nvcc to compile the kernels with.")
    return found


def find_ninja() -> str:
    """ninja; BuildError if there is none."""
    # The one in the folder of this Python first: the package `ninja` puts it there, whether or not it is on the path.
    here = Path(sys.executable).parent
    found = shutil.which("ninja", path=str(here)) or shutil.which("ninja")
    if found is None:
        raise BuildError("there is no ninja; `pip install ninja` brings it.")
    return found


def _toolkit(nvcc: str) -> Path:
    """The folder of nvcc's toolkit, by its own account: the nvcc on the path may be a script that calls another."""
    said = subprocess.run([nvcc, "--dryrun", "-c", "any.cu"], capture_output=True, text=True, errors="replace").stderr
    match = re.search(r"^#\$ TOP=(.+)$", said, re.MULTILINE)
    return Path(match[1].strip()) if match else Path(os.path.realpath(nvcc)).parent.parent


def cuda_runtime(nvcc: str) -> Path:
    """The library libcudart.so: the toolkit's, or the one that torch brought."""
    toolkit, site = _toolkit(nvcc), Path(torch.__file__).parent.parent
    places = [toolkit / "lib64", toolkit / "lib", *toolkit.glob("targets/*/lib"), *site.glob("nvidia/*/lib")]
    for name in ("libcudart.so", "libcudart.so.*"):
        for place in places:
            if found := sorted(place.glob(name)):
                return found[0]
    raise BuildError(f"there is no libcudart.so beside {nvcc} or torch to link with.")


def version_of(compiler: str) -> str:
    """What a compiler says of itself."""
    try:
        return subprocess.run([compiler, "--version"], capture_output=True, text=True, errors="replace").stdout
    except OSError as error:
        return str(error)


def _quoted(path: str | Path) -> str:
    return "'" + str(path).replace("'", "'\\''").replace("$", "$$") + "'"


def _escaped(path: Path) -> str:
    return re.sub(r"([$ :])", r"$\1", str(path))
