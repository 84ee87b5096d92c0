"""The latent spaces of a search, and the map from each to a generator's styles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from pulse.generators import device_of

SPACES = ("gaussianized", "z", "w", "w+")

# A step in the free spaces W and W+ is this part of a standard deviation of w per unit of the variable. The
# variable starts unit normal, so a search begins this close to the mean, and PULSE's learning rate of 0.4 can cross
# about two deviations in 100 steps.
_FREE_SCALE = 0.1

# Samples for the moments of w and of one label's styles: enough for standard deviations within 1 %.
_SAMPLES = 4096
_SAMPLES_PER_LABEL = 16384


@dataclass(frozen=True)
class Space:
    """A latent space of one generator, made by `latent_space`.

    Attributes:
        name: one of `SPACES`.
        vectors: how many vectors one image has: num_ws, or 1 where all styles are the same.
        dim: length of each vector.
        spherical: whether each vector stays on the sphere that it starts on.
        styles_of: what `to_ws` calls, with `rows`.
        points_of: what `drawn` calls, with `rows`.
        rows: (N,) which of the labels each image has, for a conditional generator; None takes them in order.
        natural: the length of z, if starting points are to be those of the generator's own images.
        device: the generator's.
    """

    name: str
    vectors: int
    dim: int
    spherical: bool
    styles_of: Callable[[Tensor, Tensor | None], Tensor]
    points_of: Callable[[Tensor, Tensor | None], Tensor]
    rows: Tensor | None = None
    natural: int | None = None
    device: torch.device | None = None

    def to_ws(self, v: Tensor) -> Tensor:
        """Maps the variable (N, vectors, dim) to styles (N, num_ws, w_dim), differentiably."""
        return self.styles_of(v, self.rows)

    def drawn(self, z: Tensor) -> Tensor:
        """The points (N, dim) of the generator's own images of z (N, z_dim): there, all styles are the same."""
        return self.points_of(z, self.rows)

    def of(self, rows: Tensor) -> Space:
        """The same space for images that have the labels `rows` (N,)."""
        return replace(self, rows=rows)

    def initial(self, generators: Sequence[torch.Generator]) -> Tensor:
        """The starting points (N, vectors, dim), row i drawn with generator i of N; unit normal unless `natural`."""
        if self.natural is not None:
            z = torch.stack([torch.randn(self.natural, generator=g) for g in generators]).to(self.device)
            with torch.no_grad():
                return self.drawn(z).unsqueeze(1).repeat(1, self.vectors, 1).cpu()
        return torch.stack([torch.randn(self.vectors, self.dim, generator=g) for g in generators])


def latent_space(G: Any, name: str = "gaussianized", tile_latent: bool = False, labels: Tensor | None = None) -> Space:
    """The latent space `name` of the generator `G`.

    - "gaussianized" (or "pulse"): PULSE's; w = leaky_relu(v * std + mean, 0.2) with the mean and standard deviation
      of leaky_relu(w, 5) in `G.gaussian_fit` (computed and stored there when it is None). The last layer of the
      mapping network ends in a leaky ReLU of slope 0.2; undone, w is nearly normal (Menon et al., CVPR 2020, section
      4). Spherical; one v per style, or one for all with `tile_latent`.
    - "z": the mapping network's input, one for all styles (section 3 there, "Latent Space Exploration"). Spherical.
    - "w": w = mean + 0.1 * deviation * v, one for all styles, free (Karras et al., Analyzing and Improving the Image
      Quality of StyleGAN, CVPR 2020, section 5, also start at the mean and scale by the deviation).
    - "w+": the same with one v per style (Abdal et al., Image2StyleGAN, ICCV 2019, section 5), or as "w" with
      `tile_latent`.

    A conditional generator needs `labels` (N, c_dim), on its device; means and deviations are then those of each label.

    Raises:
        ValueError: for an unknown name.
    """
    num_ws, w_dim = int(G.num_ws), int(G.w_dim)

    def styles(z: Tensor, rows: Tensor | None) -> Tensor:
        if labels is None:
            return G.mapping(z)
        return G.mapping(z, labels if rows is None else labels[rows])

    def of_label(moment: Tensor, rows: Tensor | None) -> Tensor:
        # Without labels a moment is (w_dim,); with them it has a row for each.
        if moment.ndim == 1:
            return moment
        return (moment if rows is None else moment[rows]).unsqueeze(1)

    if name in ("gaussianized", "pulse"):
        mean, std = _moments_of_undone_w(G, labels)

        def gaussianized(v: Tensor, rows: Tensor | None) -> Tensor:
            return leaky_relu(v * of_label(std, rows) + of_label(mean, rows), 0.2).expand(-1, num_ws, -1)

        def undone(z: Tensor, rows: Tensor | None) -> Tensor:
            v = leaky_relu(styles(z, rows)[:, :1], 5) - of_label(mean, rows)
            # A feature that never varies has no deviation.
            return (v / of_label(std, rows).clamp(min=1e-12))[:, 0]

        return Space("gaussianized", 1 if tile_latent else num_ws, w_dim, True, gaussianized, undone)
    if name == "z":

        def mapped(v: Tensor, rows: Tensor | None) -> Tensor:
            return styles(v[:, 0], rows)

        return Space("z", 1, int(G.z_dim), True, mapped, lambda z, rows: z)
    if name in ("w", "w+"):
        mean, std = _moments(G, labels, _SAMPLES, lambda w: w)
        vectors = num_ws if name == "w+" and not tile_latent else 1

        def free(v: Tensor, rows: Tensor | None) -> Tensor:
            return (of_label(mean, rows) + _FREE_SCALE * of_label(std, rows) * v).expand(-1, num_ws, -1)

        def scaled(z: Tensor, rows: Tensor | None) -> Tensor:
            w = styles(z, rows)[:, :1] - of_label(mean, rows)
            return (w / (_FREE_SCALE * of_label(std, rows)).clamp(min=1e-12))[:, 0]

        return Space(name, vectors, w_dim, False, free, scaled)
    raise ValueError(f"The latent space {name!r} is unknown; choose one of {', '.join(SPACES)}.")


def _moments_of_undone_w(G: Any, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation of leaky_relu(w, 5), each (w_dim,), or (N, w_dim) for labels (N, c_dim)."""
    if labels is not None:
        return _moments(G, labels, _SAMPLES_PER_LABEL, lambda w: leaky_relu(w, 5))
    # Here, because `import pulse` does not load the generators.
    from stylegan.gaussian_fit import fit_gaussian

    fit = G.gaussian_fit if getattr(G, "gaussian_fit", None) is not None else fit_gaussian(G)
    return fit["mean"].to(device_of(G)), fit["std"].to(device_of(G))


@torch.no_grad()
def _moments(G: Any, labels: Tensor | None, samples: int, undo: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(samples, int(G.z_dim), generator=rng).to(device_of(G))
    if labels is None:
        w = undo(G.mapping(z)[:, 0])
        return w.mean(0), w.std(0)
    distinct, which = labels.unique(dim=0, return_inverse=True)
    ws = [undo(G.mapping(z, label.expand(samples, -1))[:, 0]) for label in distinct]
    return torch.stack([w.mean(0) for w in ws])[which], torch.stack([w.std(0) for w in ws])[which]
