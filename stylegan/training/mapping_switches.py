"""Switches and choices of characters, written into a mapping network by hand.

Whether a character wears a crown is decided by an interval of a twentieth of one number of z. A network that is taught
by examples hardly finds such an interval; after 8,000 steps it had explained a thirtieth of the variance of helmets. It
is two steps, and a step is the difference of two leaky ramps:

    layer 0    two ramps for each bound; one begins where the other ends
    layer 1    for each value of a switch or choice: between its bounds, and a character at all
    the last   the same, as the description has it

Everything else is left to teaching.
"""

from math import sqrt

import torch

from stylegan.networks.layers import FullyConnectedLayer
from stylegan.networks.mapping import MappingNetwork
from stylegan.portraits import COORDINATES, TABLE

# Over how much of a number of z, whose deviation is 1, a switch goes from off to on.
_WIDTH = 0.15
_SLOPE, _GAIN = 0.2, sqrt(2)  # of the layers' leaky ReLU


def values() -> list[tuple[int, int]]:
    """(row of `TABLE`, interval) of each value of a switch or choice but the first, in the order of the table."""
    return [(i, k) for i, row in enumerate(TABLE) for k in range(1, len(row.bounds) + 1)]


def value_names() -> list[str]:
    """What `coordinates.decode` calls the `values`."""
    rows = [(TABLE[i], k) for i, k in values()]
    return [row.name if row.kind == "switch" else f"{row.name}: {row.names[k]}" for row, k in rows]


@torch.no_grad()
def write_switches(
    mapping: MappingNetwork, first: tuple[int, int], outputs: list[int], scale: torch.Tensor, offset: torch.Tensor
) -> None:
    """Makes numbers of w say which value of `values` a character has: `scale + offset` if it has it, else `offset`.

    Args:
        mapping: of z (N, 128) and at least three layers, with room for two units for each value in the first hidden
            layer and one in the others.
        first: the first rows of the hidden layers, and of w, that may be written to.
        outputs: for each value, which number of w, counted from the first.
        scale, offset: for each value; `offset` and their sum are above 0.

    Raises:
        ValueError: if the network has fewer layers or no room.
    """
    layers = [getattr(mapping, f"fc{i}") for i in range(mapping.num_layers)]
    hidden, of_w = first
    all_values = values()
    if len(layers) < 3 or len(layers[0].bias) - hidden < 2 * len(all_values):
        raise ValueError(
            f"A mapping network for characters needs 3 layers and {hidden + 2 * len(all_values)} units in each; give"
            " larger mapping_layers and mapping_features."
        )
    number = {value: i for i, value in enumerate(all_values)}
    for (i, k), unit in number.items():
        bound = torch.tensor(TABLE[i].bounds[k - 1], dtype=torch.float64)
        middle = float(torch.special.ndtri(bound))
        for row, shift in ((2 * unit, _WIDTH / 2), (2 * unit + 1, -_WIDTH / 2)):
            _write(layers[0], hidden + row, {len(COORDINATES) + i: 1.0}, shift - middle)
    for (i, k), unit in number.items():
        terms, constant = _step(hidden + 2 * unit, 1.0)
        if (i, k + 1) in number:
            upper, more = _step(hidden + 2 * number[i, k + 1], -1.0)
            terms, constant = terms | upper, constant + more
        if i > 0:
            # The first row of the table says whether it is a character; without that the sum is 0 at most.
            character, more = _step(hidden, 1.0)
            terms, constant = terms | character, constant + more - 1
        _write(layers[1], hidden + unit, terms, constant)
    high, low = _GAIN, -_GAIN * _SLOPE
    for layer in layers[2:-1]:
        for unit in range(len(all_values)):
            _write(layer, hidden + unit, {hidden + unit: 1 / _GAIN}, 0.0)
        low *= _SLOPE
    for unit, (output, size, rest) in enumerate(zip(outputs, scale.tolist(), offset.tolist(), strict=True)):
        terms, constant = {hidden + unit: size / high}, rest
        if unit > 0:
            # People have the leak of the ReLU, which is made up for by what says that they are people.
            leak = size * low / high
            terms[hidden] = leak / high
            constant -= leak
        _write(layers[-1], of_w + output, {row: value / _GAIN for row, value in terms.items()}, constant / _GAIN)


def _step(row: int, height: float) -> tuple[dict[int, float], float]:
    """A step from 0 to `height`, as weights of the two ramps in rows `row` and `row + 1`, and a constant."""
    slope = height / (_GAIN * _WIDTH * (1 - _SLOPE))
    return {row: slope, row + 1: -slope}, -height * _SLOPE / (1 - _SLOPE)


def _write(layer: FullyConnectedLayer, row: int, weights: dict[int, float], bias: float) -> None:
    layer.weight[row] = 0
    for column, weight in weights.items():
        layer.weight[row, column] = weight / layer.weight_gain
    layer.bias[row] = bias / layer.bias_gain
