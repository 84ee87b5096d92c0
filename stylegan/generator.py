"""What the generators of StyleGAN 1 and 2 have in common: a mapping network and a synthesis network."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stylegan.networks.layers import NoiseMode


class GeneratorBase(nn.Module):
    """z (N, z_dim), c (N, c_dim) -> images (N, img_channels, R, R) in about [-1, 1].

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
        **synthesis_kwargs: Any,
    ) -> Tensor:
        """Images of latents; see the `forward` of the mapping network and of the synthesis network."""
        ws = self.mapping(z, c, truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff)
        return self.synthesis(ws, noise_mode=noise_mode, **synthesis_kwargs)


def check_styles(ws: Tensor, num_ws: int, w_dim: int) -> None:
    """Raise ValueError unless `ws` is (N, num_ws, w_dim)."""
    if ws.ndim != 3 or ws.shape[1] != num_ws or ws.shape[2] != w_dim:
        raise ValueError(
            f"The synthesis network takes styles of shape (N, {num_ws}, {w_dim}); it was given {tuple(ws.shape)}."
        )
