"""Events folded to what stands: undo in any order leaves what never having done it would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from histoquant.review.events import Event, FieldReview, effective, last_to_undo, review_of


def numbered(*events: Event) -> list[Event]:
    return [
        Event(e.item, e.action, e.target, e.old, e.new, e.why, number)
        for number, e in enumerate(events, start=1)
    ]


def test_every_action_has_its_effect() -> None:
    added = {"x_um": 1.0, "y_um": 2.0, "class": "negative"}
    said = review_of(
        numbered(
            Event("A", "class", "5", {"class": "negative"}, {"class": "positive"}),
            Event("A", "delete", "6"),
            Event("A", "add", "n1", new=added),
            Event("A", "class", "n1", {"class": "negative"}, {"class": "positive"}),
            Event("A", "add", "n2", new=added),
            Event("A", "delete", "n2"),
            Event("A", "region", "r1", new={"kind": "exclude", "xy_um": [0, 0, 9, 0, 9, 9]}),
            Event("A", "score", "fibrosis", {}, {"value": 2}),
            Event("A", "comment", new={"text": "fold"}),
            Event("A", "threshold", new={"threshold_od": 0.3}, why="pale"),
            Event("B", "verdict", new={"verdict": "rejected"}),
            Event("", "lock"),
        )
    )
    assert said["B"] == FieldReview(verdict="rejected")
    a = said["A"]
    assert (a.classes, a.deleted, a.scores, a.comment) == ({5: "positive"}, {6}, {"fibrosis": 2}, "fold")
    assert a.added == {"n1": {**added, "class": "positive"}}
    assert list(a.regions) == ["r1"]
    assert a.threshold_od == 0.3
    assert set(said) == {"A", "B"}


ACTIONS = st.sampled_from(
    [
        Event("A", "class", "5", {}, {"class": "positive"}),
        Event("A", "class", "5", {}, {"class": "negative"}),
        Event("A", "delete", "5"),
        Event("A", "add", "n", new={"x_um": 0.0, "y_um": 0.0, "class": "positive"}),
        Event("B", "comment", new={"text": "x"}),
        Event("B", "score", "fibrosis", {}, {"value": 1}),
    ]
)


@given(st.lists(ACTIONS, max_size=12), st.data())
def test_what_is_undone_was_never_done(actions: list[Event], data: st.DataObject) -> None:
    listed = numbered(*actions)
    kept = list(listed)
    for _ in range(data.draw(st.integers(0, 4))):
        newest = last_to_undo(listed)
        if newest is None:
            break
        listed.append(Event("", "undo", str(newest.number), number=len(listed) + 1))
        kept.remove(newest)
        assert effective(listed) == kept
    assert review_of(listed) == review_of(kept)
