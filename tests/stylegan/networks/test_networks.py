"""What every generator and discriminator promises, whatever its architecture."""

import pytest
import torch

from stylegan import Discriminator
from stylegan.networks import stylegan1
from stylegan.networks.stylegan2 import Generator

SMALL = {"channel_base": 256, "channel_max": 16}


def _stylegan2(architecture: str = "skip", c_dim: int = 0, **options: object) -> Generator:
    torch.manual_seed(0)
    return Generator(8, c_dim, 12, 32, synthesis_kwargs={"architecture": architecture, **SMALL, **options}).eval()


def _stylegan1() -> stylegan1.Generator:
    torch.manual_seed(0)
    return stylegan1.Generator(8, 12, 32, synthesis_kwargs=SMALL).eval()


def _generators() -> list[Generator | stylegan1.Generator]:
    return [*(_stylegan2(name) for name in ("skip", "resnet", "orig")), _stylegan1()]


def _awaken(generator: torch.nn.Module) -> None:
    """Noise strengths and biases start at zero; give them values so that they can be seen."""
    for name, parameter in generator.named_parameters():
        if name.endswith(("noise_strength", ".bias")):
            torch.nn.init.normal_(parameter)


@pytest.mark.parametrize("generator", _generators(), ids=lambda g: f"{g.architecture}-{len(g.noise_shapes)}")
def test_calling_convention(generator: Generator | stylegan1.Generator) -> None:
    assert (generator.z_dim, generator.w_dim, generator.num_ws) == (8, 12, 8)
    assert (generator.img_resolution, generator.img_channels) == (32, 3)
    z = torch.randn(3, 8)
    ws = generator.mapping(z)
    assert ws.shape == (3, 8, 12)
    image = generator(z, noise_mode="const")
    assert image.shape == (3, 3, 32, 32)
    assert image.dtype == torch.float32
    assert torch.equal(image, generator.synthesis(ws, noise_mode="const"))
    assert generator.synthesis(ws[:0]).shape == (0, 3, 32, 32)


@pytest.mark.parametrize("generator", _generators(), ids=lambda g: f"{g.architecture}-{len(g.noise_shapes)}")
def test_a_batch_gives_what_each_image_alone_gives(generator: Generator | stylegan1.Generator) -> None:
    _awaken(generator)
    z = torch.randn(4, 8)
    batch = generator(z)
    for i in range(4):
        assert torch.allclose(batch[i : i + 1], generator(z[i : i + 1]), atol=1e-4)
    assert (batch[0] - batch[1]).abs().max() > 1e-2


@pytest.mark.parametrize("generator", _generators(), ids=lambda g: f"{g.architecture}-{len(g.noise_shapes)}")
def test_every_style_and_noise_map_is_used(generator: Generator | stylegan1.Generator) -> None:
    _awaken(generator)
    ws = generator.mapping(torch.randn(1, 8)).detach().requires_grad_()
    noise = [torch.randn(1, 1, h, w, requires_grad=True) for h, w in generator.noise_shapes]
    gradients = torch.autograd.grad(generator.synthesis(ws, noise=noise).square().sum(), [ws, *noise])
    assert (gradients[0][0].abs().amax(dim=1) > 0).all()
    # Instance norm takes the mean away again at 4 px and above, but never all of a random map.
    assert all(gradient.abs().max() > 0 for gradient in gradients[1:])


def test_noise_modes() -> None:
    generator = _stylegan2()
    _awaken(generator)
    ws = generator.mapping(torch.randn(1, 8))
    assert torch.equal(generator.synthesis(ws, noise_mode="const"), generator.synthesis(ws, noise_mode="const"))
    assert not torch.equal(generator.synthesis(ws, noise_mode="random"), generator.synthesis(ws, noise_mode="random"))
    zeros = [torch.zeros(1, 1, h, w) for h, w in generator.noise_shapes]
    assert torch.equal(generator.synthesis(ws, noise_mode="none"), generator.synthesis(ws, noise=zeros))


@pytest.mark.parametrize("generator", [_stylegan2(), _stylegan1()], ids=["stylegan2", "stylegan1"])
def test_truncation_moves_the_first_styles_towards_the_average(generator: Generator | stylegan1.Generator) -> None:
    torch.nn.init.normal_(generator.mapping.w_avg)
    z = torch.randn(2, 8)
    full, none = generator.mapping(z), generator.mapping(z, truncation_psi=0, truncation_cutoff=3)
    assert torch.allclose(none[:, :3], generator.mapping.w_avg.expand(2, 3, 12))
    assert torch.equal(none[:, 3:], full[:, 3:])
    half = generator.mapping(z, truncation_psi=0.5)
    assert torch.allclose(half, (full + generator.mapping.w_avg) / 2, atol=1e-6)


def test_conditional_generator_listens_to_its_label() -> None:
    generator = _stylegan2(c_dim=3)
    z = torch.randn(1, 8)
    labels = torch.eye(3)
    assert not torch.allclose(generator(z, labels[:1]), generator(z, labels[1:2]))
    with pytest.raises(ValueError, match="conditional"):
        generator(z)


@pytest.mark.parametrize("architecture", ["resnet", "skip", "orig"])
@pytest.mark.parametrize("c_dim", [0, 3])
def test_discriminator(architecture: str, c_dim: int) -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(c_dim, 32, architecture=architecture, **SMALL)
    images = torch.randn(4, 3, 32, 32, requires_grad=True)
    c = torch.eye(3)[[0, 1, 2, 0]] if c_dim else None
    logits = discriminator(images, c)
    assert logits.shape == (4, 1)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert all(p.grad is not None for n, p in discriminator.named_parameters() if n.endswith("weight"))


def test_half_precision_blocks_stay_close() -> None:
    generator = _stylegan2(num_fp16_res=2, conv_clamp=256)
    ws = generator.mapping(torch.randn(2, 8))
    exact, half = generator.synthesis(ws), generator.synthesis(ws, half_dtype=torch.bfloat16)
    assert half.dtype == torch.float32
    assert 0 < (exact - half).abs().max() < 0.1 * exact.abs().max()
    assert torch.equal(exact, generator.synthesis(ws, half_dtype=torch.bfloat16, force_fp32=True))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda g: g.mapping(torch.zeros(1, 7)), r"takes z of shape \(N, 8\)"),
        (lambda g: g.synthesis(torch.zeros(1, 7, 12)), r"takes styles of shape \(N, 8, 12\)"),
        (lambda g: g.synthesis(torch.zeros(1, 8, 12), noise=[]), "noise maps"),
        (lambda g: g.synthesis(torch.zeros(1, 8, 12), noise_mode="loud"), "no noise_mode 'loud'"),
        (lambda g: Generator(8, 0, 8, 48), "power of two"),
        (lambda g: _stylegan2("spiral"), "no StyleGAN2 architecture 'spiral'"),
    ],
)
def test_wrong_input_is_named(call: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call(_stylegan2())  # type: ignore[operator]


def test_four_images_cost_less_than_six_times_one() -> None:
    """Grouped convolutions per sample take 15 times as long for four images; the margin here is for noisy machines."""
    from time import perf_counter

    torch.manual_seed(0)
    generator = Generator(64, 0, 64, 128, synthesis_kwargs={"channel_base": 4096}).eval()

    def best_of_five(n: int) -> float:
        ws = torch.randn(n, generator.num_ws, 64)
        times = []
        with torch.no_grad():
            generator.synthesis(ws)
            for _ in range(5):
                begun = perf_counter()
                generator.synthesis(ws)
                times.append(perf_counter() - begun)
        return min(times)

    assert best_of_five(4) < 6 * best_of_five(1)
