"""Who makes an answer: the renderer that taught the generator in the box draws it, or a network is searched for it.

One rule for `pulse.search`, `pulse.depixelize` and the command `pulse search`, where nobody says `finish`:

- an argument that only drawn answers have (`kind`, `resolution`, `fidelity`) asks for a drawn answer;
- an argument that only the network's search has (`steps`, `operator`, ...) asks for the network's picture;
- without either, answers of the generator in the box are drawn, and other generators are searched.

Whoever says `finish` gets it, or one sentence that names the argument that it does not have.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

FINISHES = ("drawn", "network")
# Options of a search that both finishes have.
SHARED = ("seed", "eps", "starts")


def choose_finish(
    finish: str | None,
    generator: Any,
    *,
    for_network: Collection[str] = (),
    for_drawn: Collection[str] = (),
) -> str:
    """The finish of an answer, "drawn" or "network", by the rule above.

    Args:
        finish: as the caller said, or None.
        generator: a network, a name or a path.
        for_network, for_drawn: names of the arguments given that only one of them has.

    Raises:
        ValueError: there is no such finish, or not with these arguments or that generator.
    """
    if finish is not None and finish not in FINISHES:
        raise ValueError(f"The finish is {finish!r}; give one of {', '.join(FINISHES)}, or leave it out.")
    if finish is None and for_network and for_drawn:
        raise ValueError(
            f"Only drawn answers have {_named(for_drawn)}, and only the network's search has {_named(for_network)}; "
            "leave one of them out."
        )
    if finish is None:
        finish = "drawn" if for_drawn or (in_the_box(generator) and not for_network) else "network"
    if finish == "network" and for_drawn:
        raise ValueError(f"Only drawn answers have {_named(for_drawn)}; leave it out, or choose finish='drawn'.")
    if finish == "drawn" and for_network:
        raise ValueError(
            f"Only the network's search has {_named(for_network)}; leave it out, or choose finish='network'."
        )
    if finish == "drawn" and not in_the_box(generator):
        shown = repr(str(generator)) if isinstance(generator, (str, os.PathLike)) else "another"
        raise ValueError(
            f"Drawn answers come from the portraits that taught the generator 'default', and the generator is {shown}; "
            "leave it out, or choose finish='network'."
        )
    return finish


def in_the_box(generator: Any) -> bool:
    """Whether `generator`, a network, a name or a path, came with this package and learnt from its portraits."""
    from stylegan.checkpoints import zoo

    boxed = [model for model in zoo.MODELS if model.portraits]
    if isinstance(generator, str) and any(generator == model.name for model in boxed):
        return True
    path = generator if isinstance(generator, (str, os.PathLike)) else getattr(generator, "source", None)
    if not isinstance(path, (str, os.PathLike)):
        return False
    try:
        place = Path(path).resolve()
        return any(place == here.resolve() for here in (model.here() for model in boxed) if here is not None)
    except (OSError, ValueError, RuntimeError):
        # A link that forms a circle, or no path at all, which its reader will explain.
        return False


def given_drawn(kind: str | None, resolution: int | None, fidelity: float | None) -> dict[str, Any]:
    """Those options of a drawn answer that were given, by their names."""
    options = {"kind": kind, "resolution": resolution, "fidelity": fidelity}
    return {name: value for name, value in options.items() if value is not None}


def _named(names: Collection[str]) -> str:
    names = sorted(names)
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
