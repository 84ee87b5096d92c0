"""What the benchmarks of emoji compare is the same network, and pictures that are apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.curve import learnt_by
from benchmarks.emoji_epoch import Plain, difference
from stylegan.common.pixels import bytes_to_signed
from stylegan.training.dataset import Dataset
from stylegan.training.dcgan import Dcgan
from stylegan.training.dcgan_options import DcganOptions


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_plain_network_takes_the_same_step(channels_last: bool) -> None:
    table = np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)
    task = Dcgan(Dataset(table), DcganOptions(resolution=16, z_dim=6, width=4, batch_size=8, learning_rate=0.01))
    plain = Plain(task, channels_last=channels_last)
    assert difference(task, plain) < 1e-5
    before = [weight.detach().clone() for weight in task.G.synthesis.filters]
    reals = bytes_to_signed(task.dataset.reals(task._index(0)))
    task.step(0, torch.Generator().manual_seed(5))
    plain.step(reals, torch.randn(8, 6, generator=torch.Generator().manual_seed(5)))
    after = [weight.detach() for weight in task.G.synthesis.filters]
    assert all(float((a - b).abs().max()) > 5e-3 for a, b in zip(after, before, strict=True))
    # Adam turns a gradient that is nearly zero into a whole step, so single pixels may differ.
    assert difference(task, plain) < 0.02


def test_the_floor_is_between_pictures_that_are_apart(tmp_path: Path) -> None:
    table = np.broadcast_to(np.arange(21, dtype=np.uint8)[:, None, None, None], (21, 3, 8, 8))
    np.save(tmp_path / "pictures.npy", table)
    told = {"classes": [], "labels": None, "skipped": [], "files": []}
    (tmp_path / "pictures.json").write_text(json.dumps(told))
    reals = learnt_by(tmp_path, 100)
    shown = {*reals.pictures[:, 0, 0, 0].tolist()} | {*reals.others[:, 0, 0, 0].tolist()}
    assert (len(reals.pictures), len(reals.others), len(shown)) == (10, 10, 20)
    assert reals.seen == 0.021
    assert len(learnt_by(tmp_path, 4).pictures) == 4
    with pytest.raises(ValueError, match="holds no pictures of a run"):
        learnt_by(tmp_path / "gone", 4)
