"""Finding, building and loading the native operations, and the choice between them and the references.

A library is looked for beside this file first (`setup.py` puts it there where it can), then in the cache, where it is
built at the first call of an operation. Its folder in the cache is named after all that it depends on, so a library is
never stale. One process builds while others wait at a lock that the system itself releases when its holder dies; a lock
file that is left over therefore blocks nobody. A failed build is one warning, and the references run.

`PULSE_OPS` is `auto` (native where there is a native form, which is the default), `native` (raise where there is none)
or `reference`.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from cuda_ops.cache import cache_folder

CSRC = Path(__file__).parent / "csrc"
MODES = ("auto", "native", "reference")
DTYPES = {
    "cpu": (torch.float32, torch.bfloat16, torch.float64),
    "cuda": (torch.float32, torch.bfloat16, torch.float16, torch.float64),
}
# A build that failed is tried again after a day, or at once when the compiler, torch or the sources have changed.
_FAILURE_HOLDS = 24 * 3600.0
_NAME = "native.so"
# ptxas tells each kernel's registers and spills, which the log keeps.
_NVCC_FLAGS = "-O3 -std=c++17 -Xcompiler -fPIC -Xptxas -v"

_lock = threading.Lock()
# What became of each part in this process: None once it is loaded, else why it is not.
_outcome: dict[str, str | None] = {}


class BuildError(RuntimeError):
    """There is no native library; the message is one sentence that says why and where the log is."""


def native(x: Tensor) -> bool:
    """Whether an operation on `x` runs natively; the first call loads the library and builds it where it must.

    Raises:
        ValueError: if PULSE_OPS is none of auto, native and reference.
        BuildError: if PULSE_OPS is `native` and there is no native form for the device and type of `x`.
    """
    return _native(x.device.type, x.dtype)


def _native(device: str, dtype: torch.dtype) -> bool:
    chosen = mode()
    if chosen == "reference":
        return False
    if dtype not in DTYPES.get(device, ()):
        why: str | None = f"there is none for {dtype} on {device}"
    else:
        why = load(device)
    if why is not None and chosen == "native":
        raise BuildError(f"PULSE_OPS=native asks for a native form, but {why}; set PULSE_OPS=auto to do without.")
    return why is None


# The answer is a constant of the graph for torch.compile, which could not look into files and locks. This is all that
# torch.compiler.assume_constant_result does, but that imports the compiler, which takes over a second.
_native._dynamo_marked_constant = True  # type: ignore[attr-defined]


def mode() -> str:
    """The value of PULSE_OPS."""
    chosen = os.environ.get("PULSE_OPS") or "auto"
    if chosen not in MODES:
        raise ValueError(f"PULSE_OPS is {chosen!r}; set it to one of {', '.join(MODES)}.")
    return chosen


def load(part: str) -> str | None:
    """Load the library of `part`, "cpu" or "cuda", once in a process: None, or why there is none (warned of once)."""
    # The common case takes no lock.
    if part in _outcome:
        return _outcome[part]
    with _lock:
        # The CPU's library holds the schemas that the CUDA one implements.
        for each in ("cpu",) if part == "cpu" else ("cpu", part):
            if each in _outcome:
                continue
            try:
                torch.ops.load_library(str(find(each)))
                _outcome[each] = None
            except (BuildError, OSError) as error:
                _outcome[each] = str(error).rstrip(".")
                if mode() == "auto":
                    warnings.warn(
                        f"cuda_ops runs its slower reference operations on {each}, because {_outcome[each]};"
                        " `python -m cuda_ops` tells how to mend it.",
                        RuntimeWarning,
                        stacklevel=5,
                    )
        return _outcome["cpu"] or _outcome[part]


def find(part: str, retry: bool = False) -> Path:
    """The library of `part`: the one that was installed, or that of the cache, built if need be.

    Raises:
        BuildError: if it cannot be built.
    """
    if part == "cuda" and not torch.cuda.is_available():
        raise BuildError("torch has no GPU that it can use.")
    installed = CSRC / installed_name(torch.backends.cpu.get_cpu_capability())
    if part == "cpu" and installed.is_file():
        return installed
    return compiled(CSRC / part, part, cache_folder() / "cuda_ops", retry)


def installed_name(capability: str) -> str:
    """The file name of a library that `setup.py` built for processors of this capability ("DEFAULT", "AVX2", ...)."""
    level = "default" if capability in ("DEFAULT", "NO AVX") else "avx2"
    return f"native-{platform.machine()}-{level}-torch{torch.__version__}.so"


def compiled(sources: Path, part: str, cache: Path, retry: bool = False) -> Path:
    """The library made of the sources in a folder, from `cache` or built into it.

    Args:
        sources: folder of .cpp files (and .cu files, for "cuda") and headers.
        part: "cpu" or "cuda".
        cache: folder of all such libraries.
        retry: try again even if the same build has failed within a day.

    Raises:
        BuildError: with the first error of the compiler and the path of the log.
    """
    compiler = find_compiler()
    nvcc = _nvcc() if part == "cuda" else None
    flags = compile_flags(part)
    folder = cache / f"{part}-{_key(sources, [compiler, *([nvcc] if nvcc else [])], flags)}"
    library, log, failed = folder / _NAME, folder / "build.log", folder / "failed"
    if library.is_file():
        return library
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            if library.is_file():
                return library
            if not retry and failed.is_file() and time.time() - failed.stat().st_mtime < _FAILURE_HOLDS:
                raise BuildError(failed.read_text(encoding="utf-8"))
            # What a build that was killed has left.
            for left in folder.glob("build-*/"):
                shutil.rmtree(left, ignore_errors=True)
            if sys.stderr.isatty():
                print(f"Building the native operations for {part}, once; this takes a minute.", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as scratch:
                try:
                    made = build(sources, part, Path(scratch), log, compiler, nvcc, flags)
                except BuildError as error:
                    failed.write_text(str(error), encoding="utf-8")
                    raise
                os.replace(made, library)
            failed.unlink(missing_ok=True)
    except OSError as error:
        raise BuildError(f"the cache folder {folder} cannot be used ({error}).") from error
    return library


def build(sources: Path, part: str, folder: Path, log: Path, compiler: str, nvcc: str | None, flags: list[str]) -> Path:
    """Compile and link with ninja in `folder`; returns the library there, and leaves all output in `log`.

    Raises:
        BuildError: with the first error of the compiler and the path of the log.
    """
    headers = Path(torch.__file__).parent / "include"
    include = [f"-isystem {_quoted(p)}" for p in (headers, headers / "torch" / "csrc" / "api" / "include")]
    if nvcc:
        include.append(f"-isystem {_quoted(_toolkit(nvcc) / 'include')}")
    torch_lib = Path(torch.__file__).parent / "lib"
    link = [f"-L{_quoted(torch_lib)}", f"-Wl,-rpath,{_quoted(torch_lib)}", "-ltorch", "-ltorch_cpu", "-lc10"]
    rules = [f"rule cxx\n  command = {_quoted(compiler)} {' '.join(flags)} {' '.join(include)} -c $in -o $out\n"]
    if nvcc:
        major, minor = torch.cuda.get_device_capability()
        arch = f"-gencode=arch=compute_{major}{minor},code=sm_{major}{minor}"
        rules.append(f"rule nvcc\n  command = {_quoted(nvcc)} {_NVCC_FLAGS} {arch} -c $in -o $out\n")
        link += ["-ltorch_cuda", "-lc10_cuda", _quoted(_cuda_runtime(nvcc))]
    rules.append(f"rule link\n  command = {_quoted(compiler)} -shared -fopenmp $in {' '.join(link)} -o $out\n")
    objects = []
    for source in sorted([*sources.glob("*.cpp"), *(sources.glob("*.cu") if nvcc else ())]):
        made = f"{source.name}.o"
        rules.append(f"build {made}: {'nvcc' if source.suffix == '.cu' else 'cxx'} {_escaped(source)}\n")
        objects.append(made)
    rules.append(f"build {_NAME}: link {' '.join(objects)}\n")
    (folder / "build.ninja").write_text("".join(rules), encoding="utf-8")
    ninja = _ninja()
    result = subprocess.run(
        # All files, also after a failure: the log then holds every error.
        [ninja, "-v", "-k", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    log.write_text(result.stdout, encoding="utf-8")
    if result.returncode != 0:
        raise BuildError(f"the build failed with `{_first_error(result.stdout)}`, and its log is {log}.")
    return folder / _NAME


def compile_flags(part: str, march: str = "native") -> list[str]:
    """The C++ compiler's flags; `march` is the processor, "native" for this very machine."""
    flags = ["-std=c++17", "-O3", "-fPIC", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"]
    flags.append(f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}")
    if part == "cpu" and platform.machine() in ("x86_64", "AMD64"):
        flags.append(f"-march={march}")
    return flags


def compiler_name() -> str:
    """The C++ compiler's path, or why there is none."""
    try:
        return find_compiler()
    except BuildError as error:
        return str(error).rstrip(".")


def _key(sources: Path, compilers: list[str], flags: list[str]) -> str:
    """A name for all that the library depends on."""
    depends: list[object] = [torch.__version__, sysconfig.get_config_var("SOABI"), flags, _cpu_features()]
    for compiler in compilers:
        depends.append([compiler, _version(compiler)])
    if len(compilers) > 1:
        depends.append(torch.cuda.get_device_capability())
    for source in sorted(p for p in sources.iterdir() if p.suffix in (".cpp", ".cu", ".h")):
        depends.append([source.name, source.read_text(encoding="utf-8")])
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]


