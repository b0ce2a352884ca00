"""One thing a reader did, and what all of it together comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal[
    "verdict",
    "class",
    "delete",
    "add",
    "region",
    "drop_region",
    "score",
    "comment",
    "threshold",
    "undo",
    "lock",
]
VERDICTS = ("accepted", "rejected")
CLASSES = ("positive", "negative")
REGIONS = ("include", "exclude", "lumen", "tract wall")
CHECKLIST = {
    "granulation_tissue": 3,
    "acute_inflammation": 3,
    "chronic_inflammation": 3,
    "epithelialisation": 2,
    "fibrosis": 3,
}
"""Items of the score checklist and the highest grade of each; 0 is none."""


@dataclass(frozen=True)
class Event:
    """One line of a reader's log.

    Attributes
    ----------
    item : str
        Masked id of the field it belongs to; empty for ``undo`` and ``lock``.
    action : str
        See `Action`.
    target : str
        ``cell_id`` for ``class`` and ``delete``; name of the new cell or region for ``add``, ``region`` and
        ``drop_region``; checklist item for ``score``; number of the event taken back for ``undo``.
    old, new : mapping
        State before and after: ``{"class": "negative"}``, ``{"x_um": .., "y_um": .., "class": ..}``,
        ``{"kind": "exclude", "xy_um": [..]}``, ``{"value": 2}``, ``{"threshold_od": 0.22}``.
    why : str
        The reader's reason; may be empty.
    number : int
        Position in the log from 1; 0 before it is written.
    time, reader : str
        When (UTC, ISO 8601) and who; given by the log.
    """

    item: str
    action: Action
    target: str = ""
    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    number: int = 0
    time: str = ""
    reader: str = ""


@dataclass
class FieldReview:
    """What a reader has said of one field.

    Attributes
    ----------
    verdict : str
        ``accepted``, ``rejected`` or empty.
    classes : dict of int to str
        Cells whose class was changed, by ``cell_id``.
    deleted : set of int
        Cells that are none.
    added : dict of str to mapping
        New cells: ``x_um, y_um, class``.
    regions : dict of str to mapping
        ``kind, xy_um``.
    scores : dict of str to int
    comment : str
    threshold_od : float or None
        Proposed threshold.
    """

    verdict: str = ""
    classes: dict[int, str] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    added: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    regions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    comment: str = ""
    threshold_od: float | None = None


def effective(events: Iterable[Event]) -> list[Event]:
    """Events that stand: neither taken back nor taking back; an undone undo stands for nothing either."""
    listed = list(events)
    undone = {int(event.target) for event in listed if event.action == "undo"}
    return [event for event in listed if event.number not in undone and event.action != "undo"]


def review_of(events: Iterable[Event]) -> dict[str, FieldReview]:
    """Fold a log to what it says of each field.

    Parameters
    ----------
    events : iterable of Event
        In the order of the log.

    Returns
    -------
    dict of str to FieldReview
        By masked id; fields without an event are absent.
    """
    found: dict[str, FieldReview] = {}
    for event in effective(events):
        if event.action != "lock":
            _apply(found.setdefault(event.item, FieldReview()), event)
    return found


def last_to_undo(events: Iterable[Event]) -> Event | None:
    """The newest event that can be taken back, or None."""
    standing = [event for event in effective(events) if event.action != "lock"]
    return standing[-1] if standing else None


def _apply(review: FieldReview, event: Event) -> None:
    match event.action:
        case "verdict":
            review.verdict = str(event.new["verdict"])
        case "class":
            if event.target in review.added:
                review.added[event.target] = {**review.added[event.target], **event.new}
            else:
                review.classes[int(event.target)] = str(event.new["class"])
        case "delete":
            if review.added.pop(event.target, None) is None:
                review.deleted.add(int(event.target))
        case "add":
            review.added[event.target] = event.new
        case "region":
            review.regions[event.target] = event.new
        case "drop_region":
            review.regions.pop(event.target, None)
        case "score":
            review.scores[event.target] = int(event.new["value"])
        case "comment":
            review.comment = str(event.new["text"])
        case "threshold":
            review.threshold_od = float(event.new["threshold_od"])
        case _:
            raise ValueError(f"event {event.number}: no action {event.action}")
