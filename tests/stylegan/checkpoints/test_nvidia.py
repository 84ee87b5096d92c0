"""Pickles of NVIDIA's PyTorch repositories."""

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import stylegan
from benchmarks import structured_trees
from benchmarks.loading import measure
from stylegan import CheckpointError, Discriminator
from stylegan.checkpoints.loading import read
from stylegan.networks.stylegan2 import Generator
from tests.stylegan.checkpoints.nvidia_writer import write_nvidia

DATA = Path(__file__).parents[2] / "data"
SMALL = {"channel_base": 128, "channel_max": 12}


def error(ours: torch.Tensor, golden: np.ndarray) -> float:
    return float((ours.detach() - torch.from_numpy(golden)).abs().max() / np.abs(golden).max())


@pytest.mark.parametrize("name", ["nvidia_ada_64", "nvidia_sg3repo_64"])
def test_goldens(name: str) -> None:
    golden = dict(np.load(DATA / f"{name}.npz"))
    generator = stylegan.load(DATA / f"{name}.pkl")
    z = torch.from_numpy(golden["z"])
    assert error(generator.mapping(z), golden["ws_of_z"]) < 1e-4
    truncated = generator.mapping(z, truncation_psi=0.5, truncation_cutoff=4)
    assert error(truncated, golden["ws_of_z_truncated_half_cutoff4"]) < 1e-4
    ws = torch.from_numpy(golden["ws"]).requires_grad_()
    image = generator.synthesis(ws, noise_mode="const", force_fp32=True)
    assert error(image, golden["image_const_noise"]) < 1e-4
    (gradient,) = torch.autograd.grad(image.square().mean(), ws)
    assert error(gradient, golden["ws_grad_of_mean_square"]) < 1e-4
    assert error(generator.synthesis(ws, noise_mode="none", force_fp32=True), golden["image_no_noise"]) < 1e-4
    discriminator = stylegan.load(DATA / f"{name}.pkl", which="D")
    logits = discriminator(torch.from_numpy(golden["image_const_noise"]), force_fp32=True)
    assert error(logits, golden["discriminator_of_image"]) < 1e-4


def _awake(network: Any) -> Any:
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    for buffer in (b for n, b in network.named_buffers() if n.endswith(("w_avg", "noise_const"))):
        torch.nn.init.normal_(buffer)
    return network.eval()


GENERATORS: dict[str, tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]] = {
    "small": ((8, 0, 6, 16), {"num_layers": 2}, {}),
    "conditional": ((8, 5, 6, 32), {"num_layers": 3}, {"num_fp16_res": 2, "conv_clamp": 256}),
    "unusual mapping": ((7, 3, 6, 16), {"layer_features": 10, "embed_features": 4, "lr_multiplier": 0.1}, {}),
    "resnet": ((8, 0, 8, 16), {}, {"architecture": "resnet", "conv_clamp": 0.5}),
    "orig, grey": ((8, 0, 8, 16, 1), {"w_avg_beta": None}, {"architecture": "orig"}),
    "four colours, 4 px": ((8, 0, 8, 4, 4), {}, {}),
    "other filter": ((8, 0, 8, 32), {}, {"resample_filter": [1, 2, 1]}),
    "long filter": ((8, 0, 8, 16), {}, {"resample_filter": [1, 8, 28, 56, 70, 56, 28, 8, 1]}),
    "odd widths": ((8, 0, 8, 32), {}, {"channels": [3, 9, 5, 7]}),
}


