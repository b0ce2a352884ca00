"""The reader's log: whole after any death, only added to, every change found."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from histoquant.errors import StoreError
from histoquant.review.events import Event
from histoquant.review.log_file import Item, ReviewLog

ITEMS = [Item(f"F{n}", f"slide_{n}", 10.0 * n, 0.0, 250.0, 250.0) for n in range(3)]


def begun(folder: Path) -> ReviewLog:
    return ReviewLog.create(folder / "anna.sqlite", "anna", ITEMS, {"seed": "7"})


def test_events_come_back_as_they_were_said(tmp_path: Path) -> None:
    with begun(tmp_path) as log:
        first = log.append(
            Event("F0", "class", "12", {"class": "negative"}, {"class": "positive"}, "clear ring")
        )
        log.append(Event("F1", "verdict", new={"verdict": "accepted"}))
        assert (first.number, first.reader) == (1, "anna")
    with ReviewLog(tmp_path / "anna.sqlite") as again:
        said = again.events()
        assert [event.action for event in said] == ["class", "verdict"]
        assert said[0] == first
        assert again.items == ITEMS
        assert again.first_broken_event() is None
    assert stat.S_IMODE((tmp_path / "anna.sqlite").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["anna.sqlite"]


def test_a_log_is_never_begun_twice(tmp_path: Path) -> None:
    begun(tmp_path).close()
    with pytest.raises(StoreError, match="another reader name"):
        begun(tmp_path)


def test_nothing_is_changed_or_taken_out(tmp_path: Path) -> None:
    with begun(tmp_path) as log:
        log.append(Event("F0", "comment", new={"text": "a"}))
    base = sqlite3.connect(tmp_path / "anna.sqlite")
    for statement in (
        "UPDATE events SET why = 'x'",
        "DELETE FROM events",
        "UPDATE items SET slide_id = 'x'",
        "DELETE FROM about",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            base.execute(statement)
    base.close()


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ('UPDATE events SET new = \'{"text": "z"}\' WHERE number = 2', 2),
        ("UPDATE events SET time = '2020' WHERE number = 1", 1),
        ("DELETE FROM events WHERE number = 2", 2),
        ("UPDATE items SET slide_id = 'slide_9' WHERE place = 0", 0),
        ("UPDATE about SET value = 'bob' WHERE key = 'reader'", 0),
    ],
)
def test_what_someone_changed_past_the_triggers_is_found(tmp_path: Path, statement: str, broken: int) -> None:
    with begun(tmp_path) as log:
        for text in "abc":
            log.append(Event("F0", "comment", new={"text": text}))
    with sqlite3.connect(tmp_path / "anna.sqlite") as base:
        for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            base.execute(f"DROP TRIGGER {name}")
        base.execute(statement)
    base.close()
    with ReviewLog(tmp_path / "anna.sqlite") as log:
        assert log.first_broken_event() == broken


def test_a_locked_log_takes_nothing_more(tmp_path: Path) -> None:
    with begun(tmp_path) as log:
        log.append(Event("", "lock"))
        with pytest.raises(StoreError, match="locked"):
            log.append(Event("F0", "comment", new={"text": "late"}))
        assert len(log.events()) == 1


WRITER = """
import sys
from pathlib import Path
from histoquant.review.events import Event
from histoquant.review.log_file import ReviewLog
log = ReviewLog(Path(sys.argv[1]))
n = len(log.events())
while True:
    log.append(Event("F0", "comment", new={"text": str(n)}))
    n += 1
    print(n, flush=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(200, marks=pytest.mark.full)])
def test_killed_at_any_moment_it_keeps_all_that_was_said_to_be_kept(tmp_path: Path, kills: int) -> None:
    begun(tmp_path).close()
    path, told = tmp_path / "anna.sqlite", 0
    for kill in range(kills):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(3 + kill % 5):
            told = int(process.stdout.readline())
        time.sleep((kill * 7 % 11) / 1000)
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
        process.stdout.close()
        process.wait()
        told = int(rest[-1]) if rest and rest[-1].isdigit() else told
        with ReviewLog(path) as log:
            assert len(log.events()) in (told, told + 1)  # the last one may be kept and not yet told
            assert [event.new["text"] for event in log.events()] == [str(n) for n in range(len(log.events()))]
            assert log.first_broken_event() is None


def test_what_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    with pytest.raises(StoreError, match="no review log"):
        ReviewLog(path)
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="is no review log"):
        ReviewLog(path)
