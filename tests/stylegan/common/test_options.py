"""A dataclass is the one list of options: commands and flags derive names, types, defaults and help from it."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer

from stylegan.common.options import add_arguments, from_arguments, options_of, with_options


@dataclass(frozen=True)
class Options:
    steps: int = field(default=100, metadata={"help": "Steps of the search."})
    eps: float = field(default=2e-3, metadata={"help": "100 % of what counts as reached."})
    kernel: str = field(default="bicubic", metadata={"help": "downsampling", "choices": ("bicubic", "area")})
    mode: Literal["const", "none"] = field(default="const", metadata={"help": "Noise."})
    seed: int | None = field(default=None, metadata={"help": "Seed.", "default_help": "random"})
    tile_latent: bool = field(default=False, metadata={"help": "One latent."})
    curves: bool = field(default=True, metadata={"help": "Draw curves."})
    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kernel not in ("bicubic", "area"):
            raise ValueError(f"no kernel {self.kernel}")


def _call(arguments: list[str], **how: Any) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    got: list[Any] = []

    @app.command()
    @with_options(Options, **how)
    def command(
        images: Annotated[list[Path], typer.Argument()],
        options: Options,
        sheet: Annotated[bool, typer.Option("--sheet")] = False,
    ) -> None:
        """Does it."""
        got.extend([images, options, sheet])

    app(arguments, standalone_mode=False)
    return got


def test_the_command_gets_one_ready_instance() -> None:
    assert _call(["a.png", "b.png"]) == [[Path("a.png"), Path("b.png")], Options(), False]
    given = ["a", "--sheet", "--steps", "3", "--eps=0.5", "--kernel=area", "--seed=7", "--tile-latent", "--no-curves"]
    assert _call(given) == [[Path("a")], Options(3, 0.5, "area", "const", 7, True, False), True]


def test_a_dataclass_refuses_what_a_command_line_gives() -> None:
    with pytest.raises(ValueError, match="no kernel magic"):
        _call(["a", "--kernel=magic"])


def test_options_can_be_left_out_and_have_other_defaults() -> None:
    assert _call(["a"], leave_out=["seed"], defaults={"steps": 5})[1] == Options(steps=5)
    with pytest.raises(Exception, match="--seed"):
        _call(["a", "--seed=1"], leave_out=["seed"])
    with pytest.raises(TypeError, match="sead"):
        options_of(Options, ["sead"])


def test_only_what_was_given() -> None:
    assert _call(["a"], only_given=True)[1] == {}
    assert _call(["a", "--steps=100", "--no-curves"], only_given=True)[1] == {"steps": 100, "curves": False}


def test_help_names_every_option_with_default_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    for only_given in (False, True):
        _call(["--help"], only_given=only_given)
        text = " ".join(capsys.readouterr().out.split())
        for part in (
            "--steps",
            "[default: 100]",
            "[bicubic|area] Downsampling. [default: bicubic]",
            "[default: random]",
            "--no-curves",
        ):
            assert part in text, (part, text)
        assert "hidden" not in text


def test_flags_of_argparse() -> None:
    parser = argparse.ArgumentParser(prog="run")
    add_arguments(parser, Options, leave_out=["curves"], defaults={"seed": 5})
    assert from_arguments(Options, parser.parse_args([]), ["curves"]) == Options(seed=5)
    arguments = parser.parse_args(["-steps", "2", "-kernel", "area", "-tile_latent"])
    assert from_arguments(Options, arguments, ["curves"]) == Options(2, kernel="area", tile_latent=True, seed=5)
    text = " ".join(parser.format_help().split())
    assert "-kernel {bicubic,area} downsampling (default: bicubic)" in text
    assert "100 % of what counts as reached (default: 0.002)" in text


def test_a_type_that_no_command_line_has_is_refused() -> None:
    @dataclass(frozen=True)
    class Wrong:
        pair: tuple[int, int] = field(default=(1, 2), metadata={"help": "Two."})

    with pytest.raises(TypeError, match=r"Wrong\.pair"):
        options_of(Wrong)