def _cpu_features() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return " ".join(sorted(line.split(":", 1)[1].split()))
    return platform.processor()


def find_compiler() -> str:
    """The C++ compiler: CXX, or the first of the usual ones; BuildError if there is none."""
    if sys.platform == "win32":
        raise BuildError("the native operations have no build for Windows yet.")
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for name in names:
        if path := shutil.which(name):
            return path
    raise BuildError(f"there is no C++ compiler ({', '.join(names)} not found).")


def _nvcc() -> str:
    from torch.utils.cpp_extension import CUDA_HOME

    found = shutil.which("nvcc") or (shutil.which(str(Path(CUDA_HOME) / "bin" / "nvcc")) if CUDA_HOME else None)
    if found is None:
        raise BuildError("there is no nvcc to compile the kernels with.")
    return found


def _toolkit(nvcc: str) -> Path:
    """The folder of nvcc's toolkit, by its own account: the nvcc on the path may be a script that calls another."""
    said = subprocess.run([nvcc, "--dryrun", "-c", "any.cu"], capture_output=True, text=True, errors="replace").stderr
    match = re.search(r"^#\$ TOP=(.+)$", said, re.MULTILINE)
    return Path(match[1].strip()) if match else Path(os.path.realpath(nvcc)).parent.parent


def _cuda_runtime(nvcc: str) -> Path:
    """The library libcudart.so: the toolkit's, or the one that torch brought."""
    toolkit, site = _toolkit(nvcc), Path(torch.__file__).parent.parent
    places = [toolkit / "lib64", toolkit / "lib", *toolkit.glob("targets/*/lib"), *site.glob("nvidia/*/lib")]
    for name in ("libcudart.so", "libcudart.so.*"):
        for place in places:
            if found := sorted(place.glob(name)):
                return found[0]
    raise BuildError(f"there is no libcudart.so beside {nvcc} or torch to link with.")


def _ninja() -> str:
    # The one in the folder of this Python first: the package `ninja` puts it there, whether or not it is on the path.
    here = Path(sys.executable).parent
    found = shutil.which("ninja", path=str(here)) or shutil.which("ninja")
    if found is None:
        raise BuildError("there is no ninja; `pip install ninja` brings it.")
    return found


def _version(compiler: str) -> str:
    try:
        return subprocess.run([compiler, "--version"], capture_output=True, text=True, errors="replace").stdout
    except OSError as error:
        return str(error)


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in lines:
        if re.search(r"\berror\b|not found|No such file|cannot|undefined reference", line) and "-isystem" not in line:
            return line[:300]
    return lines[-1][:300] if lines else "no output"


def _quoted(path: str | Path) -> str:
    return "'" + str(path).replace("'", "'\\''").replace("$", "$$") + "'"


def _escaped(path: Path) -> str:
    return re.sub(r"([$ :])", r"$\1", str(path))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the system's lock on a file, which it releases when the process ends in whatever way."""
    with open(path, "a+b") as file:
        import fcntl  # not on Windows, where nothing is built

        fcntl.flock(file, fcntl.LOCK_EX)
        yield
