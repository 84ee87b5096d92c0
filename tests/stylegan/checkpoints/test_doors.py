"""What `stylegan.load` may be given besides a good file: each ends in one sentence that says what is wrong."""

import contextlib
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import stylegan
from stylegan import CheckpointError
from stylegan.checkpoints.formats import source
from stylegan.networks.stylegan2 import Generator

DATA = Path(__file__).parents[2] / "data"


def refused(given: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        stylegan.load(given)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert len(sentence) < 900
    return sentence


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "no/such/file", "\x1b[2J", " ", "/" + "d/" * 3000, "\udcff"])
def test_a_name_of_nothing(name: str) -> None:
    assert "There is no generator" in refused(name)


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "There is no generator" in refused(tmp_path / "file" / "more")


def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    assert "cannot be read" in refused(tmp_path / "a") or "There is no generator" in refused(tmp_path / "a")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(tmp_path / "pipe")
    shutil.copyfile(DATA / "pulse_synthesis_128.pt", tmp_path / "synthesis.pt")
    os.mkfifo(tmp_path / "mapping.pt")
    assert stylegan.load(tmp_path).mapping.num_layers == 0


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom", "/dev/tty"])
def test_a_device(device: str) -> None:
    if not Path(device).exists():
        pytest.skip("no such device here")
    assert "regular file" in refused(device)


def test_a_file_of_the_kernel_that_claims_no_bytes() -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("needs Linux")
    assert "cannot be read" in refused("/proc/self/maps")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    assert "neither PULSE's synthesis.pt nor a training run's generator.safetensors" in refused(tmp_path)


@pytest.fixture
def as_nobody(tmp_path: Path) -> Iterator[Path]:
    """A folder in which permissions count, also where the tests run as root."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
        for parent in tmp_path.parents:
            if parent.stat().st_mode & 0o001 == 0:
                parent.chmod(parent.stat().st_mode | 0o011)
        os.seteuid(65534)
        yield tmp_path
        os.seteuid(0)
    else:
        yield tmp_path


@pytest.mark.parametrize("what", ["file", "folder", "PULSE's folder", "part of PULSE's folder"])
def test_what_may_not_be_read_is_not_called_damaged(what: str, as_nobody: Path) -> None:
    folder = as_nobody / "folder"
    folder.mkdir()
    (folder / "synthesis.pt").write_bytes((DATA / "pulse_synthesis_128.pt").read_bytes())
    (folder / "mapping.pt").write_bytes(b"x")
    closed = {"file": folder / "synthesis.pt", "part of PULSE's folder": folder / "mapping.pt"}.get(what, folder)
    closed.chmod(0)
    try:
        sentence = refused(folder if "PULSE" in what else folder / "synthesis.pt")
    finally:
        closed.chmod(0o700)
    assert "may not be read by this user (Permission denied)" in sentence
    assert "damaged" not in sentence


HEADS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "zeros": (bytes(4096), "nothing but zeros"),
    "a page": (b"<!DOCTYPE html><html><body>Quota exceeded</body></html>", "is a web page"),
    "a page in capitals": (b"\xef\xbb\xbf\n  <HTML><TITLE>Sign in</TITLE>", "is a web page"),
    "an error of a storage": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git LFS"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), "gzip"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
    "text": (b"hello", "in no checkpoint format"),
}


@pytest.mark.parametrize("what", HEADS)
def test_a_file_of_another_kind_is_named(what: str, tmp_path: Path) -> None:
    content, said = HEADS[what]
    (tmp_path / "x.pkl").write_bytes(content)
    assert said in refused(tmp_path / "x.pkl")


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("word/\x1b[2Jdocument.xml", "x")
    sentence = refused(tmp_path / "x.zip")
    assert "none that torch.save wrote" in sentence
    assert "document.xml" in sentence


@pytest.mark.parametrize("part", ["mapping", "gaussian_fit"])
def test_a_part_of_pulse_alone_is_named(part: str) -> None:
    assert f"is PULSE's {part}.pt alone" in refused(DATA / f"pulse_{part}.pt")


def test_a_file_that_is_cut_off_is_called_so(tmp_path: Path) -> None:
    for name in ("rosinality_64.pt", "nvidia_ada_64.pkl"):
        content = (DATA / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        assert "is damaged (" in refused(tmp_path / name)


def test_a_training_run_stands_for_its_newest_generator(tmp_path: Path) -> None:
    generator = Generator(8, 0, 8, 8, synthesis_kwargs={"channel_base": 64})
    stylegan.save(generator, tmp_path / "generator.safetensors")
    (tmp_path / "snapshots").mkdir()
    loaded = stylegan.load(tmp_path)
    assert torch.equal(loaded.mapping.fc0.weight, generator.mapping.fc0.weight)
    assert loaded.source == tmp_path / "generator.safetensors"


@pytest.mark.parametrize("name", ["nvidia_ada_64.pkl", "rosinality_64.pt", "native"])
def test_a_file_that_is_cut_while_it_is_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    if name == "native":
        stylegan.save(stylegan.load(DATA / "nvidia_ada_64.pkl"), path)
    else:
        shutil.copyfile(DATA / name, path)
    done = threading.Event()
    size = path.stat().st_size

    def cut() -> None:
        while not done.is_set():
            os.truncate(path, 5000)
            os.truncate(path, size)

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        # A mapped file would end the process here.
        for _ in range(20):
            with contextlib.suppress(CheckpointError):
                stylegan.load(path)
    finally:
        done.set()
        cutter.join()


def test_names_are_printed_without_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "\x1b]0;title\x07\u202e.pkl"
    path.write_bytes(b"\x80\x04}.")
    assert "\x1b" not in refused(path)
    assert source.describe("\x1b[2J" * 100).isprintable()
    assert source.describe(10**5000) == "a number of over 18 digits"
