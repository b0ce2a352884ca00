"""How far a run is, read from its output folder alone: no scheduler, no connection, no lock taken."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from histoquant.errors import StoreError
from histoquant.store.layout import OutputFolder
from histoquant.store.lock import live_holders

WHOLE_LOG: Final = "log.jsonl"
_BATCH: Final = re.compile(r"batch-\d{6}\.hqb")
_ENDS: Final = {"run_finished": "finished", "run_interrupted": "interrupted", "run_stopped": "stopped"}


@dataclass
class SlideProgress:
    """One slide under way.

    Attributes
    ----------
    slide_id : str
    batches, batches_done : int
        Batches of its plan, and those of them that lie finished on disk.
    tiles : int
        Tiles of its plan.
    """

    slide_id: str
    batches: int
    tiles: int
    batches_done: int = 0

    @property
    def tiles_done(self) -> float:
        """Tiles in finished batches, taking batches as equally large."""
        return self.tiles * self.batches_done / self.batches if self.batches else 0.0


@dataclass
class RunStatus:
    """How far a run is.

    Attributes
    ----------
    state : str
        ``running``, ``finished``, ``interrupted``, ``stopped`` (the disk refused), or ``gone``: no process
        holds the folder and the log has no end.
    holders : list of str
        Processes at work, in words.
    slides_total, slides_done, slides_failed : int
        Slides of the run; done are committed with numbers, failed have a reason instead.
    under_way : list of SlideProgress
        Slides that are planned and not yet committed.
    seconds_left : float or None
        By the rate since the start of the run; None where nothing can be said.
    """

    state: str = "gone"
    holders: list[str] = field(default_factory=list)
    slides_total: int = 0
    slides_done: int = 0
    slides_failed: int = 0
    under_way: list[SlideProgress] = field(default_factory=list)
    seconds_left: float | None = None

    @property
    def batches_done(self) -> int:
        """Finished batches on disk of all slides under way."""
        return sum(slide.batches_done for slide in self.under_way)

    @property
    def batches(self) -> int:
        """Batches of all slides under way."""
        return sum(slide.batches for slide in self.under_way)


@dataclass
class _Story:
    """What one log tells of its last run."""

    started_s: float = 0.0
    slides_total: int = 0
    ended: str = ""
    planned: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def tell(self, event: dict[str, Any]) -> None:
        """Take in one event that is no start of a run."""
        kind, slide_id = event.get("event"), str(event.get("slide_id"))
        if kind == "slide_planned":
            self.planned[slide_id] = event
        elif kind in {"slide_committed", "slide_kept"}:
            self.done.add(slide_id)
            if kind == "slide_kept":
                self.kept.add(slide_id)
        elif kind in {"slide_failed", "slide_refused"}:
            self.failed.add(slide_id)
        elif kind in _ENDS:
            self.ended = str(kind)


def run_status(root: Path, now_s: float | None = None) -> RunStatus:
    """Read how far a run is.

    Parameters
    ----------
    root : Path
        Its output folder; shards of a job array are summed up.
    now_s : float, optional
        Seconds since 1970; default now.

    Returns
    -------
    RunStatus

    Raises
    ------
    StoreError
        If no run was ever started there.
    """
    stories = {path.name: _story(path) for path in sorted(root.glob("log*.jsonl")) if path.is_file()}
    if not any(story.started_s for story in stories.values()):
        raise StoreError(f"{root}: no run was started there. Name the folder given to `histoquant run -o`.")
    # a whole run after its shards tells everything; shards at work after it tell their parts
    newest = max(stories, key=lambda name: stories[name].started_s)
    told = [stories[newest]] if newest == WHOLE_LOG else [s for n, s in stories.items() if n != WHOLE_LOG]
    return _summed(OutputFolder(root), told, time.time() if now_s is None else now_s)


def _story(path: Path) -> _Story:
    story = _Story()
    for event in _events(path):
        if event.get("event") == "run_started":
            started_s = datetime.fromisoformat(str(event["time"])).timestamp()
            story = _Story(started_s=started_s, slides_total=int(event["slides"]))
        else:
            story.tell(event)
    return story


def _events(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # the end of a run that was cut off
            continue
        if isinstance(event, dict):
            yield event


def _summed(out: OutputFolder, stories: list[_Story], now_s: float) -> RunStatus:
    status = RunStatus(holders=live_holders(out.root))
    tiles = kept = 0.0
    for story in stories:
        status.slides_total += story.slides_total
        status.slides_done += len(story.done)
        status.slides_failed += len(story.failed)
        kept += len(story.kept)
        for slide_id, event in story.planned.items():
            if slide_id in story.done:
                tiles += event["tiles"]
            elif slide_id not in story.failed:
                status.under_way.append(_progress(out, slide_id, event))
    if status.holders:
        status.state = "running"
    else:
        ends = {_ENDS.get(story.ended, "gone") for story in stories}
        status.state = ends.pop() if len(ends) == 1 else "gone"
    tiles += sum(slide.tiles_done for slide in status.under_way)
    if status.state == "running" and tiles:
        status.seconds_left = _seconds_left(status, stories, tiles, kept, now_s)
    return status


def _progress(out: OutputFolder, slide_id: str, event: dict[str, Any]) -> SlideProgress:
    work = out.work(slide_id, str(event.get("work", "")))
    done = sum(_BATCH.fullmatch(path.name) is not None for path in work.glob("batch-*.hqb"))
    return SlideProgress(slide_id, int(event["batches"]), int(event["tiles"]), done)


def _seconds_left(
    status: RunStatus, stories: list[_Story], tiles_done: float, kept: float, now_s: float
) -> float:
    """Time by tiles; a slide that is not planned yet counts as the mean of those that are."""
    planned = [event["tiles"] for story in stories for event in story.planned.values()]
    to_do = status.slides_total - status.slides_failed - kept
    expected = sum(planned) / len(planned) * max(to_do, len(planned))
    elapsed_s = now_s - min(story.started_s for story in stories)
    return float(elapsed_s * max(expected - tiles_done, 0.0) / tiles_done)
