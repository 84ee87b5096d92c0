"""Memory that the C library holds back."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


def give_back() -> None:
    """Returns to the system what this process has freed, where the C library can (glibc); elsewhere it does nothing.

    glibc keeps freed blocks of less than 32 MiB for the next one of their size. A generator's layers have few of any
    one size, so a step would hold what each of its resolutions took, one after the other.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