@pytest.mark.parametrize("repository", ["ada", "stylegan3"])
@pytest.mark.parametrize("name", GENERATORS)
def test_generators_of_other_settings(name: str, repository: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    arguments, mapping, synthesis = GENERATORS[name]
    original = _awake(Generator(*arguments, mapping_kwargs=mapping, synthesis_kwargs=SMALL | synthesis))
    write_nvidia(tmp_path / "n.pkl", {"G": None, "D": None, "G_ema": original}, repository)
    loaded = stylegan.load(tmp_path / "n.pkl")
    z, c = torch.randn(2, original.z_dim), torch.eye(max(original.c_dim, 2))[:2, : original.c_dim]
    psi = 1 if mapping.get("w_avg_beta", 1) is None else 0.6
    with torch.no_grad():
        expected = original(z, c, truncation_psi=psi)
        assert torch.allclose(loaded(z, c, truncation_psi=psi), expected, atol=1e-5 * float(expected.abs().max()))
    half = [getattr(loaded.synthesis, f"b{r}").low_precision for r in loaded.synthesis.block_resolutions]
    assert half == [getattr(original.synthesis, f"b{r}").low_precision for r in original.synthesis.block_resolutions]
    stylegan.save(loaded, tmp_path / "n.safetensors")
    with torch.no_grad():
        assert torch.equal(stylegan.load(tmp_path / "n.safetensors")(z, c), loaded(z, c))
    with pytest.raises(CheckpointError, match="holds no network D; it has G_ema"):
        stylegan.load(tmp_path / "n.pkl", which="D")


DISCRIMINATORS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "small": ((0, 16), {"conv_clamp": 256, "num_fp16_res": 1}),
    "conditional": ((5, 32), {"mapping_kwargs": {"num_layers": 2}}),
    "conditional, narrow": ((5, 16), {"cmap_dim": 7}),
    "skip": ((0, 32), {"architecture": "skip"}),
    "orig, grey": ((0, 16, 1), {"architecture": "orig"}),
    "one group": ((0, 16), {"epilogue_kwargs": {"mbstd_group_size": None, "mbstd_num_channels": 3}}),
    "no statistics": ((0, 16), {"epilogue_kwargs": {"mbstd_num_channels": 0}}),
    "other filter": ((0, 16), {"resample_filter": [1, 2, 1]}),
}


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_of_other_settings(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    arguments, options = DISCRIMINATORS[name]
    original = _awake(Discriminator(*arguments, **({"channel_base": 144, "channel_max": 12} | options)))
    write_nvidia(tmp_path / "n.pkl", {"D": original})
    loaded = stylegan.load(tmp_path / "n.pkl", which="D")
    images = torch.randn(4, original.img_channels, original.img_resolution, original.img_resolution)
    c = torch.eye(max(original.c_dim, 4))[:4, : original.c_dim]
    assert torch.allclose(loaded(images, c), original(images, c), rtol=1e-4)
    stylegan.save(loaded, tmp_path / "d.safetensors")
    assert torch.equal(stylegan.load(tmp_path / "d.safetensors", which="D")(images, c), loaded(images, c))


def test_a_network_without_noise(tmp_path: Path) -> None:
    original = _awake(Generator(8, 0, 8, 8, synthesis_kwargs=SMALL))
    z = torch.randn(1, 8)
    expected = original(z, noise_mode="none")
    layers = (original.synthesis.b4.conv1, original.synthesis.b8.conv0, original.synthesis.b8.conv1)
    for layer in layers:
        del layer.noise_strength, layer.noise_const
    write_nvidia(tmp_path / "n.pkl", {"G_ema": original})
    with pytest.raises(CheckpointError, match="lacks synthesis"):
        stylegan.load(tmp_path / "n.pkl")
    for layer in layers:
        layer.use_noise = False
    write_nvidia(tmp_path / "n.pkl", {"G_ema": original})
    assert torch.allclose(stylegan.load(tmp_path / "n.pkl")(z), expected, rtol=1e-4)


def _rewrite(tmp_path: Path, change: Any) -> Path:
    """A small file after `change` has been made to the attributes of its modules, by name."""
    original = Generator(8, 0, 8, 16, synthesis_kwargs=SMALL)
    for name, module in original.named_modules():
        change(name, module)
    write_nvidia(tmp_path / "n.pkl", {"G_ema": original})
    return tmp_path / "n.pkl"


def test_an_activation_that_is_not_known_is_refused(tmp_path: Path) -> None:
    path = _rewrite(tmp_path, lambda name, m: name.endswith("b8.conv0") and setattr(m, "activation", "swish"))
    with pytest.raises(CheckpointError, match="swish"):
        stylegan.load(path)


def test_an_unknown_tensor_is_refused(tmp_path: Path) -> None:
    path = _rewrite(
        tmp_path, lambda name, m: name.endswith("b8.conv0") and m.register_buffer("surprise", torch.zeros(3))
    )
    with pytest.raises(CheckpointError, match="surprise"):
        stylegan.load(path)


@pytest.mark.parametrize("which", ["G_ema", "D"])
def test_stylegan3_is_named(which: str, tmp_path: Path) -> None:
    alias_free = torch.nn.Module()
    alias_free.synthesis = torch.nn.Module()
    alias_free.synthesis.input = torch.nn.Module()
    alias_free.synthesis.L0_36_512 = torch.nn.Linear(2, 2)
    write_nvidia(tmp_path / "n.pkl", {"G_ema": alias_free, "D": Discriminator(0, 16, **SMALL)})
    with pytest.raises(CheckpointError, match=r"StyleGAN3 \(alias-free\)"):
        stylegan.load(tmp_path / "n.pkl", which=which)


def test_what_was_passed_over_is_told() -> None:
    reading = read(DATA / "nvidia_ada_64.pkl")
    assert reading.ignored == ["G", "D", "training_set_kwargs", "module_src"]
    assert reading.network.name == "nvidia_ada_64"


def test_source_code_in_a_pickle_is_not_even_read(tmp_path: Path) -> None:
    original = Generator(8, 0, 8, 8, synthesis_kwargs=SMALL)
    write_nvidia(tmp_path / "n.pkl", {"G_ema": original})
    content = (tmp_path / "n.pkl").read_bytes()
    assert content.count(b"raise SystemExit\n" * 500) >= 1
    # Text that is not UTF-8 would be an error if anything looked at it.
    (tmp_path / "n.pkl").write_bytes(content.replace(b"raise SystemExit\n" * 500, b"\xff" * 8500))
    assert stylegan.load(tmp_path / "n.pkl").img_resolution == 8
    assert pickle.PROTO in content[:1]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's record of a process's memory")
def test_a_1024_px_file_is_held_in_memory_once(tmp_path: Path) -> None:
    options = {"num_fp16_res": 4, "conv_clamp": 256}
    write_nvidia(tmp_path / "small.pkl", {"G_ema": Generator(8, 0, 8, 16, synthesis_kwargs=SMALL)})
    write_nvidia(tmp_path / "large.pkl", {"G_ema": Generator(512, 0, 512, 1024, synthesis_kwargs=options)})
    size = (tmp_path / "large.pkl").stat().st_size
    assert size > 100_000_000
    _, grown = measure(tmp_path / "large.pkl", "stylegan.load", tmp_path / "small.pkl")
    assert 0.5 * size < grown < 1.5 * size


def test_a_generator_alone_stands_for_both(tmp_path: Path) -> None:
    original = _awake(Generator(8, 0, 8, 16, synthesis_kwargs=SMALL))
    for name in ("G", "G_ema"):
        write_nvidia(tmp_path / "n.pkl", {name: original})
        for which in ("G", "G_ema"):
            assert torch.equal(stylegan.load(tmp_path / "n.pkl", which).mapping.fc0.weight, original.mapping.fc0.weight)


def test_a_network_without_a_dictionary_around_it(tmp_path: Path) -> None:
    generator = _awake(Generator(8, 0, 8, 16, synthesis_kwargs=SMALL))
    judge = _awake(Discriminator(0, 16, **SMALL))
    for network, which in ((generator, "G_ema"), (judge, "D")):
        write_nvidia(tmp_path / "n.pkl", {"G_ema": network})
        tree = structured_trees.parse((tmp_path / "n.pkl").read_bytes())["G_ema"]
        (tmp_path / "n.pkl").write_bytes(structured_trees.Writer(random.Random(0)).write(tree))
        weights = stylegan.load(tmp_path / "n.pkl", which).state_dict()
        assert all(torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items())
