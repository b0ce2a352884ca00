"""A reader at work: the field that is shown, what was said of it, and every action into the log at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.errors import UsageError
from histoquant.review.events import (
    CHECKLIST,
    CLASSES,
    REGIONS,
    VERDICTS,
    Event,
    FieldReview,
    last_to_undo,
    review_of,
)
from histoquant.review.log_file import Item, ReviewLog

REACH_UM = 8.0
"""A click farther from every cell's middle means none."""


class Desk:
    """Queue, place in it, and the reader's actions.

    What is shown follows from the log alone: each action is on disk before anything changes on the screen,
    so a viewer that is killed opens again as it was.

    Parameters
    ----------
    log : ReviewLog

    Attributes
    ----------
    items : list of Item
    place : int
        Index of the field that is shown; at the start the first without a verdict.
    """

    def __init__(self, log: ReviewLog) -> None:
        self.log = log
        self.items = log.items
        self._events = log.events()
        said = self.said()
        open_places = (k for k, item in enumerate(self.items) if not _done(said.get(item.item)))
        self.place = next(open_places, 0)

    @property
    def item(self) -> Item:
        """Field that is shown."""
        return self.items[self.place]

    @property
    def review(self) -> FieldReview:
        """What was said of it."""
        return self.said().get(self.item.item, FieldReview())

    @property
    def done(self) -> int:
        """Fields with a verdict."""
        return sum(_done(review) for review in self.said().values())

    def said(self) -> dict[str, FieldReview]:
        """What was said of each field, by masked id."""
        return review_of(self._events)

    def go(self, step: int) -> bool:
        """Move in the queue; False at its end."""
        place = self.place + step
        if not 0 <= place < len(self.items):
            return False
        self.place = place
        return True

    def verdict(self, verdict: str, why: str = "") -> None:
        """Accept or reject the field."""
        _among(verdict, VERDICTS)
        self._add("verdict", "", {"verdict": self.review.verdict}, {"verdict": verdict}, why)

    def classify(self, target: str, old: str, new: str) -> None:
        """Give a cell another class; `target` is its ``cell_id`` or the name of an added one."""
        _among(new, CLASSES)
        self._add("class", target, {"class": old}, {"class": new})

    def delete(self, target: str, old: Mapping[str, Any]) -> None:
        """Say that a cell is none."""
        self._add("delete", target, old, {})

    def add(self, x_um: float, y_um: float, class_name: str) -> None:
        """Add a cell that was missed."""
        _among(class_name, CLASSES)
        new = {"x_um": round(x_um, 2), "y_um": round(y_um, 2), "class": class_name}
        self._add("add", f"new{len(self._events) + 1}", {}, new)

    def region(self, kind: str, xy_um: Sequence[float]) -> None:
        """Draw a region; a flat x, y outline in micrometres of the slide."""
        _among(kind, REGIONS)
        if len(xy_um) < 6:
            raise UsageError("a region needs three corners or more")
        outline = [round(float(value), 2) for value in xy_um]
        self._add("region", f"region{len(self._events) + 1}", {}, {"kind": kind, "xy_um": outline})

    def score(self, name: str, value: int) -> None:
        """Grade an item of the checklist; the same grade again is no event."""
        if name not in CHECKLIST or not 0 <= value <= CHECKLIST[name]:
            raise UsageError(f"{name} {value}: not a grade of the checklist.")
        old = self.review.scores.get(name)
        if old != value:
            self._add("score", name, {"value": old}, {"value": value})

    def comment(self, text: str) -> None:
        """Say something of the field; the same words again are no event."""
        old = self.review.comment
        if old != text:
            self._add("comment", "", {"text": old}, {"text": text})

    def threshold(self, threshold_od: float, why: str) -> None:
        """Propose another threshold for the slide."""
        if not why.strip():
            raise UsageError("another threshold needs a reason")
        old = self.review.threshold_od
        self._add("threshold", "", {"threshold_od": old}, {"threshold_od": threshold_od}, why)

    def undo(self) -> bool:
        """Take the last standing event back and show its field; False if there is none."""
        last = last_to_undo(self._events)
        if last is None:
            return False
        self._events.append(self.log.append(Event("", "undo", str(last.number))))
        self.place = next((k for k, item in enumerate(self.items) if item.item == last.item), self.place)
        return True

    def lock(self) -> None:
        """Sign off: nothing more is added."""
        self._events.append(self.log.append(Event("", "lock")))

    def _add(
        self, action: Any, target: str, old: Mapping[str, Any], new: Mapping[str, Any], why: str = ""
    ) -> None:
        event = Event(self.item.item, action, target, old, new, why)
        self._events.append(self.log.append(event))


class FieldCells:
    """Cells of a field with what the reader made of them.

    Parameters
    ----------
    cells : pandas.DataFrame
        ``cell_id, x_um, y_um, positive`` of the cells within the field, with ``dab_od`` where a threshold is
        tried.
    review : FieldReview
    threshold_od : float, optional
        Tried; default: the one proposed in the review, or else the machine's classes.
    """

    def __init__(self, cells: pd.DataFrame, review: FieldReview, threshold_od: float | None = None) -> None:
        self._ids = cells["cell_id"].to_numpy(np.int64)
        self._xy_um = cells[["x_um", "y_um"]].to_numpy(np.float64)
        self._review = review
        positive = cells["positive"].fillna(False).to_numpy(bool).copy()
        tried_od = review.threshold_od if threshold_od is None else threshold_od
        if tried_od is not None and "dab_od" in cells:
            positive = cells["dab_od"].to_numpy(np.float64) >= tried_od
        place = {int(cell_id): row for row, cell_id in enumerate(self._ids)}
        for cell_id, name in review.classes.items():
            if cell_id in place:
                positive[place[cell_id]] = name == "positive"
        self.positive: NDArray[np.bool_] = positive
        self.deleted: NDArray[np.bool_] = np.isin(self._ids, list(review.deleted))

    def at(self, x_um: float, y_um: float) -> tuple[str, str] | None:
        """Target and class of the cell at a place, machine's or added; None where there is none."""
        found: list[tuple[float, str, str]] = []
        if len(self._xy_um):
            squared = np.square(self._xy_um - (x_um, y_um)).sum(axis=1)
            squared[self.deleted] = np.inf
            row = int(squared.argmin())
            found.append((float(squared[row]), str(self._ids[row]), CLASSES[0 if self.positive[row] else 1]))
        for name, cell in self._review.added.items():
            away = (float(cell["x_um"]) - x_um) ** 2 + (float(cell["y_um"]) - y_um) ** 2
            found.append((away, name, str(cell["class"])))
        near = [each for each in found if each[0] <= REACH_UM**2]
        return min(near)[1:] if near else None


def other_class(class_name: str) -> str:
    """Positive for negative and the other way round."""
    return CLASSES[1 - CLASSES.index(class_name)]


def _done(review: FieldReview | None) -> bool:
    return review is not None and review.verdict != ""


def _among(word: str, words: Sequence[str]) -> None:
    if word not in words:
        raise UsageError(f"{word}: choose from {', '.join(words)}.")
