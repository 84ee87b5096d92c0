"""The examples in the docstrings of every module give what they say."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


def modules() -> list[str]:
    files = [path for package in ("pulse", "stylegan", "cuda_ops") for path in (ROOT / package).rglob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    return sorted(name.removesuffix(".__init__") for name in names)


@pytest.mark.parametrize("name", modules())
def test_examples_of_docstrings(name: str) -> None:
    """Also fails where a docstring has examples that doctest does not find."""
    module = importlib.import_module(name)
    with torch.random.fork_rng(devices=[]):
        result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples of {name} fail; see above."
    assert result.attempted or ">>> " not in inspect.getsource(module), f"No example of {name} was run."


def test_a_wrong_example_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("stylegan.common.files")
    monkeypatch.setattr(module, "__doc__", ">>> 1 + 1\n3")
    with pytest.raises(AssertionError, match=r"stylegan\.common\.files fail"):
        test_examples_of_docstrings("stylegan.common.files")
