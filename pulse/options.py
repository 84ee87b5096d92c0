"""The options of a search: the one list that the Python functions, the commands and PULSE's flags are derived from."""

from __future__ import annotations

import dataclasses
import difflib
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from pulse.latents import SPACES
from pulse.losses import parse_loss
from pulse.noise import NOISE_TYPES, parse_bad_noise_layers
from pulse.operators import KERNELS
from pulse.optimizer import OPTIMIZERS, SCHEDULES

METHODS = ("bounded", "pulse", "fast")

# Starting points of a drawn answer, where nobody says how many.
STARTS = 2
# The smallest side of a target that an answer is drawn for, in pixels.
SMALLEST = 8

T = TypeVar("T")


def _option(
    default: T,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    least: int | None = None,
    pulse_flag: bool = True,
) -> T:
    metadata = {"help": help, "choices": choices, "least": least, "pulse_flag": pulse_flag}
    given = {name: value for name, value in metadata.items() if value is not None}
    # Typed as its value for type checkers; at run time it is a dataclasses field.
    field: Any = dataclasses.field(default=default, metadata=given)
    return field


@dataclass(frozen=True)
class SearchOptions:
    """How to search. Names and defaults are PULSE's where PULSE has them (Menon et al., CVPR 2020, section 4).

    The metadata of each field (`dataclasses.fields(SearchOptions)`) is what front ends are made from: "help", one
    sentence fragment; "choices", the values allowed; "least", the smallest whole number allowed; "pulse_flag", whether
    PULSE's own script has a flag of that name.

    Raises:
        ValueError: in one sentence, for a value that makes no sense.
    """

    method: str | None = _option(
        None,
        "how to search: pulse as published; bounded clamps images to [0, 1] inside the loss; fast looks at few whole "
        "images and takes its steps on the generator's low resolutions; if not given, fast for a StyleGAN, and bounded "
        "for a conditional or any other generator, an operator or losses of your own, or an lr_schedule",
        choices=METHODS,
        pulse_flag=False,
    )
    steps: int = _option(100, "steps of the optimiser; with the method fast, the most looks at whole images", least=0)
    learning_rate: float = _option(0.4, "learning rate at the top of the schedule")
    lr_schedule: str = _option("linear1cycledrop", "how the learning rate changes over the steps", choices=SCHEDULES)
    opt_name: str = _option("adam", "optimiser", choices=OPTIMIZERS)
    eps: float = _option(2e-3, "mean squared error at which a face counts as found")
    floor: float | None = _option(
        None,
        "mean squared error below which L2 and L1 count as this much; if not given, eps with the method pulse or an "
        "operator of your own, else a tenth of eps",
        pulse_flag=False,
    )
    loss_str: str = _option("100*L2+0.05*GEOCROSS", "what is minimised: a weighted sum of L2, L1 and GEOCROSS")
    noise_type: str = _option("trainable", "the generator's noise inputs: searched, drawn or zero", choices=NOISE_TYPES)
    num_trainable_noise_layers: int = _option(
        5, "how many noise inputs are searched, from the lowest resolution on", least=0
    )
    bad_noise_layers: str = _option("17", "noise inputs that stay zero, their numbers joined by dots, as 16.17")
    tile_latent: bool = _option(False, "use one latent for all styles")
    seed: int | None = _option(None, "seed of the first face; each further face adds one; random if not given", least=0)
    space: str = _option("gaussianized", "latent space to search", choices=(*SPACES, "pulse"), pulse_flag=False)
    kernel: str = _option("bicubic", "how the face is made small", choices=KERNELS, pulse_flag=False)
    starts: int = _option(1, "starting points for each picture; the best result is kept", least=1, pulse_flag=False)
    batch_size: int | None = _option(None, "how many starts run at once; chosen by memory if not given", least=1)
    stop_when_reached: bool = _option(False, "stop a start at its first face within eps", pulse_flag=False)
    draw: str = _option(
        "best",
        "what is returned: best, the face that fits best; posterior, faces as frequent as they are probable",
        choices=("best", "posterior"),
        pulse_flag=False,
    )
    samples: int = _option(16, "faces for each picture, with draw posterior", least=1, pulse_flag=False)
    temperature: float = _option(
        1.0, "with draw posterior, the variance of a pixel's error in multiples of eps", pulse_flag=False
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            choices, least = field.metadata.get("choices"), field.metadata.get("least")
            if choices is not None and value not in choices and not (value is None and field.default is None):
                raise ValueError(f"The option {field.name} is {value!r}; choose one of {', '.join(choices)}.")
            if least is not None and not (value is None and field.default is None):
                _check_whole(field.name, value, least)
        if not (_is_finite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"The option learning_rate is {self.learning_rate!r}; give a number above 0.")
        if not (_is_finite(self.eps) and self.eps >= 0):
            raise ValueError(f"The option eps is {self.eps!r}; give a number of at least 0.")
        if self.floor is not None and not (_is_finite(self.floor) and self.floor >= 0):
            raise ValueError(f"The option floor is {self.floor!r}; give a number of at least 0.")
        if not (_is_finite(self.temperature) and self.temperature > 0):
            raise ValueError(f"The option temperature is {self.temperature!r}; give a number above 0.")
        parse_bad_noise_layers(self.bad_noise_layers)
        if not any(name in ("L1", "L2") for _, name in parse_loss(self.loss_str).terms):
            raise ValueError(f"The loss {self.loss_str!r} compares nothing with the target; add a term L2 or L1.")


@dataclass(frozen=True)
class DrawnOptions:
    """What a drawn answer is to be (`pulse.draw`).

    Raises:
        ValueError: in one sentence, for a value that makes no sense.
    """

    kind: str = _option("any", "what may be drawn: people and characters, or people alone", choices=("any", "people"))
    resolution: int = _option(512, "pixels along a side of the drawn answer, 16 to 1024")
    fidelity: float = _option(0.7, "from 0, the most probable face, to 1, the closest pixels")

    def __post_init__(self) -> None:
        if self.kind not in ("any", "people"):
            raise ValueError(f"The kind is {self.kind!r}; give one of any, people.")
        if type(self.resolution) is not int or not 16 <= self.resolution <= 1024:
            raise ValueError(f"The resolution is {self.resolution!r}; give a whole number from 16 to 1024.")
        if (
            isinstance(self.fidelity, bool)
            or not isinstance(self.fidelity, (int, float))
            or not 0 <= self.fidelity <= 1
        ):
            raise ValueError(f"The fidelity is {self.fidelity!r}; give a number from 0 to 1.")


class SearchOverrides(TypedDict, total=False):
    """The fields of `SearchOptions` as keyword arguments, for editors and type checkers."""

    method: str | None
    steps: int
    learning_rate: float
    lr_schedule: str
    opt_name: str
    eps: float
    floor: float | None
    loss_str: str
    noise_type: str
    num_trainable_noise_layers: int
    bad_noise_layers: str
    tile_latent: bool
    seed: int | None
    space: str
    kernel: str
    starts: int
    batch_size: int | None
    stop_when_reached: bool
    draw: str
    samples: int
    temperature: float


def merge_options(options: SearchOptions | None, overrides: Mapping[str, Any]) -> SearchOptions:
    """`options` (the defaults if None) with the fields in `overrides` replaced.

    Raises:
        ValueError: in one sentence, for an unknown option or an impossible value.

    >>> merge_options(None, {"steps": 10}).steps
    10
    """
    names = [field.name for field in dataclasses.fields(SearchOptions)]
    for name in overrides:
        if name not in names:
            near = difflib.get_close_matches(name, names)
            hint = f"did you mean {' or '.join(near)}?" if near else f"choose among {', '.join(names)}."
            raise ValueError(f"There is no option {name!r}; {hint}")
    return dataclasses.replace(SearchOptions() if options is None else options, **overrides)


def given_options(options: SearchOptions | None, overrides: Mapping[str, Any]) -> set[str]:
    """The names of options that a caller gave: all overrides, and what `options` has other than the defaults.

    >>> sorted(given_options(SearchOptions(steps=10), {"seed": 1}))
    ['seed', 'steps']
    """
    plain = SearchOptions()
    fields = () if options is None else dataclasses.fields(options)
    return {*overrides, *(f.name for f in fields if getattr(options, f.name) != getattr(plain, f.name))}


def _document(cls: type) -> None:
    """Lists the fields in the docstring of the class, from their metadata."""
    lines = ["", "    Attributes:"]
    for field in dataclasses.fields(cls):
        choices = field.metadata.get("choices")
        among = f" One of {', '.join(choices)}." if choices else ""
        text = field.metadata["help"]
        lines.append(f"        {field.name}: {text[0].upper()}{text[1:]}.{among} Default {field.default!r}.")
    cls.__doc__ = (cls.__doc__ or "").rstrip() + "\n" + "\n".join(lines) + "\n"


_document(SearchOptions)
_document(DrawnOptions)


def _check_whole(name: str, value: int, least: int) -> None:
    try:
        fits = operator.index(value) >= least
    except TypeError:
        fits = False
    if not fits:
        raise ValueError(f"The option {name} is {value!r}; give a whole number of at least {least}.")


def _is_finite(value: float) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
