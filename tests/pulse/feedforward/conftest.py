"""An upscaler with the weights of the golden outputs, and files with it."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pulse.feedforward.network import Upscaler

DATA = Path(__file__).parents[2] / "data"


def _filled(name: str, shape: list[int]) -> torch.Tensor:
    """The rule of tests/data/progressive_fsr.npz for one tensor."""
    a = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype("float32")
    if name.endswith("running_var"):
        a = 0.5 * np.abs(a) + 0.5
    elif name.endswith("num_batches_tracked"):
        return torch.tensor(1)
    elif len(shape) == 4 and not name.endswith("weight_orig"):
        a = a * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    elif not name.endswith("weight_orig"):
        a = 1 + 0.1 * a if name.endswith(".weight") else 0.1 * a
    return torch.from_numpy(np.asarray(a))


@pytest.fixture(scope="session")
def state() -> dict[str, torch.Tensor]:
    """The state of an official checkpoint, by the names in its file."""
    keys: dict[str, Any] = json.loads((DATA / "progressive_fsr_keys.json").read_text())
    return {name: _filled(name, shape) for name, shape in keys.items()}


@pytest.fixture(scope="session")
def network(state: dict[str, torch.Tensor]) -> Upscaler:
    """The network with that state."""
    made = Upscaler()
    made.load_state_dict(state)
    return made.eval().requires_grad_(False)
