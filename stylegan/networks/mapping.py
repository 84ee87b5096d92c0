"""StyleGAN2's mapping network: from a latent z, and a label c if there is one, to a style w."""

import torch
from torch import Tensor, nn

from stylegan.networks.layers import FullyConnectedLayer, normalize_2nd_moment


def truncate(ws: Tensor, w_avg: Tensor, truncation_psi: float = 1, truncation_cutoff: int | None = None) -> Tensor:
    """Moves styles (N, num_ws, w_dim) towards `w_avg` (w_dim,): the truncation trick (Karras et al. 2019, appendix B).

    Args:
        truncation_psi: 1 leaves the styles as they are, 0 gives the average.
        truncation_cutoff: how many styles, from the first, are moved; None for all.
    """
    if truncation_psi == 1:
        return ws
    cutoff = ws.shape[1] if truncation_cutoff is None else truncation_cutoff
    return torch.cat([w_avg.to(ws.dtype).lerp(ws[:, :cutoff], truncation_psi), ws[:, cutoff:]], dim=1)


class MappingNetwork(nn.Module):
    """z (N, z_dim), c (N, c_dim) -> w (Karras et al. 2020).

    Args:
        z_dim: length of the latent; 0 for none (a discriminator's label network).
        c_dim: length of the label; 0 for an unconditional network.
        w_dim: length of a style.
        num_ws: how many copies of w come out; None for (N, w_dim) without copies.
        num_layers: dense layers.
        layer_features: width of the hidden layers; default `w_dim`.
        embed_features: width of the label's embedding; default `w_dim`.
        lr_multiplier: learning rate of these layers over that of the others; see `stylegan.networks.layers`.
        w_avg_beta: decay of the running average of w in training; None keeps no average.
    """

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int | None,
        num_layers: int = 8,
        layer_features: int | None = None,
        embed_features: int | None = None,
        lr_multiplier: float = 0.01,
        w_avg_beta: float | None = 0.998,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.c_dim = c_dim
        self.w_dim = w_dim
        self.num_ws = num_ws
        self.num_layers = num_layers
        self.w_avg_beta = w_avg_beta
        embed_features = embed_features or w_dim
        layer_features = layer_features or w_dim
        if c_dim > 0:
            self.embed = FullyConnectedLayer(c_dim, embed_features)
        features = [z_dim + (embed_features if c_dim > 0 else 0)] + [layer_features] * (num_layers - 1) + [w_dim]
        for i in range(num_layers):
            layer = FullyConnectedLayer(features[i], features[i + 1], activation="lrelu", lr_multiplier=lr_multiplier)
            setattr(self, f"fc{i}", layer)
        if num_ws is not None and w_avg_beta is not None:
            self.register_buffer("w_avg", torch.zeros(w_dim))
        self.w_avg: Tensor

    def forward(
        self,
        z: Tensor | None,
        c: Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
        skip_w_avg_update: bool = True,
    ) -> Tensor:
        """Styles (N, num_ws, w_dim), or (N, w_dim) where `num_ws` is None.

        Args:
            z: latents (N, z_dim); None for a label network.
            c: labels (N, c_dim); None for an unconditional network.
            truncation_psi, truncation_cutoff: see `truncate`.
            update_emas: update the running average `w_avg` with the mean of these styles, as training does.
            skip_w_avg_update: the opposite, under NVIDIA's older name: False updates `w_avg` in training mode.

        Raises:
            ValueError: if z or c has the wrong shape, or a conditional network is given no c.
        """
        x = None
        if self.z_dim > 0:
            if z is None or z.ndim != 2 or z.shape[1] != self.z_dim:
                shape = "none" if z is None else tuple(z.shape)
                raise ValueError(f"The mapping network takes z of shape (N, {self.z_dim}); it was given {shape}.")
            x = normalize_2nd_moment(z.float())
        if self.c_dim > 0:
            if c is None or c.ndim != 2 or c.shape[1] != self.c_dim:
                shape = "none" if c is None else tuple(c.shape)
                raise ValueError(f"This network is conditional: give c of shape (N, {self.c_dim}), not {shape}.")
            y = normalize_2nd_moment(self.embed(c.float()))
            x = y if x is None else torch.cat([x, y], dim=1)
        assert x is not None
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        update = update_emas or (self.training and not skip_w_avg_update)
        if update and self.w_avg_beta is not None:
            self.w_avg.copy_(x.detach().mean(dim=0).lerp(self.w_avg, self.w_avg_beta))
        if self.num_ws is None:
            return x
        ws = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        return truncate(ws, self.w_avg, truncation_psi, truncation_cutoff) if truncation_psi != 1 else ws
