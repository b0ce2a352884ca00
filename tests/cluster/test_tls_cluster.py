"""A user's own TLS cluster: the bytes of one process, even while workers die."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import pytest

from histoquant.errors import StoreError
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.store.verify import verify


def _bytes(out: Path) -> dict[str, bytes]:
    skipped = {"log.jsonl", "SHA256SUMS", "ro-crate-metadata.json"}
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in skipped]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def alone(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    assert run_slides(RunOptions((slides,), out, workers=0)) == 0
    return out


def test_two_hosts_over_tls_give_the_bytes_of_one_process(
    cluster: Any, slides: Path, alone: Path, tmp_path: Path
):
    address = cluster.scheduler()
    assert address.startswith("tls://127.0.0.1:")
    workers = [cluster.worker(address, host) for host in ("127.0.0.2", "127.0.0.3")]
    out = tmp_path / "out"
    assert run_slides(RunOptions((slides,), out, scheduler=address, tile_size_px=300)) == 0
    listening_at = importlib.import_module("tls_cluster").listening_at
    assert listening_at([cluster.processes[0].pid]) == {"127.0.0.1"}
    for worker, host in zip(workers, ("127.0.0.2", "127.0.0.3"), strict=True):
        assert listening_at([worker.pid]) == {host, "127.0.0.1"}, "one is Dask's own page of health"
    assert _bytes(out) == _bytes(alone)
    assert verify(out) == []


def test_a_worker_of_another_build_is_refused(
    cluster: Any, slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Such as sources that were edited, or a library renewed, after the run began."""
    address = cluster.scheduler()
    cluster.worker(address, "127.0.0.2")
    monkeypatch.setattr("histoquant.run.intake.build_digest", lambda: "of yesterday")
    with pytest.raises(StoreError, match=r"another build.*same versions on both"):
        run_slides(RunOptions((slides,), tmp_path / "out", scheduler=address))


@pytest.mark.full
def test_workers_that_keep_dying_and_a_lost_scheduler_lose_nothing(
    cluster: Any, slides: Path, alone: Path, tmp_path: Path
):
    address = cluster.scheduler()
    out = tmp_path / "out"
    options = RunOptions((slides,), out, scheduler=address, tile_size_px=256)
    over = threading.Event()

    def kill_as_work_lands() -> None:
        alive = [cluster.worker(address, host) for host in ("127.0.0.2", "127.0.0.3")]
        seen: set[Path] = set()
        while not over.wait(0.2):
            new = {*out.rglob("*.hqb"), *out.rglob("plan.json")} - seen
            if not new:
                continue
            seen |= new
            if len(seen) >= 4:
                cluster.processes[0].kill()
                return
            alive.append(cluster.worker(address, f"127.0.0.{len(seen) + 4}"))
            alive.pop(0).kill()

    chaos = threading.Thread(target=kill_as_work_lands)
    chaos.start()
    try:
        with pytest.raises(StoreError, match="kept on disk"):
            run_slides(options)
    finally:
        over.set()
        chaos.join()
    address = cluster.scheduler()
    cluster.worker(address, "127.0.0.2")
    assert run_slides(RunOptions((slides,), out, scheduler=address, tile_size_px=256)) == 0
    assert _bytes(out) == _bytes(alone)
