from __future__ import annotations

import dataclasses
import math
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
        assert field.default in choices or (field.name == "method" and field.default is None)
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


def test_the_defaults_are_pulses():
    options = SearchOptions()
    assert (options.steps, options.learning_rate, options.eps, options.seed) == (100, 0.4, 2e-3, None)
    assert (options.opt_name, options.lr_schedule) == ("adam", "linear1cycledrop")
    assert options.loss_str == "100*L2+0.05*GEOCROSS"
    assert (options.noise_type, options.num_trainable_noise_layers) == ("trainable", 5)
    assert (options.bad_noise_layers, options.tile_latent) == ("17", False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "faster"}, "method is 'faster'; choose one of"),
        ({"steps": -1}, "option steps is -1; give a whole number of at least 0"),
        ({"steps": 2.5}, "option steps is 2.5"),
        ({"starts": 0}, "option starts is 0"),
        ({"batch_size": 0}, "option batch_size is 0"),
        ({"seed": -3}, "option seed is -3"),
        ({"num_trainable_noise_layers": -1}, "num_trainable_noise_layers is -1"),
        ({"learning_rate": 0}, "learning_rate is 0; give a number above 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"eps": -1e-3}, "eps is -0.001"),
        ({"floor": -1e-3}, "floor is -0.001"),
        ({"lr_schedule": "cosine"}, "lr_schedule is 'cosine'; choose one of fixed"),
        ({"opt_name": "lion"}, "opt_name is 'lion'; choose one of adam"),
        ({"noise_type": "pink"}, "noise_type is 'pink'; choose one of zero"),
        ({"space": "s"}, "space is 's'; choose one of gaussianized"),
        ({"kernel": "gauss"}, "kernel is 'gauss'; choose one of bicubic"),
        ({"bad_noise_layers": "a"}, "layer numbers joined by dots"),
        ({"loss_str": "L3"}, "write terms such as"),
        ({"loss_str": "GEOCROSS"}, "compares nothing with the target"),
    ],
)
def test_senseless_options_are_refused_in_a_sentence(options, words):
    with pytest.raises(ValueError, match=words) as error:
        SearchOptions(**options)
    assert "\n" not in str(error.value)
