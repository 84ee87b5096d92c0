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
import shutil
import sysconfig
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from cuda_ops import toolchain
from cuda_ops.cache import cache_folder
from cuda_ops.toolchain import BuildError

CSRC = Path(__file__).parent / "csrc"
MODES = ("auto", "native", "reference")
DTYPES = {
    "cpu": (torch.float32, torch.bfloat16, torch.float64),
    "cuda": (torch.float32, torch.bfloat16, torch.float16, torch.float64),
}
# Bytes that a build takes at most while it runs.
_ROOM = 48 << 20
# A build that failed is tried again after a day, or at once when the compiler, torch or the sources have changed.
_FAILURE_HOLDS = 24 * 3600.0

_lock = threading.Lock()
# The state of each part in this process: None once it is loaded, else why it is not.
_outcome: dict[str, str | None] = {}


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
            except KeyboardInterrupt:
                # Whoever catches it may still call operations: they must not start the build again.
                _outcome[each] = "its build was interrupted"
                raise
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
        sources: folder of sources, as `cuda_ops.toolchain.build` takes it.
        part: "cpu" or "cuda".
        cache: folder of all such libraries.
        retry: try again even if the same build has failed within a day.

    Raises:
        BuildError: with the first error of the compiler and the path of the log.
    """
    compiler = toolchain.find_compiler()
    nvcc = toolchain.find_nvcc() if part == "cuda" else None
    flags = toolchain.compile_flags(part)
    key = _key(sources, [compiler, *([nvcc] if nvcc else [])], flags)
    folder = cache / f"{part}-{key}"
    library, log = folder / toolchain.NAME, folder / "build.log"
    # In the cache, or where that is full or not ours beside other temporary files.
    failures = [folder / "failed", Path(tempfile.gettempdir()) / f"pulse-build-{os.getuid()}-{key}.failed"]
    try:
        if library.is_file():
            return library
        if not retry and (why := _remembered(failures)):
            raise BuildError(why)
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            if library.is_file():
                return library
            if not retry and (why := _remembered(failures)):
                raise BuildError(why)
            # What a build that was killed has left.
            for left in folder.glob("build-*/"):
                shutil.rmtree(left, ignore_errors=True)
            if (free := shutil.disk_usage(folder).free) < _ROOM:
                raise BuildError(
                    f"the cache folder {cache} has {free >> 20} MB free and a build takes {_ROOM >> 20}; make room, or"
                    " set PULSE_CACHE to another folder."
                )
            with tempfile.TemporaryDirectory(prefix="build-", dir=folder, ignore_cleanup_errors=True) as scratch:
                try:
                    made = toolchain.build(sources, part, Path(scratch), log, compiler, nvcc, flags)
                    os.replace(made, library)
                except (BuildError, OSError) as error:
                    _remember(failures, _sentence(error, cache))
                    raise
            for failure in failures:
                failure.unlink(missing_ok=True)
    except OSError as error:
        raise BuildError(_sentence(error, cache)) from error
    return library


def _sentence(error: Exception, cache: Path) -> str:
    """Why there is no library, in one sentence."""
    if isinstance(error, BuildError):
        return str(error)
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, PermissionError):
        why = "you have no permission to use it"
    return f"the cache folder {cache} cannot be used, because {why}; set PULSE_CACHE to a folder of your own."


def _remembered(failures: list[Path]) -> str | None:
    """Why this build failed within a day, if it did."""
    for failure in failures:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            status = failure.stat()
            if status.st_uid == os.getuid() and time.time() - status.st_mtime < _FAILURE_HOLDS:
                return failure.read_text(encoding="utf-8") or None
    return None


def _remember(failures: list[Path], why: str) -> None:
    """Write a failure down in the first place that takes it."""
    for failure in failures:
        with contextlib.suppress(OSError):
            failure.write_text(why, encoding="utf-8")
            return


def _key(sources: Path, compilers: list[str], flags: list[str]) -> str:
    """A name for all that the library depends on."""
    depends: list[object] = [torch.__version__, sysconfig.get_config_var("SOABI"), flags, _cpu_features()]
    for compiler in compilers:
        depends.append([compiler, toolchain.version_of(compiler)])
    if len(compilers) > 1:
        depends.append(torch.cuda.get_device_capability())
    for source in sorted(p for p in sources.rglob("*") if p.suffix in (".cpp", ".cu", ".h")):
        depends.append([str(source.relative_to(sources)), source.read_text(encoding="utf-8")])
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:16]


def _cpu_features() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return " ".join(sorted(line.split(":", 1)[1].split()))
    return platform.processor()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the system's lock on a file, which it releases when the process ends in whatever way."""
    with open(path, "a+b") as file:
        import fcntl  # not on Windows, where nothing is built

        fcntl.flock(file, fcntl.LOCK_EX)
        yield
