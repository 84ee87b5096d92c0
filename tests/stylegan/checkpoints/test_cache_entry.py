"""The cache of fetched files where others can write to it, or have."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stylegan import CheckpointError
from stylegan.checkpoints import cache_entry, fetch, zoo
from stylegan.common.files import DiskFullError
from tests.stylegan.checkpoints.hostile_server import HostileServer, good

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and owners are those of POSIX")
CONTENT = bytes(range(256)) * 500


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HostileServer(good(CONTENT)) as server:
        yield server


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("precious")
    return path


def get(url: str, **options: Any) -> Path:
    return fetch.fetch(url, **({"timeout": 2.0, "attempts": 1, "allow_loopback_http": True} | options))


def record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def test_two_urls_never_share_a_folder() -> None:
    url = "https://example.org/net.pkl"
    assert fetch._place(url).parent.name == hashlib.sha256(url.encode()).hexdigest()


def test_the_file_of_another_url_is_not_given(server: HostileServer) -> None:
    other = f"{server.url}?other"
    shutil.copytree(get(server.url).parent, fetch._place(other).parent)
    with pytest.raises(CheckpointError, match=r"holds the file of another URL, not of .*; delete that folder"):
        get(other)


ENDS = [".lock", "net.pkl", "net.pkl.part", "net.pkl.json", "net.pkl.part.json"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("plant", [os.symlink, os.link], ids=["link", "hard link"])
def test_planted_links_are_not_written_through(
    plant: Callable[..., None], end: str, server: HostileServer, victim: Path
) -> None:
    path = fetch._place(server.url)
    path.parent.mkdir(parents=True, mode=0o755)
    plant(victim, path.parent / end)
    if end in (".lock", "net.pkl.json"):
        with pytest.raises(CheckpointError, match=f"{re.escape(end)} is a link, .* so it was not touched; delete it"):
            get(server.url)
    else:
        # The link is replaced by the file.
        assert get(server.url).read_bytes() == CONTENT
        assert not path.is_symlink()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_planted_pipes_and_folders_end_in_a_sentence(
    make: Callable[[Path], None], end: str, server: HostileServer
) -> None:
    path = fetch._place(server.url)
    path.parent.mkdir(parents=True, mode=0o755)
    make(path.parent / end)
    start = time.monotonic()
    with contextlib.suppress(CheckpointError):
        assert get(server.url).read_bytes() == CONTENT
    assert time.monotonic() - start < 2


def test_a_part_that_is_a_link_is_begun_anew(server: HostileServer, victim: Path) -> None:
    path = fetch._place(server.url)
    path.parent.mkdir(parents=True, mode=0o755)
    victim.write_bytes(bytes(4000))
    path.with_name("net.pkl.part").symlink_to(victim)
    path.with_name("net.pkl.part.json").write_text(json.dumps({"total": len(CONTENT), "validator": ""}))
    assert get(server.url).read_bytes() == CONTENT
    assert victim.read_bytes() == bytes(4000)


def test_the_folder_is_no_link(server: HostileServer, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = fetch._place(server.url).parent
    folder.parent.mkdir()
    folder.symlink_to(elsewhere)
    with pytest.raises(CheckpointError, match="is a link or a file where a folder should be"):
        get(server.url)
    folder.unlink()
    folder.write_text("")
    with pytest.raises(CheckpointError, match="is a link or a file where a folder should be"):
        get(server.url)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_folder_that_others_can_write_to_is_not_trusted(mode: int, server: HostileServer) -> None:
    path = get(server.url)
    assert fetch.cached(server.url) == path
    path.parent.chmod(mode)
    with pytest.raises(CheckpointError, match="can be written to by one, so it is not trusted; delete it"):
        get(server.url)
    assert fetch.cached(server.url) is None


def test_a_cache_that_all_can_write_to(server: HostileServer) -> None:
    path = get(server.url)
    path.parent.parent.chmod(0o777)
    with pytest.raises(CheckpointError, match="can be written to by every user, so its files are not trusted"):
        get(server.url)
    # As /tmp: others may add folders, but not move those of this user.
    path.parent.parent.chmod(0o1777)
    assert get(server.url) == path


def test_folders_obey_this_rule_under_any_umask(server: HostileServer) -> None:
    mask = os.umask(0)
    try:
        path = get(server.url)
    finally:
        os.umask(mask)
    assert path.parent.stat().st_mode & 0o777 == 0o755
    assert get(server.url) == path


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_user_is_not_trusted(server: HostileServer) -> None:
    path = get(server.url)
    os.chown(path.parent, 12345, -1)
    with pytest.raises(CheckpointError, match="belongs to another user"):
        get(server.url)
    # Whoever owns the cache itself was chosen by whoever set PULSE_CACHE.
    os.chown(path.parent.parent, 12345, -1)
    assert get(server.url) == path


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 10_000,
        "{",
        "",
        "[]",
        "{}",
        "1" * 5000,
        '{"url": 1, "sha256": 2}',
        '{"url": "x", "sha256": "' + "0" * 63 + '"}',
        '{"sha256": "' + "0" * 64 + '"}',
        " " * 70_000 + "{}",
        "\ud800",
    ],
    ids=range(12),
)
def test_planted_records(text: str, server: HostileServer) -> None:
    path = get(server.url)
    record_of(path).write_text(text, errors="surrogatepass")
    with pytest.raises(CheckpointError, match=r"is damaged, so net\.pkl cannot be checked; delete both") as caught:
        get(server.url)
    assert len(str(caught.value)) < 500
    # What is told of a part is not needed: the file is begun anew.
    path.unlink()
    record_of(path).unlink()
    path.with_name("net.pkl.part").write_bytes(bytes(4000))
    path.with_name("net.pkl.part.json").write_text(text, errors="surrogatepass")
    assert get(server.url).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "state",
    [
        {"total": 10**30, "validator": ""},
        {"total": -1, "validator": ""},
        {"total": True, "validator": ""},
        {"total": "9", "validator": ""},
        {"total": len(CONTENT), "validator": "x\r\nEvil: y"},
        {"total": len(CONTENT), "validator": "\u0100"},
        {"total": len(CONTENT), "validator": ["x"]},
        {"total": len(CONTENT), "validator": "x" * 2000},
        {"total": len(CONTENT)},
    ],
)
def test_planted_states(state: dict[str, Any], server: HostileServer) -> None:
    path = fetch._place(server.url)
    path.parent.mkdir(parents=True, mode=0o755)
    path.with_name("net.pkl.part").write_bytes(bytes(4000))
    path.with_name("net.pkl.part.json").write_text(json.dumps(state))
    assert get(server.url).read_bytes() == CONTENT
    assert "Range" not in server.requests[0]
    assert "Evil" not in server.requests[0]


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("net.pkl.json", "net.pkl.json in the cache may not be read or written by this user"),
        ("net.pkl", "net.pkl in the cache may not be read or written by this user"),
        (".lock", ".lock in the cache may not be read or written by this user"),
    ],
)
def test_permission_is_not_told_as_damage(
    at: str, sentence: str, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = get(server.url)
    if at == ".lock":
        path.unlink()
    really = os.open

    def denied(name: Any, *rest: Any, **more: Any) -> int:
        # Root, who may run this, is denied nothing.
        if Path(name).name == at:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(name))
        return really(name, *rest, **more)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(CheckpointError, match=sentence):
        get(server.url)


def test_a_cache_that_may_only_be_read_is_read(server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = get(server.url)

    def fail(*_: Any, **__: Any) -> None:
        pytest.fail("wrote")

    monkeypatch.setattr(cache_entry, "locked", fail)
    monkeypatch.setattr(Path, "mkdir", fail)
    assert get(server.url) == path
    assert len(server.requests) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full here")
def test_a_full_disk_keeps_nothing_as_whole(server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    really = cache_entry.open_plain

    def full(path: Path, flags: int = os.O_RDONLY) -> Any:
        return Path("/dev/full").open("r+b") if flags & os.O_EXCL else really(path, flags)

    path = fetch._place(server.url)
    with monkeypatch.context() as patch:
        patch.setattr(cache_entry, "open_plain", full)
        with pytest.raises(DiskFullError, match="is full; make room and fetch again to go on"):
            get(server.url)
    assert not path.exists()
    assert not record_of(path).exists()
    assert get(server.url).read_bytes() == CONTENT


def test_a_checksum_that_is_known(server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = hashlib.sha256(CONTENT).hexdigest(), "0" * 64
    monkeypatch.setattr(fetch.fetch, "__kwdefaults__", fetch.fetch.__kwdefaults__ | {"allow_loopback_http": True})
    model = zoo.Model("ffhq", 1024, 381, "some licence", server.url, sha256=wrong)
    monkeypatch.setattr(zoo, "MODELS", (model,))
    with pytest.raises(CheckpointError, match="serves another file than the one known under its name"):
        zoo.path_of("ffhq")
    assert sorted(p.name for p in fetch._place(server.url).parent.iterdir() if p.is_file()) == [".lock"]
    path = get(server.url, sha256=right)
    assert path.read_bytes() == CONTENT
    with pytest.raises(CheckpointError, match="is not the file that is known under"):
        zoo.path_of("ffhq")
    path.unlink()
    record_of(path).unlink()
    assert get(server.url, sha256=right.upper()) == path
