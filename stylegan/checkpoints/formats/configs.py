"""The types and ranges of a network's configuration, checked before anything is computed with it.

A number that passes here can be used: it is finite, of the right type (a boolean is no integer), and small enough that
a network of such sizes can be laid out. Every argument of the networks' constructors has a rule; a test compares them.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from stylegan.checkpoints.formats.budget import RESOLUTION, WIDTH
from stylegan.checkpoints.formats.source import describe

Rule = Callable[[str, Any], None]
Rules = Mapping[str, Rule]


def check(config: Any, rules: Rules) -> None:
    """Raise ValueError, naming the option, unless every value of a configuration obeys its rule."""
    _options(rules)("its configuration", config)


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """The value, if it is an integer from `low` to `high`; else ValueError."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {describe(value)}, not a whole number from {low} to {high}")
    return value


def _options(rules: Rules) -> Rule:
    def rule(name: str, value: Any) -> None:
        if type(value) is not dict:
            raise ValueError(f"{name} is {describe(value)}, not a set of options")
        for key, part in value.items():
            if type(key) is not str or key not in rules:
                raise ValueError(f"the option {describe(key)} is unknown")
            rules[key](key, part)

    return rule


def _whole(low: int, high: int) -> Rule:
    def rule(name: str, value: Any) -> None:
        whole_number(name, value, low, high)

    return rule


def _real(low: float, high: float) -> Rule:
    def rule(name: str, value: Any) -> None:
        if type(value) not in (int, float) or not (isfinite(value) and low <= value <= high):
            raise ValueError(f"{name} is {describe(value)}, not a number from {low:g} to {high:g}")

    return rule


def _one_of(*names: str) -> Rule:
    def rule(name: str, value: Any) -> None:
        if type(value) is not str or value not in names:
            raise ValueError(f"{name} is {describe(value)}, not one of {', '.join(names)}")

    return rule


def _row(part: Rule, longest: int) -> Rule:
    def rule(name: str, value: Any) -> None:
        if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= longest:
            raise ValueError(f"{name} is {describe(value)}, not a list of 1 to {longest} numbers")
        for item in value:
            part(name, item)

    return rule


def _or_none(part: Rule) -> Rule:
    def rule(name: str, value: Any) -> None:
        if value is not None:
            part(name, value)

    return rule


_ARCHITECTURE = _one_of("skip", "resnet", "orig")
_WIDTH = _whole(1, WIDTH)
# A clamp of zero would make every image grey.
_CLAMP = _or_none(_real(1e-6, 1e9))
_WIDTHS = {
    "channel_base": _whole(1, WIDTH * RESOLUTION),
    "channel_max": _WIDTH,
    "channels": _or_none(_row(_WIDTH, 16)),
}
_RESAMPLED = {"num_fp16_res": _whole(0, 16), "conv_clamp": _CLAMP, "resample_filter": _row(_real(-1e6, 1e6), 32)}
_LEARNING = _real(1e-6, 1e3)
_MAPPING = {
    "num_layers": _whole(1, 64),
    "layer_features": _or_none(_WIDTH),
    "embed_features": _or_none(_WIDTH),
    "lr_multiplier": _LEARNING,
    "w_avg_beta": _or_none(_real(0, 1)),
}
_IMAGES = {"img_resolution": _whole(4, RESOLUTION), "img_channels": _whole(1, 64)}
_LABELS = {"c_dim": _whole(0, WIDTH)}
_STYLES = {"z_dim": _WIDTH, "w_dim": _WIDTH}

# By the `architecture` of a network's class.
RULES: dict[str, Rules] = {
    "stylegan1": {
        **_STYLES,
        **_IMAGES,
        "mapping_kwargs": _options({"num_layers": _whole(0, 64), "lr_multiplier": _LEARNING}),
        "synthesis_kwargs": _options(_WIDTHS),
    },
    "stylegan2": {
        **_STYLES,
        **_LABELS,
        **_IMAGES,
        "mapping_kwargs": _options(_MAPPING),
        "synthesis_kwargs": _options({**_WIDTHS, **_RESAMPLED, "architecture": _ARCHITECTURE}),
    },
    "dcgan": {"z_dim": _WIDTH, "width": _WIDTH, **_IMAGES},
    "stylegan2-discriminator": {
        **_LABELS,
        **_IMAGES,
        **_WIDTHS,
        **_RESAMPLED,
        "architecture": _ARCHITECTURE,
        "cmap_dim": _or_none(_WIDTH),
        "mapping_kwargs": _options({name: rule for name, rule in _MAPPING.items() if name != "w_avg_beta"}),
        "epilogue_kwargs": _options(
            {"mbstd_group_size": _or_none(_whole(1, WIDTH)), "mbstd_num_channels": _whole(0, WIDTH)}
        ),
    },
}
