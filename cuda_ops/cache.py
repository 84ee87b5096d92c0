"""The folder for files that can be made or fetched again: compiled operations, checkpoints, gaussian fits."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where files are kept that can be had again: `PULSE_CACHE`, or the platform's folder for caches."""
    if chosen := os.environ.get("PULSE_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "pulse" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pulse"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulse"
