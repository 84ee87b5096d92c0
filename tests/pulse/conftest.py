"""The fixtures `stand_in`, a generator small enough to search in milliseconds, `few_renderings`, for quick fits, and
`own_studies_and_one_thread`, for the method "fast"."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from pulse import fit_portrait
from stylegan.common.processes import with_threads


class _Mapping(nn.Module):
    def __init__(self, dim: int, num_ws: int) -> None:
        super().__init__()
        self.num_ws = num_ws
        self.layer = nn.Linear(dim, dim)
        self.register_buffer("w_avg", torch.zeros(dim))

    def forward(self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1) -> Tensor:
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        w = nn.functional.leaky_relu(self.layer(z), 0.2)
        return w.unsqueeze(1).expand(-1, self.num_ws, -1)


class _StandIn(nn.Module):
    """Two upsampling layers, each with its style and its noise; `poison` gives NaN for rows that it is true for."""

    z_dim = w_dim = 16
    c_dim = 0
    num_ws = 4
    img_channels = 3
    noise_shapes = ((4, 4), (8, 8))

    def __init__(self, img_resolution: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.img_resolution = img_resolution
        self.gaussian_fit: dict[str, Tensor] | None = None
        self.mapping = _Mapping(self.w_dim, self.num_ws)
        self.styles = nn.ModuleList(nn.Linear(self.w_dim, 12 * 16) for _ in range(self.num_ws))
        self.colours = nn.Conv2d(12, 3, 1)
        self.poison = lambda ws: torch.zeros(len(ws), dtype=torch.bool)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) / max(1, p[0].numel()) ** 0.5)
        self.gaussian_fit = {"mean": torch.zeros(self.w_dim), "std": torch.ones(self.w_dim)}

    def synthesis(self, ws: Tensor, noise_mode: str = "const", noise: list[Tensor] | None = None) -> Tensor:
        x = sum(style(ws[:, i]) for i, style in enumerate(self.styles))
        x = x.view(-1, 12, 4, 4)
        if noise:
            x = x + 0.1 * noise[0]
        x = nn.functional.interpolate(x.tanh(), scale_factor=2, mode="bilinear")
        if noise:
            x = x + 0.1 * noise[1]
        x = nn.functional.interpolate(self.colours(x), size=self.img_resolution, mode="bilinear")
        return x.masked_fill(self.poison(ws).view(-1, 1, 1, 1), float("nan"))


@pytest.fixture
def stand_in() -> type[_StandIn]:
    return _StandIn


@pytest.fixture(scope="module")
def few_renderings() -> Iterator[None]:
    """A start and two steps: for modules to which it does not matter how near an answer is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_portrait, "_SCREENED", {"people": 4, "any": 4})
        patch.setattr(fit_portrait, "_STEPS", 1)
        patch.setattr(fit_portrait, "_TURNS", 1)
        yield


@pytest.fixture
def own_studies_and_one_thread(tmp_path, monkeypatch):
    """For the method "fast": nothing is known of a generator, and no rows are shared out to threads."""
    # The package has a function of that name.
    prepare = importlib.import_module("pulse.fast.prepare")
    monkeypatch.setattr(prepare, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(prepare, "_remembered", {})
    with with_threads(1):
        yield
