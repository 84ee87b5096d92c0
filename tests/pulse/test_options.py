from __future__ import annotations

import dataclasses
import typing

import pytest

from pulse import SearchOptions
from pulse.options import SearchOverrides, merge_options

FIELDS = dataclasses.fields(SearchOptions)


def test_keyword_arguments_are_the_fields_with_their_types():
    assert typing.get_type_hints(SearchOverrides) == typing.get_type_hints(SearchOptions)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_says_what_it_does_and_the_docstring_says_the_same(field):
    text = field.metadata["help"]
    assert text
    assert not text.endswith(".")
    assert f"{field.name}: {text[0].upper()}{text[1:]}." in SearchOptions.__doc__
    choices = field.metadata.get("choices")
    if choices is not None:
        assert field.default in choices
        assert all(getattr(SearchOptions(**{field.name: choice}), field.name) == choice for choice in choices)


def test_the_flags_of_pulses_script_are_marked():
    flags = {field.name for field in FIELDS if field.metadata["pulse_flag"]}
    assert flags == {
        *("steps", "learning_rate", "lr_schedule", "opt_name", "eps", "loss_str", "noise_type", "seed"),
        *("num_trainable_noise_layers", "bad_noise_layers", "tile_latent", "batch_size"),
    }


def test_overrides_replace_fields_and_leave_the_rest():
    options = SearchOptions(steps=7, eps=0.1)
    assert merge_options(options, {"eps": 0.2}) == SearchOptions(steps=7, eps=0.2)
    assert merge_options(None, {}) == SearchOptions()


@pytest.mark.parametrize(
    ("name", "words"),
    [("stepz", "no option 'stepz'; did you mean steps"), ("frobnicate", "no option 'frobnicate'; choose among method")],
)
def test_an_unknown_name_is_told_in_a_sentence_with_its_neighbours(name, words):
    with pytest.raises(ValueError, match=words) as error:
        merge_options(None, {name: 1})
    assert "\n" not in str(error.value)
    assert "__init__" not in str(error.value)
