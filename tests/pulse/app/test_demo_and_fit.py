"""The commands `pulse demo` and `pulse fit`, and what is true of `pulse` as a whole."""

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import stylegan
from pulse.app import cli, sprites


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_fit_is_written_where_nothing_is_lost(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("holiday.png").write_text("mine")
    Path("other.safetensors").write_text("mine")
    for name in ("holiday.png", "other.safetensors", "missing/x.safetensors", ".", "holiday.png/x.safetensors"):
        assert cli.main(["fit", str(tiny), "-o", name, "--samples=100", "--overwrite"]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert (Path("holiday.png").read_text(), Path("other.safetensors").read_text()) == ("mine", "mine")
    assert cli.main(["fit", str(tiny), "-o", "x.safetensors", "--samples=100"]) == 0
    assert cli.main(["fit", str(tiny), "-o", "x.safetensors", "--samples=100"]) == 2
    assert cli.main(["fit", str(tiny), "-o", "x.safetensors", "--samples=100", "--overwrite"]) == 0
    assert stylegan.load("x.safetensors").gaussian_fit is not None


def test_the_demonstration_shows_every_sprite(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["demo", "-o", str(tmp_path / "demo"), "--generator", str(tiny), "--steps=2", "--starts=1"])
    assert (code, capsys.readouterr().err) == (0, "")
    assert _files(tmp_path / "demo") == sorted([*(f"{name}.png" for name in sprites.names()), "contact_sheet.png"])


def test_without_typer_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "typer":
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert cli.main(["--help"]) == 2
    assert "pulse-latent[cli]" in capsys.readouterr().err


def test_help_comes_without_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "search" in capsys.readouterr().out


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pulse", "search", "no.png", "-o", "out", "--steps=-1"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["The option steps is -1; give a whole number of at least 0."]
