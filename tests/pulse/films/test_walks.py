"""Morphs: what each kind of source shows in its first and last frame, and the command."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import pulse
import stylegan
from pulse.app.cli import main
from pulse.films import options
from pulse.films.options import MorphOptions
from pulse.fit_portrait import to_normal
from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.networks.stylegan2 import Generator


@pytest.fixture(scope="module")
def G() -> Generator:
    torch.manual_seed(0)
    made = Generator(32, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 8}).eval()
    made.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    with torch.no_grad():
        made.mapping.w_avg.normal_()
    return made


def _frames(*source: Any, **more: Any) -> list[torch.Tensor]:
    return list(pulse.morph(*source, **more))


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_a_walk_begins_and_ends_with_the_pictures_of_its_seeds(G: Generator, space: str) -> None:
    frames = _frames(G, frames=11, seeds=[5, 9], space=space, truncation_psi=0.7)
    assert len(frames) == 11
    assert all(frame.shape == (3, 16, 16) and frame.min() >= 0 and frame.max() <= 1 for frame in frames)
    first, last = stylegan.sample(G, [5, 9], 0.7)
    if space == "w+":
        # Each layer has a latent of its own, the first that of the seed.
        assert not torch.allclose(frames[0], first, atol=1e-3)
    else:
        torch.testing.assert_close(frames[0], first, atol=1e-5, rtol=0)
        torch.testing.assert_close(frames[-1], last, atol=1e-5, rtol=0)
    assert len({tuple(frame.flatten().tolist()) for frame in frames}) == 11


def test_the_spaces_differ_between_the_seeds(G: Generator) -> None:
    z, w = (_frames(G, frames=3, seeds=[5, 9], space=space) for space in ("z", "w"))
    assert not torch.allclose(z[1], w[1], atol=1e-4)
    middle = G.mapping(torch.stack([_z(5), _z(9)]))[:, :1].mean(0, keepdim=True)
    with torch.no_grad():
        wanted = (G.synthesis(middle.expand(-1, G.num_ws, -1)) + 1) / 2
    torch.testing.assert_close(w[1], wanted[0].clamp(0, 1), atol=1e-5, rtol=0)


def _z(seed: int) -> torch.Tensor:
    import numpy as np

    return torch.from_numpy(np.random.RandomState(seed).randn(32)).float()


def test_a_grid_shows_walks_side_by_side(G: Generator) -> None:
    frames = _frames(G, frames=3, seeds=range(1, 13), grid=(3, 2))
    assert frames[0].shape == (3, 32, 48)
    torch.testing.assert_close(frames[0], grid(stylegan.sample(G, range(1, 13, 2)), 3), atol=1e-5, rtol=0)
    alone = _frames(G, frames=3, seeds=[3, 4])
    torch.testing.assert_close(frames[1][:, :16, 16:32], alone[1], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="5 seeds cannot be shared by the 2 walks of the grid 2x1; give as many"):
        pulse.morph(G, seeds=[1, 2, 3, 4, 5], grid="2x1")


def test_the_kinds_are_those_of_the_portraits() -> None:
    assert options.KINDS == portraits.KINDS


def test_random_latents_follow_the_seed(G: Generator) -> None:
    assert MorphOptions(grid="2x1", latents=2, seed=7).seeds_of_walks() == [[7, 8], [9, 10]]
    torch.testing.assert_close(_frames(G, frames=1, seed=3)[0], stylegan.sample(G, [3])[0], atol=1e-5, rtol=0)


def test_frames_are_drawn_when_they_are_asked_for(G: Generator) -> None:
    drawn: list[int] = []
    handle = G.synthesis.register_forward_hook(lambda module, given, made: drawn.append(len(made)))
    try:
        frames = pulse.morph(G, frames=10_000)
        next(frames)
        assert sum(drawn) <= 8
    finally:
        handle.remove()


@pytest.mark.parametrize("kind", ["people", "characters"])
def test_portraits_are_drawn_by_the_renderer(kind: str) -> None:
    frames = _frames("portraits", frames=3, seeds=[4, 5], kind=kind, resolution=24)
    u = portraits.sample(1, torch.Generator().manual_seed(4), kind)
    torch.testing.assert_close(frames[0], portraits.render(u, 24)[0], atol=0.02, rtol=0)
    assert not torch.allclose(frames[0], frames[1], atol=0.02)


def _drawn_result(seed: int, k: int) -> pulse.Result:
    """A result as `pulse.draw` makes it, of a portrait instead of a fit, which would take seconds."""
    u = portraits.sample(1, torch.Generator().manual_seed(seed), "people" if k == 64 else "characters")
    v = to_normal(u)
    images = portraits.render(u, 24)
    one = torch.zeros(1)
    whole = torch.zeros(1, dtype=torch.int64)
    small = torch.zeros(1, 3, 8, 8)
    history = {"loss": torch.zeros(1, 5), "l2": torch.zeros(1, 5)}
    settings = {"finish": "drawn", "resolution": 24, "eps": 0.002}
    ws = torch.zeros(1, 0, 0)
    return pulse.Result(
        images, small, small, one, one, one > 0, whole, whole, whole, v[:, None], ws, [], history, seed, settings
    )


def test_drawn_answers_are_joined_by_portraits() -> None:
    ends = [_drawn_result(4, 64), _drawn_result(5, 128)]
    frames = _frames(ends, frames=3)
    for frame, end in ((frames[0], ends[0]), (frames[-1], ends[1])):
        torch.testing.assert_close(frame, end.images[0], atol=0.03, rtol=0)
    assert _frames(ends, frames=1, resolution=16)[0].shape == (3, 16, 16)
    with pytest.raises(ValueError, match="Drawn answers need no generator"):
        pulse.morph(ends, generator="default")


@pytest.mark.parametrize("space", ["gaussianized", "z", "w+"])
def test_results_of_a_search_are_joined_and_both_ends_are_their_images(G: Generator, space: str) -> None:
    target = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = pulse.search(G, target, steps=3, seed=1, space=space)
    frames = _frames(found, generator=G, frames=5)
    torch.testing.assert_close(frames[0], found.images[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(frames[-1], found.images[1], atol=1e-4, rtol=0)
    assert not torch.allclose(frames[2], frames[0], atol=1e-3)
    around = _frames([found[0], found[1]], generator=G, frames=8, loop=True, space="w+")
    torch.testing.assert_close(around[4], found.images[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(around[3], around[5], atol=1e-4, rtol=0)


def test_what_makes_no_sense_is_one_sentence(G: Generator) -> None:
    found = pulse.search(G, torch.rand(2, 3, 8, 8), steps=0, seed=1)
    for given, more, words in (
        (G, {"space": "p"}, "The option space is 'p'; choose one of z, w, w+"),
        (G, {"frames": 0}, "The option frames is 0; give a whole number of at least 1"),
        (G, {"grid": "3"}, "The option grid is '3'; give columns x rows"),
        (G, {"seeds": "1,x"}, "The seeds '1,x' cannot be read"),
        (G, {"kind": "characters"}, "The option kind has no effect on a network"),
        ("portraits", {"space": "w"}, "The option space has no effect on portraits"),
        ("portraits", {"resolution": 4}, "The resolution is 4"),
        (found[0], {}, "needs two images or more"),
        (found, {"grid": "2x1"}, "The option grid has no effect on results"),
        (found, {}, "which is no name of a generator"),
        (found, {"generator": "default"}, "name the generator that made the results"),
        (found, {"generator": G, "space": "z"}, "Results cannot be joined in the space z"),
        ([found[0], _drawn_result(1, 64)], {}, "Some of the results are drawn"),
        ([found, "default"], {}, "one generator or through results"),
        (3, {}, "The generator is a int"),
        (G, {"labels": torch.zeros(1, 2)}, "takes no labels"),
    ):
        with pytest.raises(ValueError, match=words):
            pulse.morph(given, **more)  # type: ignore[arg-type]


def test_the_command_writes_a_film_of_a_generator_and_of_results(
    G: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    stylegan.save(G, tmp_path / "g.safetensors")
    film = tmp_path / "new" / "film.gif"
    command = ["morph", str(tmp_path / "g.safetensors"), "-o", str(film), "--frames", "5", "--loop", "--grid", "2x1"]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{film}\n"
    with Image.open(film) as picture:
        assert (picture.size, picture.n_frames) == ((32, 16), 5)  # type: ignore[attr-defined]
    assert main(command) == 2
    assert main([*command, "--overwrite"]) == 0
    found = pulse.search(G, torch.rand(2, 3, 8, 8), steps=0, seed=1)
    files = [str(tmp_path / f"{i}.safetensors") for i in range(2)]
    for one, file in zip(found, files, strict=True):
        one.save(file)
    made = ["morph", *files, "-o", str(tmp_path / "between.webp"), "--frames", "3"]
    assert main([*made, "--generator", str(tmp_path / "g.safetensors")]) == 0
    capsys.readouterr()
    assert main(["morph", files[0], "default", "-o", str(tmp_path / "x.gif")]) == 2
    assert "default is no result of a search" in capsys.readouterr().err
    assert main(["morph", "default", "-o", str(tmp_path / "x.avi")]) == 2
    assert main(["morph", "default", "-o", str(tmp_path / "x.gif"), "--generator", "default"]) == 2
    assert not (tmp_path / "x.gif").exists()


def test_the_example_writes_its_film(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    script = root / "examples" / "films" / "morph.py"
    command = [sys.executable, "-W", "error", str(script), str(tmp_path), "--frames", "3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 frames\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["morph.webp"]
