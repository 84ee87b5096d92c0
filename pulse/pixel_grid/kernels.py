"""How well a grid explains a picture that was enlarged by a kernel, and the sprite behind it.

An enlargement is linear and separable: along one side, a line of pixels is y = Phi c, where c holds the colours of
cells. Phi depends on the kernel, the scale and the offset alone. The best c is a least-squares fit.
"""

import numpy as np

# "repeat": each pixel has the colour of the cell of its centre. "area": pixels on a line of the grid are mixed, as by
# an enlargement that was then reduced a little. "bilinear", "bicubic": interpolated between centres of cells (Keys
# 1981, a = -0.5).
KERNELS = ("repeat", "area", "bilinear", "bicubic")
_REACH = {"repeat": 1, "area": 1, "bilinear": 1, "bicubic": 2}
_A = -0.5


def basis(kernel: str, length: int, scale: float, offset: float, cells: int) -> np.ndarray:
    """Phi (length, cells): how much of each cell is in each pixel.

    Args:
        kernel: one of KERNELS.
        length: pixels along the side.
        scale: pixels in a cell.
        offset: where the first cell begins.
        cells: how many there are; the border cells continue beyond the picture.
    """
    centre = (np.arange(length) + 0.5 - offset) / scale
    phi = np.zeros((length, cells), np.float32)
    if kernel == "repeat":
        phi[np.arange(length), np.clip(np.floor(centre).astype(int), 0, cells - 1)] = 1
        return phi
    if kernel == "area":
        first = np.floor(centre - 0.5 / scale + 1e-9).astype(int)
        share = np.clip((first + 1 - centre) * scale + 0.5, 0, 1)
        near = [(first, share), (first + 1, 1 - share)]
    else:
        base = np.floor(centre - 0.5).astype(int)
        t = centre - 0.5 - base
        if kernel == "bilinear":
            near = [(base, 1 - t), (base + 1, t)]
        else:
            near = [(base + k, _keys(np.abs(t - k))) for k in (-1, 0, 1, 2)]
    for cell, share in near:
        np.add.at(phi, (np.arange(length), np.clip(cell, 0, cells - 1)), share)
    return phi


def _keys(x: np.ndarray) -> np.ndarray:
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def leftover(lines: np.ndarray, kernel: str, scale: float, offset: float) -> float:
    """The variance of what the grid does not explain, per pixel that it could not explain by chance.

    Args:
        lines: (length, many) of floats, pixels along the side.
        kernel, scale, offset: of the grid.
    """
    length = len(lines)
    offset = offset % scale
    first = offset - scale if offset > 1e-6 else 0.0
    cells = max(2, int(np.ceil((length - first) / scale - 1e-6)))
    phi = basis(kernel, length, scale, first, cells)
    used = phi[:, phi.sum(0) > 1e-3]
    free = length - used.shape[1]
    if free < 2:
        return float("inf")
    if kernel == "repeat":
        projected = (used / used.sum(0)) @ (used.T @ lines)
    else:
        gram = used.T @ used
        gram[np.diag_indices_from(gram)] += 1e-4
        projected = used @ np.linalg.solve(gram, used.T @ lines)
    return float(((lines - projected) ** 2).sum() / (free * lines.shape[1]))


def unmixed(
    picture: np.ndarray, kernel: str, axes: tuple[tuple[float, float, int], tuple[float, float, int]]
) -> np.ndarray:
    """The sprite (m, n, c) whose enlargement is nearest to the picture (h, w, c).

    Args:
        picture: of floats.
        kernel: one of KERNELS.
        axes: scale, offset of the first cell, and number of cells, across and down.
    """
    made = picture
    for axis, (scale, offset, cells) in zip((1, 0), axes, strict=True):
        phi = basis(kernel, made.shape[axis], scale, offset, cells).astype(np.float64)
        # A sliver of a cell says little about it; then its neighbours' colours are the better guess.
        gram = phi.T @ phi + 1e-3 * np.eye(cells)
        inverse = np.linalg.solve(gram, phi.T)
        made = np.moveaxis(np.tensordot(inverse, made, axes=(1, axis)), 0, axis)
    return made
