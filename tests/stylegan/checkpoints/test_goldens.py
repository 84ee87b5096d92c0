"""Both generations of generator against what their reference implementations gave."""

from pathlib import Path

import numpy as np
import pytest
import torch

import stylegan
from stylegan.networks.stylegan2 import Generator

DATA = Path(__file__).parents[2] / "data"


def _error(ours: torch.Tensor, golden: np.ndarray) -> float:
    return float((ours.detach() - torch.from_numpy(golden)).abs().max() / np.abs(golden).max())


def _ada_networks() -> tuple[Generator, stylegan.Discriminator]:
    common = {"channel_base": 1024, "channel_max": 16, "conv_clamp": 256, "num_fp16_res": 4}
    generator = Generator(64, 0, 64, 64, mapping_kwargs={"num_layers": 8}, synthesis_kwargs=common)
    discriminator = stylegan.Discriminator(0, 64, epilogue_kwargs={"mbstd_group_size": 2}, **common)
    state = {k: torch.from_numpy(v) for k, v in np.load(DATA / "nvidia_ada_64_state.npz").items()}
    generator.load_state_dict({k[2:]: v for k, v in state.items() if k.startswith("G.")})
    keep = discriminator.state_dict().keys()
    discriminator.load_state_dict({k[2:]: v for k, v in state.items() if k.startswith("D.") and k[2:] in keep})
    return generator, discriminator


@pytest.fixture(scope="module")
def ada() -> dict[str, np.ndarray]:
    return dict(np.load(DATA / "nvidia_ada_64.npz"))


def test_stylegan2_mapping(ada: dict[str, np.ndarray]) -> None:
    generator, _ = _ada_networks()
    z = torch.from_numpy(ada["z"])
    assert _error(generator.mapping(z), ada["ws_of_z"]) < 1e-4
    truncated = generator.mapping(z, truncation_psi=0.5, truncation_cutoff=4)
    assert _error(truncated, ada["ws_of_z_truncated_half_cutoff4"]) < 1e-4


def test_stylegan2_images_and_gradient(ada: dict[str, np.ndarray]) -> None:
    generator, _ = _ada_networks()
    ws = torch.from_numpy(ada["ws"]).requires_grad_()
    image = generator.synthesis(ws, noise_mode="const", force_fp32=True)
    assert _error(image, ada["image_const_noise"]) < 1e-4
    (gradient,) = torch.autograd.grad(image.square().mean(), ws)
    assert _error(gradient, ada["ws_grad_of_mean_square"]) < 1e-4
    assert _error(generator.synthesis(ws, noise_mode="none", force_fp32=True), ada["image_no_noise"]) < 1e-4


def test_stylegan2_discriminator(ada: dict[str, np.ndarray]) -> None:
    _, discriminator = _ada_networks()
    logits = discriminator(torch.from_numpy(ada["image_const_noise"]), force_fp32=True)
    assert _error(logits, ada["discriminator_of_image"]) < 1e-4


@pytest.fixture(scope="module")
def pulse_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pulse")
    for name, golden in (("synthesis", "pulse_synthesis_128"), ("mapping", "pulse_mapping")):
        (folder / f"{name}.pt").write_bytes((DATA / f"{golden}.pt").read_bytes())
    (folder / "gaussian_fit.pt").write_bytes((DATA / "pulse_gaussian_fit.pt").read_bytes())
    return folder


def test_stylegan1_in_pulse_s_files(pulse_folder: Path, tmp_path: Path) -> None:
    golden = dict(np.load(DATA / "pulse_stylegan1.npz"))
    loaded = stylegan.load(pulse_folder)
    assert loaded.gaussian_fit is not None
    assert loaded.gaussian_fit["std"].shape == (512,)
    stylegan.save(loaded, tmp_path / "again.safetensors")
    for generator in (loaded, stylegan.load(tmp_path / "again.safetensors")):
        assert _error(generator.mapping(torch.from_numpy(golden["z"]))[:, 3], golden["w"]) < 1e-4
        ws = torch.from_numpy(golden["ws"]).requires_grad_()
        noise = [torch.from_numpy(golden[f"noise{i}"]) for i in range(12)]
        image = generator.synthesis(ws, noise=noise)
        assert _error(image, golden["image"]) < 1e-4
        (gradient,) = torch.autograd.grad(image.square().mean(), ws)
        assert _error(gradient, golden["ws_grad_of_mean_square"]) < 1e-4
