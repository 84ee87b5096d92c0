"""Portraits that benchmarks are made of: the same whatever their number, and refused where training would draw them."""

import pytest
import torch

from benchmarks.heldout import HELD_OUT_SEED
from benchmarks.swd import SEEDS as SWD_SEEDS
from stylegan import portraits
from stylegan.portraits.held_out import SEEDS, check_seed, held_out
from stylegan.training.pairs import SHARD, render_shards


def test_a_portrait_does_not_depend_on_how_many_are_asked_for() -> None:
    few, many = held_out(2), held_out(5)
    torch.testing.assert_close(many[:2], few, rtol=0, atol=0)
    assert many.shape == (5, len(portraits.COORDINATES))
    assert len(torch.unique(many, dim=0)) == 5
    assert held_out(3, "characters").shape[1] == 128


@pytest.mark.parametrize("count", [0, len(SEEDS)])
def test_a_number_without_portraits_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"is {count}; give one from 1 to "):
        held_out(count)


def test_the_seeds_of_all_benchmarks_are_kept() -> None:
    for seed in (HELD_OUT_SEED, *SWD_SEEDS.values(), SEEDS[0], SEEDS[-1]):
        with pytest.raises(ValueError, match=f"The seed {seed} is one of"):
            check_seed(seed)
    check_seed(SEEDS.start - 1)
    check_seed(SEEDS.stop)


def test_pairs_for_training_are_refused_before_anything_is_written(tmp_path) -> None:
    # Shards of seed 20 begin at generator seed 20,000,060.
    shards = SEEDS.start - 20 * 1_000_003 + 1
    with pytest.raises(ValueError, match="no training may see"):
        render_shards(tmp_path / "pairs", shards * SHARD, 8, seed=20)
    assert not (tmp_path / "pairs").exists()
