"""Fits of few drawings: the fixture `few_renderings`."""

from collections.abc import Iterator

import pytest

from pulse import fit_portrait


@pytest.fixture(scope="module")
def few_renderings() -> Iterator[None]:
    """A start and two steps: for modules to which it does not matter how near an answer is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_portrait, "_SCREENED", {"people": 4, "any": 4})
        patch.setattr(fit_portrait, "_STEPS", 1)
        patch.setattr(fit_portrait, "_TURNS", 1)
        yield
