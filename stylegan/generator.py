"""The interface of every generator, and what StyleGAN 1 and 2 share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from stylegan.networks.layers import NoiseMode


class Mapping(Protocol):
    """Latents z (N, z_dim), and labels c (N, c_dim), to styles (N, num_ws, w_dim)."""

    def __call__(
        self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1, truncation_cutoff: int | None = None
    ) -> Tensor: ...


class Synthesis(Protocol):
    """Styles (N, num_ws, w_dim) to images (N, img_channels, H, W) in about [-1, 1]."""

    def __call__(
        self, ws: Tensor, noise_mode: NoiseMode = "const", noise: Sequence[Tensor] | None = None
    ) -> Tensor: ...


@runtime_checkable
class Generator(Protocol):
    """The interface of a generator: what `stylegan.load` returns and `pulse.search` takes. The names are StyleGAN's
    own.

    Any module with these attributes can be searched; it need not come from this package.

    Attributes:
        name: shown in messages and results.
        z_dim, c_dim, w_dim: lengths of a latent, a label (0: unconditional) and a style.
        num_ws: how many styles one image takes.
        img_resolution, img_channels: side length in pixels, and number of channels, of its square images.
        noise_shapes: (height, width) of each noise map that `synthesis` takes.
        gaussian_fit: "mean" and "std", each (w_dim,), of leaky_relu(w, 5) (Menon et al., CVPR 2020), or None until
            `stylegan.gaussian_fit.fit_gaussian` has computed them.
        mapping, synthesis: its two halves.
    """

    name: str
    z_dim: int
    c_dim: int
    w_dim: int
    num_ws: int
    img_resolution: int
    img_channels: int
    gaussian_fit: dict[str, Tensor] | None
    mapping: Any
    synthesis: Any

    @property
    def noise_shapes(self) -> tuple[tuple[int, int], ...]: ...

    def __call__(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        noise_mode: NoiseMode = "const",
    ) -> Tensor: ...


class GeneratorBase(nn.Module):
    """What StyleGAN 1 and 2 share: a mapping network and a synthesis network.

    Args:
        config: the arguments of the constructor, from which `stylegan.load` builds the network again.
        mapping: latents and labels to styles (N, num_ws, w_dim).
        synthesis: styles to images.
    """

    def __init__(self, config: dict[str, Any], mapping: Any, synthesis: Any) -> None:
        super().__init__()
        self.config = config
        self.name = ""
        self.source: Path | None = None
        self.gaussian_fit: dict[str, Tensor] | None = None
        self.z_dim: int = config["z_dim"]
        self.c_dim: int = config.get("c_dim", 0)
        self.w_dim: int = config["w_dim"]
        self.img_resolution: int = config["img_resolution"]
        self.img_channels: int = config["img_channels"]
        self.synthesis = synthesis
        self.num_ws: int = synthesis.num_ws
        self.mapping = mapping

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """The arguments of the constructor, under the name that NVIDIA's networks give them."""
        return self.config

    @property
    def noise_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each noise map that `synthesis` takes."""
        return self.synthesis.noise_shapes

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        noise_mode: NoiseMode = "const",
        update_emas: bool = False,
        **synthesis_kwargs: Any,
    ) -> Tensor:
        """Draws images.

        Args:
            z: latents (N, z_dim).
            c: labels (N, c_dim); a conditional generator needs them.
            truncation_psi: 1 keeps the full variety, 0 gives the average image (Karras et al. 2019, appendix B).
            truncation_cutoff: how many styles, from the first, are truncated; None for all.
            noise_mode: "const" takes the stored noise maps, "random" draws new ones, "none" leaves them out.
            update_emas: update the running average of w with these styles, as training does.
            synthesis_kwargs: further arguments of `synthesis`.

        Returns:
            (N, img_channels, R, R) in about [-1, 1].
        """
        ws = self.mapping(
            z, c, truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff, update_emas=update_emas
        )
        return self.synthesis(ws, noise_mode=noise_mode, **synthesis_kwargs)


def check_styles(ws: Tensor, num_ws: int, w_dim: int) -> None:
    """Raises ValueError unless `ws` is (N, num_ws, w_dim)."""
    if ws.ndim != 3 or ws.shape[1] != num_ws or ws.shape[2] != w_dim:
        raise ValueError(
            f"The synthesis network takes styles of shape (N, {num_ws}, {w_dim}); it was given {tuple(ws.shape)}."
        )
