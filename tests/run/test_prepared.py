"""A slide's plan is read once by each process that works on it, and never another slide's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histoquant.run import prepared as module
from histoquant.run import tasks
from histoquant.run.intake import take_in
from histoquant.run.job import SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.prepared import forget_prepared, load_plan, prepared
from histoquant.run.tasks import commit_slide, plan_slide, run_batch


@pytest.fixture
def jobs(slides: Path, tmp_path: Path) -> list[SlideJob]:
    """Two slides, and the first once more in other tiles."""
    options = RunOptions(slides=(slides,), out=tmp_path, tile_size_px=256)
    made = take_in(options).jobs(tmp_path)
    smaller = made[0].parameters.model_copy(update={"batch_tiles": 2})
    return [made[0], made[1], made[0].model_copy(update={"parameters": smaller})]


def test_each_task_has_the_plan_of_its_own_slide(
    jobs: list[SlideJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(job: SlideJob) -> object:
        read.append(job.work_key)
        return load_plan(job)

    batches = [plan_slide(job).batches for job in jobs]
    assert batches[2] > batches[0]
    monkeypatch.setattr(module, "load_plan", counted)
    forget_prepared()
    order = [0, 0, 1, 0, 2, 2]
    for k in order:
        found = prepared(jobs[k])
        assert found.planned.plan.marker.name == jobs[k].marker.name
        assert len(found.batches) == batches[k]
    assert read == [jobs[k].work_key for k in (0, 1, 0, 2)]


def test_a_slide_planned_anew_is_read_anew(jobs: list[SlideJob], monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs[0]
    number = plan_slide(job).batches
    before = prepared(job)
    assert prepared(job) is before
    plan_slide(job)
    assert prepared(job) is not before
    for each in range(number):
        run_batch(job, each)
    commit_slide(job)
    monkeypatch.setattr(module, "load_plan", lambda _: pytest.fail("the work folder is gone"))
    with pytest.raises(pytest.fail.Exception):
        prepared(job)


def test_what_is_read_is_what_was_planned(jobs: list[SlideJob]) -> None:
    plan_slide(jobs[0])
    one, two = load_plan(jobs[0]), prepared(jobs[0]).planned
    assert one.plan == two.plan
    for name, array in one.tissue.to_arrays().items():
        assert np.array_equal(array, two.tissue.to_arrays()[name]), name


def test_room_is_made_for_a_slide_whoever_planned_it(
    jobs: list[SlideJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(tasks, "make_room_for_slide", lambda _: made.append("survey"))
    monkeypatch.setattr(module, "give_back_freed_memory", lambda: made.append("read"))
    for _ in range(2):
        plan_slide(jobs[0])
    run_batch(jobs[0], 0)
    assert made == ["survey", "read"]
    forget_prepared()  # as in a process that helps
    run_batch(jobs[0], 0)
    assert made == ["survey", "read", "read"]
