"""F19, F21: killed, or refused by the disk, at any write: the next run gives the bytes of an unbroken one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histoquant.phantoms.writer import write_slide
from histoquant.store.verify import verify

SIGKILLED = -9
Order = Callable[..., dict[str, int]]


@pytest.fixture(scope="module")
def slide(field: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    write_slide(folder / "P01_T1_V1_CD68.tif", field, 0.5)
    return folder


@pytest.fixture(scope="module")
def order(slide: Path) -> Iterator[Order]:
    """Run in a fork of a process that has everything imported."""
    program = Path(__file__).with_name("fork_server.py")
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:

        def send(out: Path, **fault: Any) -> dict[str, int]:
            assert server.stdin is not None
            assert server.stdout is not None
            line = {"slides": str(slide), "out": str(out), "computed": str(out) + ".computed", **fault}
            server.stdin.write(json.dumps(line) + "\n")
            server.stdin.flush()
            return dict(json.loads(server.stdout.readline()))

        yield send
        assert server.stdin is not None
        server.stdin.close()


@pytest.fixture(scope="module")
def unbroken(order: Order, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int, float]:
    """Bytes of a run without a fault, its number of points, and how long it takes."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert order(folder / "first")["status"] == 0  # which computes, so takes longer than all others
    start = time.monotonic()
    said = order(folder / "out")
    assert said["status"] == 0
    return _bytes(folder / "out"), said["points"], time.monotonic() - start


def _bytes(out: Path) -> dict[str, bytes]:
    """Every file there is; of log, seals and record, which hold times, only that they are there."""
    timed = {"log.jsonl", "SHA256SUMS", "ro-crate-metadata.json"}
    files = [path for path in out.rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): b"" if path.name in timed else path.read_bytes() for path in files}


def _resume_and_compare(order: Order, out: Path, expected: dict[str, bytes], where: str) -> int:
    """Run again without a fault; returns how many tiles were computed twice."""
    assert order(out)["status"] == 0, where
    found = _bytes(out)
    assert sorted(found) == sorted(expected), where
    assert [name for name in expected if expected[name] != found[name]] == [], where
    assert verify(out) == [], where
    assert not any((out / ".work").iterdir()), where
    computed = Counter(Path(f"{out}.computed").read_text().splitlines())
    return sum(count - 1 for count in computed.values())


def _every(step: int, unbroken: tuple[dict[str, bytes], int, float]) -> range:
    points = unbroken[1]
    assert points > 100
    return range(1, points + 1, step)


FULL = pytest.param(1, marks=pytest.mark.full, id="every point")


@pytest.mark.parametrize("step", [pytest.param(5, id="every fifth"), FULL])
def test_killed_at_any_write(step: int, order: Order, unbroken: Any, tmp_path: Path):
    redone = Counter[int]()
    for point in _every(step, unbroken):
        out = tmp_path / f"kill-{point}"
        assert order(out, fault="kill", point=point)["status"] == SIGKILLED
        redone[_resume_and_compare(order, out, unbroken[0], f"killed at point {point}")] += 1
    print(f"kills {redone.total()}, batches redone {dict(redone)}")
    assert max(redone) <= 1  # a batch is one tile here


@pytest.mark.parametrize("name", ["ENOSPC", "EIO", "EROFS"])
@pytest.mark.parametrize("step", [pytest.param(13, id="some"), FULL])
def test_refused_by_the_disk_at_any_write(name: str, step: int, order: Order, unbroken: Any, tmp_path: Path):
    redone = Counter[int]()
    for point in _every(step, unbroken):
        out = tmp_path / f"{name}-{point}"
        where = f"{name} from point {point} on"
        # what only tidies up may fail unseen; nothing may end as if all were well and not be
        status = order(out, fault=name, point=point)["status"]
        assert status in {0, 2}, where
        if status == 0:
            assert point > unbroken[1] - 3, where
        redone[_resume_and_compare(order, out, unbroken[0], where)] += 1
    print(f"{name} {redone.total()}, batches redone {dict(redone)}")
    assert max(redone) <= 1


@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.full)])
def test_killed_at_random_times(kills: int, order: Order, unbroken: Any, tmp_path: Path):
    random_s = random.Random(4)
    redone, statuses = Counter[int](), Counter[int]()
    # a machine that is less at work than when the unbroken run was timed lets some runs end first
    while statuses[SIGKILLED] < kills and statuses.total() < 2 * kills + 10:
        number = statuses.total()
        out = tmp_path / f"random-{number}"
        statuses[order(out, delay_s=random_s.uniform(0.001, unbroken[2]))["status"]] += 1
        redone[_resume_and_compare(order, out, unbroken[0], f"random kill {number}")] += 1
    print(f"statuses {dict(statuses)}, batches redone {dict(redone)}")
    assert statuses[SIGKILLED] == kills
    assert max(redone) <= 1
