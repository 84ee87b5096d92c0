"""Names: what is in the box, and the official files."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import stylegan
from stylegan import CheckpointError
from stylegan.checkpoints import fetch, zoo

DATA = Path(__file__).parents[2] / "data"
OFFICIAL = {"ffhq", "metfaces", "afhqcat", "afhqdog", "afhqwild", "brecahad", "cifar10"}


def test_official_files_have_names() -> None:
    names = zoo.list_models()
    assert len(set(names)) == len(names)
    assert OFFICIAL | {"default", "aimoji", "ffhq-res256-mirror-paper256-noaug"} <= set(names)
    for model in zoo.MODELS:
        assert model.licence
        assert model.megabytes > 0
        assert model.url is None or model.url.startswith("https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/")
        assert (model.url is None) == bool(model.file)


def test_load_fetches_on_demand_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    monkeypatch.setenv("PULSE_CACHE", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(DATA))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/nvidia_ada_64.pkl"
        model = zoo.Model("ffhq", 1024, 381, "some licence", url)
        monkeypatch.setattr(zoo, "MODELS", (model,))
        monkeypatch.setattr(fetch, "fetch", functools.partial(fetch.fetch, allow_loopback_http=True))
        assert model.here() is None
        assert stylegan.load("ffhq").img_resolution == 64
        told = capsys.readouterr().err
        assert "ffhq: 1024 px, about 381 MB, some licence" in told
        assert url in told
        server.shutdown()
    assert model.here() is not None
    assert stylegan.load("ffhq", which="D").img_resolution == 64
    assert capsys.readouterr().err == ""


def test_a_url_is_fetched_by_https_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="not https"):
        stylegan.load("http://example.org/net.pkl")


def test_nothing_is_fetched_for_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "fetch", lambda _: pytest.fail("fetched"))
    with pytest.raises(CheckpointError, match="There is no generator"):
        stylegan.load(str(tmp_path / "ffhq"))
