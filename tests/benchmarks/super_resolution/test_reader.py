"""Groups of people, and the network that reads them."""

import numpy as np
import torch

from benchmarks.super_resolution.groups import GROUPINGS, groups_of
from benchmarks.super_resolution.reader import read, taught
from stylegan import portraits
from stylegan.portraits.held_out import held_out


def test_groups_are_those_that_the_truth_tells() -> None:
    u = held_out(60)
    for groups, fact in zip(groups_of(u).tolist(), portraits.truth(u), strict=True):
        tone, age, sex, glasses, pose = groups
        assert tone == np.searchsorted([3, 7], fact.tone)
        assert age == np.searchsorted([18, 60], fact.attributes["age"], side="right")
        assert sex == (fact.attributes["male"] > 0.5)
        assert glasses == fact.attributes["glasses"]
        assert pose == (0 if fact.yaw < -10 else 2 if fact.yaw > 10 else 1)


def test_every_group_has_people() -> None:
    groups = groups_of(portraits.sample(2000, torch.Generator().manual_seed(0)))
    for column, labels in zip(groups.unbind(1), GROUPINGS.values(), strict=True):
        assert (torch.bincount(column, minlength=len(labels)) > 300).all()


def test_the_reader_in_the_folder_reads_held_out_portraits() -> None:
    u = held_out(1080)[1000:]
    right = (read(portraits.render(u, 64)) == groups_of(u)).float().mean(0)
    least = {"tone": 0.85, "age": 0.75, "sex": 0.75, "glasses": 0.95, "pose": 0.85}
    for (name, share), known in zip(least.items(), right.tolist(), strict=True):
        assert known >= share, name


def test_a_taught_reader_sees_what_the_groups_depend_on() -> None:
    # Dark pictures are of the first group of each grouping, light ones of the last.
    light = torch.arange(32) % 2
    pictures = (40 + 170 * light.to(torch.uint8))[:, None, None, None].expand(-1, 3, 32, 32)
    last = torch.tensor([len(labels) - 1 for labels in GROUPINGS.values()])
    groups = light[:, None] * last
    reader = taught(pictures, groups, 40, torch.Generator().manual_seed(0), batch=16)
    with torch.no_grad():
        found = torch.stack([one.argmax(1) for one in reader(pictures.float() / 255)], 1)
    # A mirrored picture has the other pose, so these pictures cannot tell it.
    pose = list(GROUPINGS).index("pose")
    assert torch.equal(found[:, :pose], groups[:, :pose])
