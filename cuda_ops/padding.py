"""How much `upfirdn2d` pads: the arithmetic that the operations and their references share."""

from collections.abc import Sequence

from torch import Tensor


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """A factor as (x, y) factors; ValueError if one is below 1."""
    x, y = (value, value) if isinstance(value, int) else value
    if x < 1 or y < 1:
        raise ValueError(f"upfirdn2d: a factor of {value} is not possible; factors are whole numbers from 1.")
    return x, y


def padding_sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """A padding as (left, right, top, bottom)."""
    if isinstance(padding, int):
        return padding, padding, padding, padding
    if len(padding) == 2:
        return padding[0], padding[0], padding[1], padding[1]
    left, right, top, bottom = padding
    return left, right, top, bottom


def filter_padding(f: Tensor | None, padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """The padding of a filter that keeps the size, plus `padding`."""
    fw, fh = filter_size(f)
    left, right, top, bottom = padding_sides(padding)
    return left + fw // 2, right + (fw - 1) // 2, top + fh // 2, bottom + (fh - 1) // 2


def upsample_padding(
    f: Tensor | None, up: int | Sequence[int], padding: int | Sequence[int]
) -> tuple[int, int, int, int]:
    """The padding of `upfirdn2d` that gives exactly `up` times the size, plus `padding`."""
    (up_x, up_y), (fw, fh) = pair(up), filter_size(f)
    left, right, top, bottom = padding_sides(padding)
    return (
        left + (fw + up_x - 1) // 2,
        right + (fw - up_x) // 2,
        top + (fh + up_y - 1) // 2,
        bottom + (fh - up_y) // 2,
    )


def downsample_padding(
    f: Tensor | None, down: int | Sequence[int], padding: int | Sequence[int]
) -> tuple[int, int, int, int]:
    """The padding of `upfirdn2d` that gives exactly a `down`-th of the size, plus `padding`."""
    (down_x, down_y), (fw, fh) = pair(down), filter_size(f)
    left, right, top, bottom = padding_sides(padding)
    return (
        left + (fw - down_x + 1) // 2,
        right + (fw - down_x) // 2,
        top + (fh - down_y + 1) // 2,
        bottom + (fh - down_y) // 2,
    )


def filter_size(f: Tensor | None) -> tuple[int, int]:
    """(width, height) of a filter."""
    return (1, 1) if f is None else (f.shape[-1], f.shape[0])


def transposed_padding(resample_filter: Tensor | None, kernel: int) -> tuple[int, int, int, int]:
    """The padding of the filter that follows a transposed convolution of stride two.

    The convolution leaves 2H+k-2 rows. The rows to add or cut, so that the filter gives 2H, are split between the sides
    as in `upsample_padding`.
    """
    fw, fh = filter_size(resample_filter)
    return (
        (fw + 1) // 2 - (kernel - 1) // 2,
        (fw - 2) // 2 - (kernel - 1) // 2 + 1,
        (fh + 1) // 2 - (kernel - 1) // 2,
        (fh - 2) // 2 - (kernel - 1) // 2 + 1,
    )
