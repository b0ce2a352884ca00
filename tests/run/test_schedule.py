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
from histoquant.run.rescue import PartReceipt
from histoquant.run.schedule import Listener, Schedule
from histoquant.run.tasks import BatchReceipt, CommitReceipt, PlanReceipt
from histoquant.tiling.executors import Done
from histoquant.tiling.limits import WorkerDiedError, WorkerLimits


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
    """Processes of one thread, each of which takes some turns for a task and dies of tasks of some names."""

    def __init__(self, turns: list[int], deadly: tuple[str, ...] = ()) -> None:
        self.window = len(turns)
        self.deadly = deadly
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
        if name.partition(":")[2] in self.deadly:
            return Done(name, None, WorkerDiedError("CRASH", WorkerLimits()))
        return Done(name, function(*arguments), None, f"tcp://{place}")


def _job(number: int) -> SlideJob:
    return SlideJob(slide_id=f"s{number}", path=Path(f"s{number}.tif"), out=Path(), marker=get_marker("CD68"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str]], tuple[_LastFirst, dict[str, list[str]]]]:
    def start(
        broken: set[str], executor: Any = None, slides: int = 20, batches: int = 3
    ) -> tuple[Any, dict[str, list[str]]]:
        def batch(job: SlideJob, number: int) -> BatchReceipt:
            if f"{job.slide_id}:{number}" in broken:
                raise ValueError
            if "disk" in broken and number == 2:
                raise StoreError("out: cannot be written (No space left on device).")
            return BatchReceipt(1, 10, 1.0)

        monkeypatch.setattr(schedule, "plan_slide", lambda job: PlanReceipt(batches, batches))
        monkeypatch.setattr(schedule, "run_batch", batch)
        monkeypatch.setattr(schedule, "commit_slide", lambda job: CommitReceipt({}))
        monkeypatch.setattr(schedule, "tile_places", lambda job, number: ["here", "there"])
        monkeypatch.setattr(schedule, "run_part", lambda job, number, index: PartReceipt(index))
        monkeypatch.setattr(schedule, "join_parts", batch)
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
        assert mine[0].endswith(":begin")
        ends = [name for name in mine if name.split(":")[1] in {"end", "commit"}]
        assert ends == mine[-1:]


def _names(executor: _Places) -> list[str]:
    """What one process had, without the slide."""
    return [name.partition(":")[2] for name in executor.had[0]]


@pytest.mark.parametrize("batches", [0, 1])
def test_a_slide_of_one_batch_is_one_task(run: Any, batches: int):
    executor, told = run(set(), _Places([1, 1]), slides=4, batches=batches)
    assert [name for names in executor.had.values() for name in names if not name.endswith("begin")] == []
    slides = sorted(_job(number).slide_id for number in range(4))
    assert sorted(told["planned"]) == sorted(told["committed"]) == slides
    assert sorted(told["batch"]) == batches * slides


def test_first_and_last_batch_go_with_plan_and_commit_where_nobody_waits(run: Any):
    executor, told = run(set(), _Places([1]), slides=2)
    assert _names(executor) == ["begin", "batch:1", "end:2", "begin", "batch:0", "batch:1", "end:2"]
    assert told["batch"] == ["s0"] * 3 + ["s1"] * 3


def test_what_died_with_the_first_of_a_slide_is_done_one_by_one(run: Any):
    executor, told = run(set(), _Places([1], deadly=("begin",)), slides=1)
    parts = ["tile:0:0", "tile:0:1", "join:0"]
    assert _names(executor) == ["begin", "plan:again:1", *parts, "batch:1", "batch:2", "commit:again:1"]
    assert told == {"planned": ["s0"], "batch": ["s0"] * 3, "committed": ["s0"], "failed": []}


def test_what_died_with_the_last_of_a_slide_is_done_one_by_one(run: Any):
    executor, told = run(set(), _Places([1], deadly=("end:2",)), slides=1)
    parts = ["tile:2:0", "tile:2:1", "join:2"]
    assert _names(executor) == ["begin", "batch:0", "batch:1", "end:2", *parts, "commit:again:1"]
    assert told == {"planned": ["s0"], "batch": ["s0"] * 3, "committed": ["s0"], "failed": []}


def test_three_deaths_end_a_slide_whatever_they_began_with(run: Any):
    deadly = ("end:2", "commit:again:1", "commit:again:2")
    _, told = run(set(), _Places([1], deadly), slides=1)
    assert told["failed"] == ["s0"]
    _, told = run(set(), _Places([1], ("begin", "tile:0:0", "tile:0:0:again:1")), slides=1)
    assert told["failed"] == ["s0"]


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
