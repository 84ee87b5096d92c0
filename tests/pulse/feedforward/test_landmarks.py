"""The landmark network: its heatmaps, what it is taught from, and its files."""

from pathlib import Path

import pytest
import torch

from pulse.app.cli import main
from pulse.feedforward.landmarks import (
    LandmarkNet,
    attention,
    drawn,
    find_landmarks,
    load_landmark_net,
    normalised_error,
    places,
    write_landmark_net,
)
from pulse.feedforward.options import LandmarkOptions
from pulse.feedforward.teach_landmarks import MIRRORED, Aligning, moved, true_landmarks
from stylegan import portraits
from stylegan.training import pairs


def test_a_heatmap_knows_its_place() -> None:
    points = 0.15 + 0.7 * torch.rand(3, 68, 2)
    maps = drawn(points)
    torch.testing.assert_close(maps.sum((2, 3)), torch.ones(3, 68), atol=1e-3, rtol=0)
    torch.testing.assert_close(places(maps.clamp(min=1e-30).log()), points, atol=1e-3, rtol=0)
    # x is to the right and y down.
    peak = drawn(torch.tensor([0.8, 0.3]).expand(1, 68, 2))[0, 0].argmax()
    assert (int(peak) // 32, int(peak) % 32) == (9, 25)


def test_attention_is_near_a_landmark_and_nowhere_else() -> None:
    points = torch.full((1, 68, 2), 0.5)
    points[0, 7] = torch.tensor([0.25, 0.75])
    near = attention(drawn(points).clamp(min=1e-30).log(), 128)
    assert near.shape == (1, 1, 128, 128)
    assert float(near[0, 0, 96, 32]) > 0.7
    assert float(near[0, 0, 64, 64]) > 0.7
    assert float(near[0, 0, 20:44, 84:108].max()) < 1e-3
    assert float(near.max()) <= 1


def test_the_network_gives_the_probability_of_each_place() -> None:
    with torch.no_grad():
        log_maps = LandmarkNet().eval()(torch.rand(2, 3, 64, 64))
    assert log_maps.shape == (2, 68, 32, 32)
    torch.testing.assert_close(log_maps.exp().sum((2, 3)), torch.ones(2, 68))


def test_mirrored_landmarks_are_those_of_the_mirrored_face() -> None:
    assert sorted(MIRRORED) == list(range(68))
    assert [MIRRORED[i] for i in MIRRORED] == list(range(68))
    # The mean of many portraits is nearly symmetric.
    z = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    mean = true_landmarks(z).mean(0)
    flipped = (torch.tensor([1.0, 0.0]) + mean * torch.tensor([-1.0, 1.0]))[list(MIRRORED)]
    assert float((flipped - mean).norm(dim=1).max()) < 0.06


def test_landmarks_move_with_their_picture() -> None:
    rng = torch.Generator().manual_seed(0)
    points = 0.35 + 0.3 * torch.rand(8, 68, 2, generator=rng)
    points[:, 30] = 0.3 + 0.4 * torch.rand(8, 2, generator=rng)
    # A white spot at landmark 30, which is in the middle of a face and so its own mirror image.
    spot = drawn(points, 64, sigma=2.0)[:, 30:31]
    pictures = (spot / spot.amax((2, 3), keepdim=True) * 2 - 1).expand(-1, 3, -1, -1)
    turned, found = moved(pictures, points, rng)
    light = (turned - turned.amin((2, 3), keepdim=True))[:, :1]
    middles = (torch.arange(64) + 0.5) / 64
    share = light / light.sum((2, 3), keepdim=True)
    centre = torch.stack([(share.sum(2) * middles).sum(2), (share.sum(3) * middles).sum(2)], 2)[:, 0]
    torch.testing.assert_close(centre, found[:, 30], atol=0.01, rtol=0)
    assert float((found - points).abs().max()) > 0.05


def _portraits(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    z = torch.randn(count, 64, generator=torch.Generator().manual_seed(1))
    pictures = portraits.render(pairs.coordinates_of(z), 32)
    return (pictures * 255).to(torch.uint8), true_landmarks(z)


def test_it_learns_where_landmarks_are() -> None:
    pictures, landmarks = _portraits(24)
    task = Aligning(pictures, landmarks, torch.zeros(24, dtype=torch.bool), LandmarkOptions(steps=40, batch_size=8))
    off = [float(task.step(i, torch.Generator().manual_seed(i))["off"]) for i in range(40)]
    assert sum(off[-5:]) < 0.8 * sum(off[:5])
    assert task.measure(8).keys() == {"error_people"}


def test_its_error_is_in_units_of_the_eyes() -> None:
    true = torch.rand(2, 68, 2)
    true[:, 36], true[:, 45] = torch.tensor([10.0, 20.0]), torch.tensor([40.0, 60.0])
    torch.testing.assert_close(normalised_error(true + torch.tensor([3.0, 4.0]), true), torch.full((2,), 0.1))


def test_its_file_holds_it_and_other_files_are_refused(tmp_path: Path) -> None:
    network = LandmarkNet().eval()
    path = tmp_path / "landmarks.safetensors"
    write_landmark_net(network, path)
    assert path.stat().st_size < 1.8e6
    pictures = torch.rand(2, 3, 128, 128)
    loaded = load_landmark_net(tmp_path)
    torch.testing.assert_close(find_landmarks(pictures, loaded), find_landmarks(pictures, network), atol=0.5, rtol=0)
    with pytest.raises(ValueError, match="There is no landmark network"):
        load_landmark_net(tmp_path / "gone")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"landmarks\.safetensors"):
        load_landmark_net(path)


def test_the_command_teaches_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    (tmp_path / "pairs").mkdir()
    z = np.random.default_rng(0).standard_normal((32, 128)).astype(np.float32)
    pictures = np.zeros((32, 3, 32, 32), np.uint8)
    np.savez(tmp_path / "pairs" / "pairs_0_00000.npz", z=z, pictures=pictures)
    command = ["teach-landmarks", str(tmp_path / "pairs"), "-o", str(tmp_path / "run"), "--batch-size", "2"]
    assert main([*command, "--steps", "2"]) == 0
    assert "Ended after 2 of 2 steps" in capsys.readouterr().out
    assert isinstance(load_landmark_net(tmp_path / "run"), LandmarkNet)
    assert main([*command, "--steps", "3"]) == 2
    assert "steps=2" in capsys.readouterr().err
