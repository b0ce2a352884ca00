"""The desk: each action is one line of the log, what is shown follows from it, a new desk goes on there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histoquant.errors import UsageError
from histoquant.review.desk import Desk, FieldCells, other_class
from histoquant.review.events import FieldReview
from histoquant.review.log_file import Item, ReviewLog


@pytest.fixture
def log(tmp_path: Path) -> ReviewLog:
    items = [Item(name, "s1", 100.0 * k, 0.0, 100.0, 100.0) for k, name in enumerate(("AAAAA", "BBBBB"))]
    return ReviewLog.create(tmp_path / "anna.sqlite", "anna", items, {})


def test_each_action_is_one_line_and_a_new_desk_shows_the_same(log: ReviewLog) -> None:
    with log:
        desk = Desk(log)
        desk.classify("17", "negative", "positive")
        desk.delete("18", {"class": "positive"})
        desk.add(10.0, 20.0, "positive")
        desk.region("exclude", [0, 0, 10, 0, 10, 10])
        desk.score("fibrosis", 2)
        desk.score("fibrosis", 2)
        desk.comment("a fold")
        desk.comment("a fold")
        desk.threshold(0.3, "background")
        desk.verdict("accepted")
        assert len(log.events()) == 8
        review = desk.review
        assert (review.classes, review.deleted, review.scores) == ({17: "positive"}, {18}, {"fibrosis": 2})
        assert [(c["x_um"], c["class"]) for c in review.added.values()] == [(10.0, "positive")]
        assert (review.comment, review.threshold_od, review.verdict) == ("a fold", 0.3, "accepted")
        again = Desk(log)
        assert again.said() == desk.said()
        assert again.item.item == "BBBBB"
        assert again.done == 1
        assert not again.go(1)
        assert again.undo()
        assert again.item.item == "AAAAA"
        assert again.review.verdict == ""
        assert log.first_broken_event() is None


def test_nothing_to_undo_and_nothing_that_is_not_in_the_lists(log: ReviewLog) -> None:
    with log:
        desk = Desk(log)
        assert not desk.undo()
        with pytest.raises(UsageError, match="reason"):
            desk.threshold(0.3, " ")
        with pytest.raises(UsageError, match="accepted"):
            desk.verdict("perhaps")
        with pytest.raises(UsageError, match="three corners"):
            desk.region("exclude", [0, 0, 1, 1])
        with pytest.raises(UsageError, match="grade"):
            desk.score("epithelialisation", 3)
        assert log.events() == []


def test_a_click_takes_the_nearest_cell_that_still_is_one() -> None:
    cells = pd.DataFrame(
        {"cell_id": [5, 6], "x_um": [10.0, 14.0], "y_um": [0.0, 0.0], "positive": [True, False]}
    )
    assert FieldCells(cells, FieldReview()).at(11.0, 0.0) == ("5", "positive")
    said = FieldReview(
        classes={6: "positive"}, deleted={5}, added={"new1": {"x_um": 30.0, "y_um": 0.0, "class": "negative"}}
    )
    shown = FieldCells(cells, said)
    assert shown.at(11.0, 0.0) == ("6", "positive")
    assert shown.at(29.0, 1.0) == ("new1", "negative")
    assert shown.at(100.0, 100.0) is None
    np.testing.assert_array_equal(shown.deleted, [True, False])
    assert other_class("positive") == "negative"
    assert FieldCells(cells.iloc[:0], FieldReview()).at(0.0, 0.0) is None
