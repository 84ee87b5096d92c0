"""Many machines: a cluster of two nodes does what this process does, to the last bit, also when one of them is lost."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch

import pulse
from pulse.batch import here, plan
from pulse.batch import ray as on_ray
from pulse.batch.order import Order, Report
from pulse.batch.plan import Job, TargetOptions
from pulse.options import SearchOptions
from stylegan.common.processes import with_threads

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with a core each, this process connected to them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # As on a machine where nobody has settled it; the import of pulse has, in this process.
        patch.delenv("OMP_WAIT_POLICY", raising=False)
        made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            made.add_node(num_cpus=1)
            ray.init(address=made.address, log_to_driver=False, logging_level="CRITICAL")
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


def _bytes(folder: Path) -> dict[str, Any]:
    """All that the files of a folder hold."""
    return {
        path.name: _whole(path) if path.suffix == ".safetensors" else path.read_bytes() for path in folder.iterdir()
    }


def _whole(path: Path) -> list[Any]:
    # The same metadata is written in another order each time.
    with safetensors.safe_open(path, "np") as file:
        tensors = [(name, file.get_tensor(name).tobytes()) for name in sorted(file.keys())]
        return [*tensors, *sorted(file.metadata().items())]


def _told(report: Report) -> list[Any]:
    """What a report says, whatever folder its files are in."""
    return [
        [path.name for path in report.written],
        [path.name for path in report.skipped],
        report.failures,
        report.notes,
        [row.title for row in report.rows],
        [path.name for path in report.left],
        report.interrupted,
    ]


def test_two_nodes_make_what_this_process_makes(tmp_path: Path, folder: Path, tiny: Path, cluster: Any) -> None:
    options: dict[str, Any] = {"generator": tiny, "seed": 1, "steps": 3, "threads": 1}
    options |= {"sheet": True, "save_results": True}
    threads = torch.get_num_threads()
    alone = pulse.search_folder(folder, tmp_path / "here", **options)
    with_ray = pulse.search_folder(folder, tmp_path / "ray", ray="auto", **options)
    assert _told(with_ray) == _told(alone)
    assert len(with_ray.written) == 6
    assert with_ray.failures[0].startswith(f"{folder}/bad name\\u202e.png ")
    assert _bytes(tmp_path / "ray") == _bytes(tmp_path / "here")
    assert torch.get_num_threads() == threads


def test_what_an_earlier_run_finished_is_kept(tmp_path: Path, folder: Path, tiny: Path, cluster: Any) -> None:
    options: dict[str, Any] = {"generator": tiny, "seed": 1, "steps": 1, "threads": 1}
    first = pulse.search_folder(folder, tmp_path / "out", **options)
    before = _bytes(tmp_path / "out")
    (tmp_path / "out" / "2.png").unlink()
    again = pulse.search_folder(folder, tmp_path / "out", ray="auto", **options)
    assert [path.name for path in again.written] == ["2.png"]
    assert len(again.skipped) == len(first.written) - 1
    assert _bytes(tmp_path / "out") == before
    other = pulse.search_folder(folder, tmp_path / "out", ray="auto", **{**options, "seed": 2})
    assert not other.written
    assert len(other.failures) == 7
    assert _bytes(tmp_path / "out") == before


def test_a_node_that_is_lost_costs_nothing_but_time(tmp_path: Path, folder: Path, generator: Any, cluster: Any) -> None:
    jobs = plan.plan([folder], tmp_path / "ray").jobs
    order = Order("tiny", SearchOptions(seed=1, steps=150), TargetOptions(size=8), quiet=True)
    node = cluster.add_node(num_cpus=1)
    killed = []

    def on_share(share: float) -> None:
        if not killed:
            # By now its worker is in the middle of a picture.
            time.sleep(0.3)
            cluster.remove_node(node, allow_graceful=False)
            killed.append(node)

    with with_threads(1):
        report = on_ray.search_pictures(jobs, order, generator, on_share)
        assert killed
        others = [Job(job.source, tmp_path / "here" / job.output.name) for job in jobs]
        assert _told(report) == _told(here.search_pictures(others, order, generator))
    assert _bytes(tmp_path / "ray") == _bytes(tmp_path / "here")


def test_a_picture_that_ends_its_workers_is_given_up(
    tmp_path: Path, folder: Path, generator: Any, cluster: Any
) -> None:
    generator.synthesis.register_forward_pre_hook(lambda module, arguments: os._exit(1))
    (job, *_) = [job for job in plan.plan([folder], tmp_path / "out").jobs if job.source.name == "0.png"]
    with with_threads(1):
        report = on_ray.search_pictures(
            [job], Order("tiny", SearchOptions(seed=1), TargetOptions(), quiet=True), generator
        )
    assert not report.written
    assert [failure.startswith(f"{job.source}: its worker was lost 3 times") for failure in report.failures] == [True]


def test_threads_of_workers_sleep_while_they_wait(cluster: Any) -> None:
    @ray.remote(num_cpus=1)
    def settled() -> str | None:
        from pulse.batch import worker

        assert worker.torch.get_num_threads() == 1
        return os.environ.get("OMP_WAIT_POLICY")

    assert ray.get(settled.remote()) == "passive"


def test_more_threads_than_a_machine_has_cores(tmp_path: Path, folder: Path, tiny: Path, cluster: Any) -> None:
    with pytest.raises(ValueError, match="no machine of the cluster has more than 1 cores; choose 1 threads"):
        pulse.search_folder(folder, tmp_path / "out", generator=tiny, threads=2, ray="auto")
    assert not (tmp_path / "out").exists()


def test_mistakes_are_one_sentence(tmp_path: Path, folder: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The other tests' cluster is none of this one's.
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    for address, said in (("sprites", "is 'sprites'; give HOST:PORT"), ("127.0.0.1:1", "No Ray cluster answers at")):
        with pytest.raises(ValueError, match=said):
            pulse.search_folder(folder, tmp_path / "out", generator=tiny, ray=address)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r'pip install "pulse-latent\[ray\]"'):
        pulse.search_folder(folder, tmp_path / "out", generator=tiny, ray="auto")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_ends_the_command_and_all_that_it_started(tmp_path: Path, folder: Path, tiny: Path) -> None:
    command = [sys.executable, "-m", "pulse", "search", "--ray", str(folder), "-o", str(tmp_path / "out")]
    options = ["--generator", str(tiny), "--seed=1", "--steps=300", "--threads=1", "--size=8"]
    # A short one: sockets lie in it.
    temporary = Path(tempfile.mkdtemp(prefix="p", dir="/tmp"))
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    children = _descendants(process.pid)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=150)
    assert process.returncode == 130, err
    assert "fits" in first or "does not fit" in first
    assert err.splitlines()[-1] == "Interrupted: what was found so far is written."
    assert "Traceback" not in err
    assert children
    for _ in range(100):
        if not any(_lives(child) for child in children):
            break
        time.sleep(0.1)
    assert not any(_lives(child) for child in children)
    assert not list(temporary.glob("ray-*"))
    shutil.rmtree(temporary)


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _lives(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
