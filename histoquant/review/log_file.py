"""A reader's log: one SQLite file, lines are added and never changed, each sealed by the one before it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from histoquant.errors import StoreError
from histoquant.review.events import Event

SUFFIX = ".sqlite"
_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE items (
    place INTEGER PRIMARY KEY, item TEXT UNIQUE NOT NULL, slide_id TEXT NOT NULL,
    x_um REAL NOT NULL, y_um REAL NOT NULL, width_um REAL NOT NULL, height_um REAL NOT NULL
) STRICT;
CREATE TABLE events (
    number INTEGER PRIMARY KEY, time TEXT NOT NULL, reader TEXT NOT NULL, item TEXT NOT NULL,
    action TEXT NOT NULL, target TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL, why TEXT NOT NULL,
    seal TEXT NOT NULL
) STRICT;
"""
_KEPT = "".join(
    f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'a review log is only added to'); END;\n"
    for table in ("about", "items", "events")
    for verb in ("UPDATE", "DELETE")
)


@dataclass(frozen=True)
class Item:
    """One field of the queue; micrometres from the level-0 corner of its slide."""

    item: str
    slide_id: str
    x_um: float
    y_um: float
    width_um: float
    height_um: float

    @property
    def corners_um(self) -> list[float]:
        """Return its outline as a flat list x, y, x, y, ..."""
        right, bottom = self.x_um + self.width_um, self.y_um + self.height_um
        return [self.x_um, self.y_um, right, self.y_um, right, bottom, self.x_um, bottom]


class ReviewLog:
    """An open log.

    Every event is on disk before `append` returns (SQLite with a rollback journal, ``synchronous = FULL``),
    so a viewer that is killed loses nothing it has shown as done. No write-ahead log: it needs shared memory,
    which network disks lack.

    Parameters
    ----------
    path : Path
        An existing log; `create` makes one.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"{path}: no review log. Begin one with `histoquant review OUT`.")
        self.path = path
        try:
            self._base = _connect(path)
            about = dict(self._base.execute("SELECT key, value FROM about"))
            self.reader = str(about["reader"])
        except (sqlite3.DatabaseError, KeyError) as error:
            raise StoreError(f"{path}: is no review log ({error}). Move it away and begin anew.") from error
        self.about = about

    @classmethod
    def create(cls, path: Path, reader: str, items: Sequence[Item], about: dict[str, str]) -> Self:
        """Make a log with its queue.

        Parameters
        ----------
        path : Path
            Must not exist.
        reader : str
        items : sequence of Item
            In the order in which they are shown.
        about : dict of str to str
            What the queue was drawn from: seed, digests.

        Raises
        ------
        StoreError
            If it exists or cannot be written.
        """
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        told = sorted({"reader": reader, **about}.items())
        rows = [(n, i.item, i.slide_id, i.x_um, i.y_um, i.width_um, i.height_um) for n, i in enumerate(items)]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # its owner alone: the queue tells slides from masks
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with contextlib.closing(_connect(temporary)) as base:
                base.executescript(_SCHEMA + _KEPT)
                with base:
                    opening = ("opening", _opening_seal(told, rows))
                    base.executemany("INSERT INTO about VALUES (?, ?)", [*told, opening])
                    base.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            os.link(temporary, path)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be begun ({error.strerror}). Choose another reader name."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return cls(path)

    @property
    def items(self) -> list[Item]:
        """The queue in its order."""
        rows = self._base.execute(
            "SELECT item, slide_id, x_um, y_um, width_um, height_um FROM items ORDER BY place"
        )
        return [Item(*row) for row in rows]

    @property
    def locked(self) -> bool:
        """Whether the reader has signed off: nothing more is added."""
        found = self._base.execute("SELECT count(*) FROM events WHERE action = 'lock'").fetchone()
        return bool(found[0])

    def events(self) -> list[Event]:
        """All events in order."""
        rows = self._base.execute(
            "SELECT number, time, reader, item, action, target, old, new, why FROM events ORDER BY number"
        )
        return [
            Event(item, action, target, json.loads(old), json.loads(new), why, number, time, reader)
            for number, time, reader, item, action, target, old, new, why in rows
        ]

    def append(self, event: Event) -> Event:
        """Add one event; it is on disk when this returns.

        Returns
        -------
        Event
            With its number, time and reader.

        Raises
        ------
        StoreError
            If the log is locked, or the disk refuses.
        """
        try:
            with _transaction(self._base):
                if self.locked:
                    raise StoreError(f"{self.path.name}: locked by its reader. Begin another reading.")
                last = self._base.execute("SELECT number, seal FROM events ORDER BY number DESC").fetchone()
                number, before = (last[0] + 1, last[1]) if last else (1, self._opening())
                time = datetime.now(UTC).isoformat(timespec="milliseconds")
                written = replace(event, number=number, time=time, reader=self.reader)
                row = _row(written)
                self._base.execute(
                    "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, _seal(before, row))
                )
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path}: cannot be written ({error}). The last step is not kept; "
                "make room and repeat it."
            ) from error
        return written

    def first_broken_event(self) -> int | None:
        """Number of the first event that is not as it was written, 0 for the queue itself, or None."""
        seal = self._opening()
        if self.about.get("opening") != seal:
            return 0
        expected = 1
        for *row, kept in self._base.execute("SELECT * FROM events ORDER BY number"):
            seal = _seal(seal, tuple(row))
            if row[0] != expected or kept != seal:
                return expected
            expected += 1
        return None

    def head(self) -> str:
        """Seal of the last event: kept elsewhere, it proves the whole log."""
        last = self._base.execute("SELECT seal FROM events ORDER BY number DESC").fetchone()
        return str(last[0]) if last else self._opening()

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opening(self) -> str:
        about = sorted((key, value) for key, value in self.about.items() if key != "opening")
        return _opening_seal(about, list(self._base.execute("SELECT * FROM items ORDER BY place")))


def _opening_seal(about: Sequence[tuple[str, str]], items: Sequence[tuple[Any, ...]]) -> str:
    """Seal before the first event: who reads what in which order."""
    return hashlib.sha256(json.dumps([about, items]).encode()).hexdigest()


def _connect(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    try:
        for setting in ("journal_mode = DELETE", "synchronous = FULL", "trusted_schema = OFF"):
            base.execute(f"PRAGMA {setting}")
    except sqlite3.DatabaseError:
        base.close()
        raise
    return base


@contextlib.contextmanager
def _transaction(base: sqlite3.Connection) -> Iterator[None]:
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")


def _row(event: Event) -> tuple[Any, ...]:
    old, new = (json.dumps(dict(state), sort_keys=True, allow_nan=False) for state in (event.old, event.new))
    place = (event.number, event.time, event.reader, event.item)
    return (*place, event.action, event.target, old, new, event.why)


def _seal(before: str, row: tuple[Any, ...]) -> str:
    return hashlib.sha256(f"{before}\n{json.dumps(row)}".encode()).hexdigest()
