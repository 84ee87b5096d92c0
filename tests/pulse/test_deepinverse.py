"""DeepInverse's physics as the operator of a search (https://deepinv.github.io)."""

from __future__ import annotations

import pytest
import torch

import pulse
from pulse.operators import Downsampler, Grey, check_adjoint

try:
    from deepinv import physics
except (ImportError, RuntimeError) as error:
    # It imports torchvision, which raises RuntimeError when it was built for another PyTorch.
    pytest.skip(f"deepinv cannot be imported ({error})", allow_module_level=True)


def some_physics() -> dict[str, physics.LinearPhysics]:
    mask = torch.ones(1, 32, 32)
    mask[:, 8:20, 8:20] = 0
    return {
        "downsampling": physics.Downsampling(img_size=(3, 32, 32), factor=4, filter="bicubic"),
        "inpainting": physics.Inpainting(img_size=(3, 32, 32), mask=mask),
        "blur": physics.Blur(filter=torch.ones(1, 1, 5, 5) / 25, padding="circular"),
        "composed": physics.Downsampling(img_size=(3, 32, 32), factor=4, filter="bicubic")
        * physics.Blur(filter=torch.ones(1, 1, 5, 5) / 25, padding="circular"),
    }


@pytest.mark.parametrize("name", ["downsampling", "inpainting", "blur", "composed"])
def test_their_physics_are_operators(name, stand_in):
    operator = some_physics()[name]
    check_adjoint(operator, (2, 3, 32, 32), torch.float32)
    G = stand_in()
    with torch.no_grad():
        z = torch.randn(2, G.z_dim, generator=torch.Generator().manual_seed(1))
        target = operator.A(((G.synthesis(G.mapping(z)) + 1) / 2).clamp(0, 1))
    result = pulse.search(G, target, operator=operator, steps=60, seed=0)
    assert result.downsampled.shape == target.shape
    torch.testing.assert_close(result.downsampled, operator.A(result.images), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.l2, (operator.A(result.images) - target).square().flatten(1).mean(1))
    assert (result.l2 < 0.3 * result.history["l2"][:, 0]).all()


def test_their_physics_compose_with_ours():
    blur = some_physics()["blur"]
    for operator in (Downsampler((32, 32), (8, 8)) @ blur, Grey() @ blur):
        check_adjoint(operator, (1, 3, 32, 32), torch.float32)
