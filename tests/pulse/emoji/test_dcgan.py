"""A DCGAN of emoji is a generator like others: searched, walked through, filmed while it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
import stylegan
from pulse.app.cli import main
from pulse.emoji.film import frames, reel_of
from stylegan.networks.dcgan import Generator
from stylegan.training.networks import weights_from


@pytest.fixture
def G() -> Generator:
    with weights_from(0):
        made = Generator(20, 16, width=4).eval()
    with torch.no_grad():
        # Weights of a fresh network draw hardly anything.
        for parameter in made.synthesis.filters:
            parameter.mul_(20)
    made.gaussian_fit = {"mean": torch.zeros(20), "std": torch.ones(20)}
    return made


@pytest.mark.parametrize("space", ["gaussianized", "z"])
def test_a_search_finds_a_picture_that_it_drew(G: Generator, space: str) -> None:
    drawn = stylegan.sample(G, [3])
    target = pulse.downsample(drawn, size=8).clamp(0, 1)
    found = pulse.search(G, target, steps=150, starts=2, seed=0, space=space, eps=0.0)
    begun = pulse.search(G, target, steps=0, starts=2, seed=0, space=space)
    assert float(found.l2) < 0.2 * float(begun.l2)
    # It stays on a sphere: of w = leaky_relu(z, 0.2), or of z itself.
    assert found.latents.shape == (1, 1, 20)
    torch.testing.assert_close(G.synthesis(found.ws), found.images * 2 - 1, atol=1e-4, rtol=0)


def test_the_published_search_walks_on_the_sphere_of_z(G: Generator) -> None:
    space = pulse.latent_space(G)
    v = torch.randn(5, 1, 20)
    torch.testing.assert_close(torch.nn.functional.leaky_relu(space.to_ws(v), 5), v)


def test_a_morph_goes_through_it(G: Generator) -> None:
    walked = list(pulse.morph(G, seeds=[1, 2], frames=3))
    torch.testing.assert_close(walked[0], stylegan.sample(G, [1])[0], atol=1e-5, rtol=0)


def test_a_morph_goes_from_one_search_result_to_another(tmp_path: Path) -> None:
    G = stylegan.load("aimoji")
    assert G.name == "aimoji"
    target = pulse.downsample(stylegan.sample(G, [3, 4]), size=8).clamp(0, 1)
    found = pulse.search("aimoji", target, steps=2, seed=0)
    for number in range(2):
        found[number].save(tmp_path / f"{number}.safetensors")
    between = [str(tmp_path / f"{number}.safetensors") for number in range(2)]
    assert main(["morph", *between, "-o", str(tmp_path / "between.png"), "--frames", "3"]) == 0
    with Image.open(tmp_path / "between.png") as film:
        assert (film.size, film.n_frames) == ((64, 64), 3)  # type: ignore[attr-defined]
        first = np.asarray(film.convert("RGB")) / 255
    np.testing.assert_allclose(first, found.images[0].permute(1, 2, 0).numpy(), atol=0.01)


def test_the_commands_train_film_and_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    for number in range(16):
        Image.new("RGB", (16, 16), (number * 16, 90, 255 - number * 16)).save(tmp_path / "data" / f"{number:02}.png")
    run = tmp_path / "run"
    command = ["aimoji", "train", str(tmp_path / "data"), "-o", str(run), "--resolution", "16", "--width", "2"]
    assert main([*command, "--batch-size", "8", "--epochs", "3", "--z-dim", "8"]) == 0
    assert {"fakes_000002.png", "fakes_000004.png", "fakes_000006.png", "reals.png"} <= {p.name for p in run.iterdir()}
    film = tmp_path / "film.gif"
    capsys.readouterr()
    assert main(["aimoji", "film", str(run), "-o", str(film)]) == 0
    assert capsys.readouterr().out == f"{film}  2 frames\n"
    with Image.open(film) as picture:
        assert picture.size == (2 * 4 * 16, 2 * 4 * 16)
    stream = ["aimoji", "film", str(run), "-o", str(tmp_path / "stream.png"), "--show", "fresh", "--scale", "3"]
    assert main(stream) == 0
    with Image.open(tmp_path / "stream.png") as picture:
        # Six steps, eight pictures each.
        assert (picture.size, picture.n_frames) == ((48, 48), 48)  # type: ignore[attr-defined]
    found = tmp_path / "found"
    assert main(["search", str(tmp_path / "data" / "03.png"), "-o", str(found), "--generator", str(run)]) == 0
    assert (found / "03.png").exists()
    capsys.readouterr()
    assert main(["aimoji", "film", str(tmp_path), "-o", str(tmp_path / "x.gif")]) == 2
    assert "holds no run that can be read" in capsys.readouterr().err
    assert main(["aimoji", "film", str(run), "-o", str(tmp_path / "x.gif"), "--show", "all"]) == 2
    assert main([*command, "--batch-size", "8", "--z-dim", "8", "--no-film", "-o", str(tmp_path / "b")]) == 0
    assert main(["aimoji", "film", str(tmp_path / "b"), "-o", str(tmp_path / "x.gif")]) == 2
    assert "has kept no pictures for a film" in capsys.readouterr().err


def test_pixels_are_repeated_and_not_blurred(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "run.json").write_text('{"method": "dcgan", "options": {"resolution": 8, "batch_size": 2}}')
    row = np.random.default_rng(0).integers(1, 256, (2, 3, 8, 8), dtype=np.uint8)
    (tmp_path / "film" / "fresh.u8").write_bytes(row.tobytes())
    first, second = frames(reel_of(tmp_path, "fresh"), "fresh", 2)
    assert torch.equal(first[:, 1::2, ::2], torch.from_numpy(row[0]))
    assert torch.equal(second[:, ::2, 1::2], torch.from_numpy(row[1]))
