"""One list of options: a frozen dataclass, from which the commands and PULSE's flags derive theirs.

A field is an option if its metadata has a `help`:

    @dataclass(frozen=True)
    class Options:
        steps: int = field(default=100, metadata={"help": "Steps of the search."})
        kernel: str = field(default="bicubic", metadata={"help": "Downsampling.", "choices": ("bicubic", "area")})
        seed: int | None = field(default=None, metadata={"help": "Seed.", "default_help": "random"})

`choices` are shown, not checked: the dataclass checks them, so that Python and every command say the same sentence.
`default_help` is shown where the default itself would say nothing.
"""

import argparse
import functools
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

_Kind = TypeVar("_Kind")
_TYPES = (bool, int, float, str, Path)


@dataclass(frozen=True)
class Option:
    """One option as a front end needs it.

    Attributes:
        name: of the dataclass's field.
        type: bool, int, float, str or Path.
        optional: whether None is a value too.
        default: its default, or `dataclasses.MISSING` where a value must be given.
        help: one sentence.
        choices: the values to choose from; empty where there is no such list.
        default_help: the default in words; None where the value itself says it.
    """

    name: str
    type: type
    optional: bool
    default: Any
    help: str
    choices: tuple[str, ...]
    default_help: str | None


def options_of(kind: type, leave_out: Collection[str] = ()) -> list[Option]:
    """The options of a dataclass, in the order of its fields; fields without a `help`, and `leave_out`, are none.

    Raises:
        TypeError: a field's type cannot be given on a command line, or `leave_out` names no option.
    """
    hints = typing.get_type_hints(kind)
    found = []
    for field in fields(kind):
        if "help" not in field.metadata:
            continue
        default = field.default if field.default_factory is MISSING else field.default_factory()
        base, optional = _base_type(hints[field.name], f"{kind.__name__}.{field.name}")
        choices = tuple(map(str, field.metadata.get("choices", ())))
        told = field.metadata.get("default_help")
        found.append(Option(field.name, base, optional, default, field.metadata["help"], choices, told))
    if unknown := set(leave_out) - {option.name for option in found}:
        raise TypeError(f"{kind.__name__} has no option {min(unknown)}; leave out only what is there.")
    return [option for option in found if option.name not in leave_out]


def with_options(
    kind: type,
    *,
    into: str = "options",
    leave_out: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
    only_given: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a typer command one command line option for each of a dataclass, and the function one instance of it.

        @app.command()
        @with_options(SearchOptions, leave_out=["batch_size"])
        def search(images: Annotated[list[Path], typer.Argument()], options: SearchOptions) -> int: ...

    The option of the field `loss_str` is `--loss-str`; that of a bool is a flag, with a `--no-` form where it is true
    by default. Decorators for several dataclasses can be stacked.

    Args:
        kind: the dataclass.
        into: the parameter of the function that the instance goes to.
        leave_out: fields that this command does not offer; they keep their defaults.
        defaults: defaults of this command that differ from the dataclass's.
        only_given: the function gets a dict of the options that were given, for commands that work out their own
            defaults.

    Raises:
        TypeError: as for `options_of`, or the function has no parameter `into`.
    """
    offered = options_of(kind, leave_out)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)
        if into not in signature.parameters:
            raise TypeError(f"{function.__name__} has no parameter {into} for {kind.__name__}; add it.")
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            if parameter.name != into:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            for option in offered:
                parameters.append(
                    _typer_parameter(option, (defaults or {}).get(option.name, option.default), only_given)
                )

        @functools.wraps(function)
        def command(**values: Any) -> Any:
            given = {option.name: values.pop(option.name) for option in offered}
            if only_given:
                values[into] = {name: value for name, value in given.items() if value is not None}
            else:
                values[into] = kind(**given)
            return function(**values)

        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del command.__wrapped__
        return command

    return decorate


def add_arguments(
    parser: argparse.ArgumentParser,
    kind: type,
    *,
    prefix: str = "-",
    leave_out: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Adds a flag for each option of a dataclass to an argparse parser, under the field's own name: `-loss_str`.

    Args:
        parser: gets the flags.
        kind: the dataclass.
        prefix: what stands before the name.
        leave_out, defaults: as for `with_options`.
    """
    for option in options_of(kind, leave_out):
        default = (defaults or {}).get(option.name, option.default)
        shown = _shown(option, default)
        told = option.help if shown is None else f"{option.help.rstrip('.')} (default: {shown})"
        # argparse formats help texts with %.
        texts: dict[str, Any] = {"dest": option.name, "help": told.replace("%", "%%")}
        if option.type is bool:
            parser.add_argument(f"{prefix}{option.name}", action="store_false" if default else "store_true", **texts)
            continue
        texts["metavar"] = f"{{{','.join(option.choices)}}}" if option.choices else option.type.__name__.upper()
        if default is MISSING:
            parser.add_argument(f"{prefix}{option.name}", type=option.type, required=True, **texts)
        else:
            parser.add_argument(f"{prefix}{option.name}", type=option.type, default=default, **texts)


def from_arguments(kind: type[_Kind], arguments: argparse.Namespace, leave_out: Collection[str] = ()) -> _Kind:
    """The instance of a dataclass that parsed arguments describe; `leave_out` as for `add_arguments`."""
    return kind(**{option.name: getattr(arguments, option.name) for option in options_of(kind, leave_out)})


def _base_type(hint: Any, name: str) -> tuple[type, bool]:
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    bare = [kind for kind in kinds if kind is not types.NoneType]
    # A Literal is a str with choices.
    bare = [str if typing.get_origin(kind) is typing.Literal else kind for kind in bare]
    if len(bare) != 1 or bare[0] not in _TYPES:
        raise TypeError(f"{name} is a {hint}, which no command line option can give; take its `help` away.")
    return bare[0], len(bare) < len(kinds)


def _typer_parameter(option: Option, default: Any, only_given: bool) -> inspect.Parameter:
    # Not at the top: the library works without the packages of the command line.
    import typer

    name = f"--{option.name.replace('_', '-')}"
    if option.type is bool and (only_given or default):
        name = f"{name}/--no-{name[2:]}"
    shown = _shown(option, default)
    told = f"{option.help[:1].upper()}{option.help[1:].rstrip('.')}."
    info = typer.Option(
        name,
        # typer's releases differ in which defaults they show, so the help shows it.
        help=told if shown is None else f"{told}  [default: {shown}]",
        show_default=False,
        metavar=f"[{'|'.join(option.choices)}]" if option.choices else None,
    )
    hint: Any = option.type | None if option.optional or only_given else option.type
    if only_given:
        default = None
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[hint, info],
    )


def _shown(option: Option, default: Any) -> str | None:
    """A default in words; None where there is nothing to show."""
    if option.default_help is not None:
        return option.default_help
    if default is None or default is MISSING or default is False:
        return None
    return "yes" if default is True else str(default)
