"""Order of tasks: plans before batches before commits, a window at a time, failures alone."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from histoquant.errors import StoreError
from histoquant.markers import get_marker
from histoquant.run import schedule
from histoquant.run.job import SlideJob
from histoquant.run.schedule import Listener, Schedule
from histoquant.run.tasks import BatchReceipt, CommitReceipt, PlanReceipt
from histoquant.tiling.executors import Done


class _LastFirst:
    """An executor that finishes the newest task first and remembers how many were under way."""

    window = 5

    def __init__(self) -> None:
        self.waiting: deque[tuple[str, Callable[..., Any], tuple[Any, ...]]] = deque()
        self.most = 0
        self.order: list[str] = []

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        self.waiting.append((name, function, arguments))
        self.most = max(self.most, len(self.waiting))

    def next_done(self) -> Done:
        name, function, arguments = self.waiting.pop()
        self.order.append(name)
        try:
            return Done(name, function(*arguments), None)
        except (ValueError, StoreError) as error:
            return Done(name, None, error)


class _Places:
    """An executor of processes of one thread, each of which takes a given number of turns for a task."""

    def __init__(self, turns: list[int]) -> None:
        self.window = len(turns)
        self.turns = turns
        self.idle = list(range(len(turns)))
        self.busy: dict[int, tuple[int, str, Callable[..., Any], tuple[Any, ...]]] = {}
        self.had: dict[int, list[str]] = {place: [] for place in self.idle}
        self.clock = 0

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        place = self.idle.pop(0)
        self.had[place].append(name)
        self.busy[place] = (self.clock + self.turns[place], name, function, arguments)

    def next_done(self) -> Done:
        place = min(self.busy, key=lambda one: self.busy[one][0])
        self.clock, name, function, arguments = self.busy.pop(place)
        self.idle.append(place)
        return Done(name, function(*arguments), None, f"tcp://{place}")


def _job(number: int) -> SlideJob:
    return SlideJob(slide_id=f"s{number}", path=Path(f"s{number}.tif"), out=Path(), marker=get_marker("CD68"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str]], tuple[_LastFirst, dict[str, list[str]]]]:
    def start(broken: set[str], executor: Any = None, slides: int = 20) -> tuple[Any, dict[str, list[str]]]:
        def batch(job: SlideJob, number: int) -> BatchReceipt:
            if f"{job.slide_id}:{number}" in broken:
                raise ValueError
            if "disk" in broken and number == 2:
                raise StoreError("out: cannot be written (No space left on device).")
            return BatchReceipt(1, 10, 1.0)

        monkeypatch.setattr(schedule, "plan_slide", lambda job: PlanReceipt(3, 3))
        monkeypatch.setattr(schedule, "run_batch", batch)
        monkeypatch.setattr(schedule, "commit_slide", lambda job: CommitReceipt({}))
        told: dict[str, list[str]] = {"planned": [], "batch": [], "committed": [], "failed": []}
        listener = Listener(
            lambda job, receipt: told["planned"].append(job.slide_id),
            lambda job, receipt: told["batch"].append(job.slide_id),
            lambda job, receipt: told["committed"].append(job.slide_id),
            lambda job, error: told["failed"].append(job.slide_id),
        )
        executor = executor or _LastFirst()
        Schedule(executor, listener).run(_job(number) for number in range(slides))
        return executor, told

    return start


def test_all_slides_come_through_in_any_order_within_the_window(run: Any):
    executor, told = run(set())
    assert sorted(told["committed"]) == sorted(_job(number).slide_id for number in range(20))
    assert len(told["batch"]) == 60
    assert executor.most <= executor.window
    for number in range(20):
        mine = [name for name in executor.order if name.startswith(_job(number).key)]
        assert [name.split(":")[1] for name in mine] == ["plan", "batch", "batch", "batch", "commit"]


def test_a_process_goes_on_with_its_slide_and_helps_once_there_is_no_new_one(run: Any):
    executor, told = run(set(), _Places([2, 3]))
    assert len(told["committed"]) == 20
    slides = [[name.split(":")[0] for name in names] for names in executor.had.values()]
    both = set(slides[0]) & set(slides[1])
    last = {_job(number).key for number in (18, 19)}
    assert both <= last
    for mine in slides:
        changes = sum(one != other for one, other in itertools.pairwise(mine))
        assert changes == len(set(mine)) - 1


def test_processes_without_a_slide_share_the_only_one(run: Any):
    executor, told = run(set(), _Places([1, 1, 1, 1]), slides=1)
    assert told["committed"] == ["s0"]
    assert sum(any(":batch" in name for name in names) for names in executor.had.values()) == 3


def test_a_failing_slide_is_told_once_and_gets_no_commit(run: Any):
    executor, told = run({"s4:0", "s4:2", "s7:1"})
    assert sorted(told["failed"]) == ["s4", "s7"]
    assert len(told["committed"]) == 18
    assert f"{_job(4).key}:commit" not in executor.order


def test_keys_name_what_can_change_a_result_and_nothing_else():
    job = _job(1)
    assert job.key == _job(1).key
    assert job.key != _job(2).key
    coarse = job.model_copy(update={"parameters": job.parameters.model_copy(update={"tile_size_px": 512})})
    assert coarse.key == job.key
    assert coarse.work_key != job.work_key
    strict = job.marker.model_copy(update={"threshold_od": 0.3})
    assert job.model_copy(update={"marker": strict}).key != job.key


def test_a_full_disk_is_no_slides_fault_and_ends_the_run(run: Any):
    with pytest.raises(StoreError, match="No space left"):
        run({"disk"})
