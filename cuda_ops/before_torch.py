"""Lets Ctrl-C end `python -m cuda_ops` quietly, also while torch is still being imported."""

import os
import signal
import sys
from types import FrameType

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


if " -m cuda_ops " in " ".join([*sys.orig_argv, ""]):
    for number in SIGNALS:
        # What was ignored from the start (nohup) stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
