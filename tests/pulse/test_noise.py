from __future__ import annotations

import pytest
import torch

from pulse.noise import make_noise, parse_bad_noise_layers, trainable_layers

SHAPES = ((4, 4), (8, 8), (8, 8))


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(s) for s in seeds]


def test_bad_layers_are_read():
    assert parse_bad_noise_layers("17") == {17}
    assert parse_bad_noise_layers("0.3. 17") == {0, 3, 17}
    assert parse_bad_noise_layers("") == frozenset()


@pytest.mark.parametrize("text", ["x", "1,2", "1..2", "-1", "1.5.", "²"])
def test_bad_layers_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match="layer numbers joined by dots"):
        parse_bad_noise_layers(text)


def test_types():
    assert all(not x.any() for x in make_noise(SHAPES, "zero", frozenset(), generators(1, 2)))
    for noise_type in ("fixed", "trainable"):
        noise = make_noise(SHAPES, noise_type, frozenset({1, 17}), generators(1, 2))
        assert [x.shape for x in noise] == [(2, 1, 4, 4), (2, 1, 8, 8), (2, 1, 8, 8)]
        assert [bool(x.any()) for x in noise] == [True, False, True]
    with pytest.raises(ValueError, match="'pink' is unknown"):
        make_noise(SHAPES, "pink", frozenset(), generators(1))


def test_a_row_depends_on_its_own_generator_only():
    pair = make_noise(SHAPES, "fixed", frozenset(), generators(1, 2))
    single = make_noise(SHAPES, "fixed", frozenset(), generators(2))
    assert all(torch.equal(a[1], b[0]) and not torch.equal(a[0], a[1]) for a, b in zip(pair, single, strict=True))


def test_which_layers_are_trained():
    assert trainable_layers(11, "trainable", 5, frozenset({17})) == [0, 1, 2, 3, 4]
    assert trainable_layers(3, "trainable", 5, frozenset({1})) == [0, 2]
    assert trainable_layers(11, "fixed", 5, frozenset()) == []
