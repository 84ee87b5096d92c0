"""Networks that grow: of more pixels, longer in z and w, and wider."""

from dataclasses import replace

import pytest
import torch

from stylegan.training.growth import grow_into
from stylegan.training.networks import new_generator, weights_from
from stylegan.training.options import TrainingOptions

TINY = TrainingOptions(resolution=16, w_dim=16, channel_base=128, channel_max=16, mapping_layers=3)
WIDE = replace(TINY, z_dim=128, w_dim=24, channel_base=256, channel_max=24, mapping_features=40)


def latents(n: int) -> torch.Tensor:
    """Latents (n, 128) whose halves have a mean square of 1 each."""
    halves = torch.randn(n, 2, 64, generator=torch.Generator().manual_seed(0))
    return (halves / halves.square().mean(2, keepdim=True).sqrt()).flatten(1)


def test_growing_keeps_the_picture() -> None:
    with weights_from(0):
        small = new_generator(TINY).eval()
        large = new_generator(replace(TINY, resolution=32)).eval()
    grow_into(small, large)
    z = latents(2)[:, :64]
    ours = torch.nn.functional.avg_pool2d(large(z), 2)
    assert (ours - small(z)).abs().mean() < 0.2 * small(z).std()
    with pytest.raises(ValueError, match="does not fit"):
        grow_into(small, new_generator(replace(TINY, w_dim=8)))
    with pytest.raises(ValueError, match="does not fit"):
        grow_into(small, new_generator(replace(WIDE, mapping_features=8)))


@torch.no_grad()
def test_a_longer_z_and_w_and_more_channels_keep_every_pixel() -> None:
    with weights_from(1):
        small, large = new_generator(TINY).eval(), new_generator(WIDE).eval()
    for parameter in small.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    small.mapping.w_avg.fill_(0.3)
    grow_into(small, large)
    z = latents(3)
    assert torch.allclose(large(z), small(z[:, :64]), atol=1e-4 * float(small(z[:, :64]).std()))
    # The other half of z has no say yet, but it reaches the new numbers of w.
    other = torch.cat([z[:, :64], -z[:, 64:]], 1)
    assert torch.allclose(large(other), large(z), atol=1e-4)
    ws, others = large.mapping(z)[:, 0], large.mapping(other)[:, 0]
    assert torch.allclose(ws[:, :16], others[:, :16], atol=1e-4)
    assert (ws[:, 16:] - others[:, 16:]).abs().mean() > 0.05
    # The average w modulates new feature maps by 1.
    styles = large.synthesis.b16.conv1.affine(large.mapping.w_avg[None])[0]
    assert torch.allclose(styles[len(small.synthesis.b16.conv1.affine.bias) :], torch.ones(1), atol=1e-4)


def test_new_weights_learn() -> None:
    with weights_from(1):
        small, large = new_generator(TINY), new_generator(WIDE)
    grow_into(small, large)
    large.synthesis(large.mapping(latents(3)), noise_mode="none").square().mean().backward()
    new = {
        "inputs": large.synthesis.b16.conv1.weight.grad[:8, 8:],
        "numbers of w": large.synthesis.b8.conv1.affine.weight.grad[:, 16:],
    }
    assert {name for name, gradient in new.items() if not bool((gradient != 0).any())} == set()
