"""`light_gradients`: the same gradients, and less memory until the backward pass."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks.timing import largest_allocation
from stylegan.common.memory import give_back
from stylegan.networks import light
from stylegan.networks.light import convolution, light_gradients
from stylegan.networks.stylegan1 import Generator


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def generator() -> Generator:
    """StyleGAN1 of 128 px, which has all kinds of layers."""
    torch.manual_seed(0)
    return Generator(8, 16, 128, synthesis_kwargs={"channel_max": 16}).eval().requires_grad_(False)


def gradient_and_kept(G: Generator, half: bool) -> tuple[torch.Tensor, torch.Tensor, int]:
    """An image, the gradient of a part of it to the styles, and the bytes that were kept for that."""
    ws = draw(2, G.num_ws, 16).requires_grad_()
    kept: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    weights = {p.untyped_storage().data_ptr() for p in G.parameters()}
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x),
        torch.autocast("cpu", torch.bfloat16, enabled=half, cache_enabled=False),
    ):
        images = G.synthesis(ws)
    total = sum(size for at, size in kept.items() if at not in weights)
    (gradient,) = torch.autograd.grad((images.float() * draw(*images.shape, seed=1)).sum(), ws)
    return images.detach(), gradient, total


def test_light_gradients_are_the_same_and_keep_less(generator):
    images, gradient, kept = gradient_and_kept(generator, half=False)
    with light_gradients():
        again, light_gradient, light_kept = gradient_and_kept(generator, half=False)
    assert torch.equal(again, images)
    torch.testing.assert_close(light_gradient, gradient, atol=1e-4 * float(gradient.abs().max()), rtol=1e-4)
    assert light_kept < 0.62 * kept


def test_light_gradients_are_as_good_in_half_precision_and_keep_less(generator):
    _, exact, _ = gradient_and_kept(generator, half=False)
    _, gradient, kept = gradient_and_kept(generator, half=True)
    with light_gradients():
        _, light_gradient, light_kept = gradient_and_kept(generator, half=True)
    assert (light_gradient - exact).norm() < 1.5 * (gradient - exact).norm()
    assert light_kept < 0.62 * kept


def test_a_look_is_the_same_to_the_last_bit(generator):
    ws = draw(1, generator.num_ws, 16)
    with torch.no_grad():
        plain = generator.synthesis(ws)
        with light_gradients():
            assert torch.equal(generator.synthesis(ws), plain)


@pytest.mark.parametrize("doubled", [False, True])
def test_a_light_convolution_has_two_derivatives(doubled):
    kernel = draw(3, 2, 4, 4).double() if doubled else draw(2, 3, 3, 3).double()
    x = draw(1, 3, 4, 4, seed=1).double().requires_grad_()

    def cubed(x: torch.Tensor) -> torch.Tensor:
        with light_gradients():
            return convolution(x, lambda dtype=None: kernel, draw(2).double(), padding=1, doubled=doubled) ** 3

    assert torch.autograd.gradcheck(cubed, x)
    assert torch.autograd.gradgradcheck(cubed, x)


def test_large_layers_begin_with_what_small_ones_freed(generator, monkeypatch):
    asked = []
    monkeypatch.setattr(light, "give_back", lambda: asked.append(True))
    monkeypatch.setattr(light, "_LARGE", 128**2)
    ws = draw(1, generator.num_ws, 16).requires_grad_()
    generator.synthesis(ws)
    assert not asked
    with light_gradients():
        images = generator.synthesis(ws)
    # The second layer of 128 px and the colours, forward; both and the first layer, backward.
    assert len(asked) == 2
    images.sum().backward()
    assert len(asked) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process has")
def test_freed_memory_goes_back_to_the_system():
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    blocks = [bytearray(b"x" * 64_000) for _ in range(1000)]
    # Blocks that stay keep the C library from returning those below.
    pins = blocks[::16]
    blocks.clear()
    before = resident()
    give_back()
    assert resident() < before - 30_000_000
    assert len(pins) == 63


def test_a_look_holds_the_input_and_the_output_of_a_convolution_and_nothing_else(generator):
    ws = draw(1, generator.num_ws, 16)
    with torch.no_grad():
        generator.synthesis(ws)
        peak = largest_allocation(lambda: generator.synthesis(ws), "cpu")
    # The largest maps, of 128 px, have 16 channels.
    assert peak < 2.5 * 16 * 128**2 * 4


def test_coarse_images_are_those_of_the_network_drawn_small():
    torch.manual_seed(0)
    G = Generator(8, 16, 128, synthesis_kwargs={"channel_max": 16}).eval().requires_grad_(False)
    ws = draw(2, G.num_ws, 16)
    noise = [draw(2, 1, h, w, seed=h) for h, w in G.noise_shapes]
    assert torch.equal(G.synthesis.coarse(ws, 128, noise=noise), G.synthesis(ws, noise=noise))
    whole = torch.nn.functional.avg_pool2d(G.synthesis(ws, noise=noise), 8)
    off = []
    for size in (16, 32, 64):
        drawn = G.synthesis.coarse(ws, size, noise=noise)
        assert drawn.shape == (2, 3, size, size)
        off.append(float((torch.nn.functional.avg_pool2d(drawn, size // 16) - whole).square().mean() / whole.var()))
    assert off[2] < off[1] < off[0]
    assert off[2] < 0.1


def test_coarse_images_have_noise_as_strong_as_that_of_the_network():
    torch.manual_seed(0)
    G = Generator(8, 16, 64, synthesis_kwargs={"channel_max": 16}).eval().requires_grad_(False)
    for resolution in G.synthesis.block_resolutions:
        for layer in getattr(G.synthesis, f"b{resolution}").children():
            layer.noise_strength.fill_(3.0)
    ws = draw(1, G.num_ws, 16).requires_grad_()
    noise = [draw(1, 1, h, w, seed=h).requires_grad_() for h, w in G.noise_shapes]
    G.synthesis.coarse(ws, 16, noise=noise).square().sum().backward()
    # Of the largest, every fourth number in each direction is seen.
    seen = noise[-1].grad[0, 0] != 0
    assert seen[::4, ::4].all()
    assert int(seen.sum()) == 16 * 16
