"""The atlas: neighbours look alike, tiles show what they should, and nothing is left out."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import stylegan
from pulse.app.cli import main
from pulse.atlas.likeness import arrange, descriptions
from pulse.atlas.site import Pictures, tiles_of, write_atlas
from pulse.atlas.tiles import levels, write_tiles
from stylegan.networks.dcgan import Generator
from stylegan.training.networks import weights_from
from stylegan.training.reel import Reel


def _pictures(count: int) -> np.ndarray:
    """Pictures of one colour each, which tells their number."""
    colours = np.stack([np.arange(count) % 16 * 16, np.arange(count) // 16 * 16, np.full(count, 99)], 1)
    return np.broadcast_to(colours[:, :, None, None], (count, 3, 64, 64)).astype(np.uint8)


def _data(folder: Path) -> dict[str, object]:
    text = (folder / "data.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("const ATLAS = ").removesuffix(";\n").replace("<\\/", "</"))


def test_neighbours_look_alike_and_every_picture_has_one_place() -> None:
    rng = torch.Generator().manual_seed(0)
    seen = torch.rand(150, 3, generator=rng)
    order = arrange(seen, 12, rng)
    assert sorted(order.tolist()) == list(range(150))
    sheet = seen[order[:144]].view(12, 12, 3)
    near = (sheet[1:] - sheet[:-1]).norm(dim=2).mean() + (sheet[:, 1:] - sheet[:, :-1]).norm(dim=2).mean()
    plain = seen[:144].view(12, 12, 3)
    far = (plain[1:] - plain[:-1]).norm(dim=2).mean() + (plain[:, 1:] - plain[:, :-1]).norm(dim=2).mean()
    assert float(near) < 0.5 * float(far)
    again = [arrange(seen, 12, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*again)
    assert arrange(seen[:1], 5, rng).tolist() == [0]


def test_descriptions_tell_pictures_apart_by_what_they_look_like() -> None:
    seen = descriptions(torch.from_numpy(_pictures(3).copy()))
    assert seen.shape == (3, 192)
    torch.testing.assert_close(seen[1] - seen[0], torch.tensor([16 / 255, 0, 0]).repeat_interleave(64))


def test_tiles_of_all_levels_show_the_map(tmp_path: Path) -> None:
    pictures = _pictures(150)
    order = np.arange(150)[::-1].copy()
    write_tiles(tmp_path, pictures, order, 12)
    lowest, highest = levels(12 * 64, 13 * 64)
    assert (lowest, highest) == (9, 10)
    sizes = {}
    for path in tmp_path.rglob("*.webp"):
        with Image.open(path) as tile:
            sizes[path.relative_to(tmp_path).as_posix()] = tile.size
    # 768x832 pixels at the highest level, and half of it at the one below.
    assert sizes == {
        "10/0_0.webp": (512, 512),
        "10/1_0.webp": (256, 512),
        "10/0_1.webp": (512, 320),
        "10/1_1.webp": (256, 320),
        "9/0_0.webp": (384, 416),
    }
    with Image.open(tmp_path / "10" / "1_1.webp") as tile:
        # Row 9, column 11.
        wanted = pictures[order[9 * 12 + 11], :, 0, 0]
        assert np.abs(np.array(tile.getpixel((3 * 64 + 32, 64 + 32))) - wanted).max() <= 6
    with Image.open(tmp_path / "9" / "0_0.webp") as whole:
        wanted = pictures[order[9 * 12 + 11], :, 0, 0]
        assert np.abs(np.array(whole.getpixel((11 * 32 + 16, 9 * 32 + 16))) - wanted).max() <= 6
        # The last row is part empty.
        assert whole.getpixel((11 * 32 + 16, 12 * 32 + 16)) == pytest.approx((244, 243, 239), abs=3)


def test_a_site_holds_every_picture_with_its_name(tmp_path: Path) -> None:
    pictures = _pictures(130)
    names = [f"</script> {i}" for i in range(130)]
    shown = Pictures(pictures, "A & B", names, ["happy", *["neutral"] * 129], [0, 65])
    done: list[int] = []
    write_atlas(tmp_path / "site", shown, on_step=done.append)
    assert sum(done) == tiles_of(130)
    data = _data(tmp_path / "site")
    assert (data["count"], data["columns"], data["rows"], data["epochs"]) == (130, 11, 12, [0, 65])
    assert data["names"] == names
    assert "</script>" not in (tmp_path / "site" / "data.js").read_text()
    assert "<title>A &amp; B</title>" in (tmp_path / "site" / "index.html").read_text()
    scripts = sorted((tmp_path / "site" / "pictures").glob("*.js"))
    assert [path.name for path in scripts] == ["0.js", "1.js"]
    kept = json.loads(scripts[1].read_text().removeprefix("atlasPictures(1, ").removesuffix(");\n"))
    assert len(kept) == 30
    with Image.open(io.BytesIO(base64.b64decode(kept[29].split(",")[1]))) as picture:
        assert np.array_equal(np.asarray(picture)[0, 0], pictures[129, :, 0, 0])
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert "fetch(" not in (tmp_path / "site" / "atlas.js").read_text()


def test_only_an_atlas_is_replaced_and_only_if_asked_to(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_atlas(site, Pictures(_pictures(200), "first"))
    with pytest.raises(ValueError, match="replace it with --overwrite"):
        write_atlas(site, Pictures(_pictures(4), "second"))
    (site / "mine").write_text("mine")
    write_atlas(site, Pictures(_pictures(4), "second"), overwrite=True)
    assert _data(site)["title"] == "second"
    assert [path.name for path in (site / "pictures").iterdir()] == ["0.js"]
    assert (site / "mine").read_text() == "mine"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "index.html").write_text("mine")
    with pytest.raises(ValueError, match="holds other files; give an empty folder"):
        write_atlas(tmp_path / "full", Pictures(_pictures(4), "third"), overwrite=True)
    with pytest.raises(ValueError, match="An atlas needs pictures"):
        write_atlas(tmp_path / "new", Pictures(_pictures(0), "none"))


def _emoji(folder: Path) -> Path:
    folder.mkdir(parents=True)
    entries = []
    for name, colour in (("red heart", (220, 30, 40)), ("ghost", (235, 235, 240)), ("leaf", (30, 150, 60))):
        Image.new("RGBA", (20, 20), (*colour, 255)).save(folder / f"{name[0]}.png")
        entries.append({"file": f"{name[0]}.png", "name": name, "keywords": []})
    (folder / "emoji.json").write_text(json.dumps({"emoji": entries}))
    return folder


def test_a_folder_is_shown_whole_with_its_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    emoji = _emoji(tmp_path / "all" / "emoji")
    (emoji / "broken.png").write_text("no picture")
    assert main(["atlas", str(emoji), "-o", str(tmp_path / "site")]) == 0
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'site' / 'index.html'}  3 pictures\n"
    assert "broken.png" in told.err
    data = _data(tmp_path / "site")
    assert data["names"] == ["red heart", "ghost", "leaf"]
    assert data["moods"] == [1, 3, 0]
    assert main(["atlas", str(tmp_path / "all"), "-o", str(tmp_path / "other")]) == 0
    # Without a table beside them, pictures have the names of their files.
    assert _data(tmp_path / "other")["names"] == ["g", "l", "r"]


def test_a_generator_is_named_by_the_emoji_that_it_looks_like(tmp_path: Path) -> None:
    with weights_from(0):
        stylegan.save(Generator(8, 16, width=2), tmp_path / "g.safetensors")
    emoji = _emoji(tmp_path / "emoji")
    command = ["atlas", str(tmp_path / "g.safetensors"), "-o", str(tmp_path / "site"), "--count", "5"]
    assert main([*command, "--data", str(emoji)]) == 0
    data = _data(tmp_path / "site")
    assert data["count"] == 5
    assert set(data["names"]) <= {"red heart", "ghost", "leaf"}  # type: ignore[call-overload]
    assert main([*command, "--overwrite"]) == 0
    assert _data(tmp_path / "site")["names"] is None


def test_a_run_is_shown_picture_by_picture_with_its_epochs(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    options = {"resolution": 8, "batch_size": 2}
    (run / "run.json").write_text(json.dumps({"method": "dcgan", "options": options}))
    np.save(run / "pictures.npy", np.zeros((6, 3, 8, 8), np.uint8))
    told = {"classes": [], "labels": None, "skipped": [], "files": []}
    (run / "pictures.json").write_text(json.dumps(told))
    reel = Reel(run / "film" / "fresh.u8", (2, 3, 8, 8))
    for step in range(7):
        reel.put(step, torch.full((2, 3, 8, 8), 10 + step, dtype=torch.uint8))
    assert main(["atlas", str(run), "-o", str(tmp_path / "site")]) == 0
    data = _data(tmp_path / "site")
    # Three steps are an epoch, and a step has two pictures.
    assert (data["count"], data["epochs"]) == (14, [0, 6, 12])
    assert main(["atlas", str(run), "-o", str(tmp_path / "few"), "--count", "7"]) == 0
    assert (_data(tmp_path / "few")["count"], _data(tmp_path / "few")["epochs"]) == (7, [0, 3, 6])
