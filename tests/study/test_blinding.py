"""Masks, order and duplicates: drawn by chance alone."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare, kstest, spearmanr

from histoquant.errors import StudyError, UsageError
from histoquant.store.private import is_private, write_private
from histoquant.study.blind_key import BlindKey, KeyEntry, read_key
from histoquant.study.blinding import Subject, draw_masks, neighbours_alike
from histoquant.study.readers import joined_readings, read_readings
from histoquant.study.rules import is_id

MARKERS = ("CD68", "CD20", "CD31")


def _trial(patients: int, visits: int = 3) -> list[Subject]:
    """Patients in order of their arm: the first half got one treatment, the second the other."""
    return [
        Subject(f"P{p:02d}_T1_V{v}_{marker}", (f"P{p:02d}", "T1", f"V{v}"), marker)
        for p in range(patients)
        for v in range(visits)
        for marker in MARKERS
    ]


@pytest.mark.parametrize("patients", [1, 2, 4, 20])
def test_every_slide_is_shown_and_neighbours_differ(patients: int) -> None:
    subjects = _trial(patients)
    drawn = draw_masks(subjects, "s")
    assert Counter(one.slide_id for one in drawn if one.reading == 1) == Counter(s.slide_id for s in subjects)
    assert [one.masked_id for one in drawn] == sorted({one.masked_id for one in drawn})
    assert all(is_id(one.masked_id) and not set(one.masked_id) & set("AEIOUY01L") for one in drawn)
    assert neighbours_alike(drawn, subjects) == 0
    twice = [one for one in drawn if one.reading == 2]
    assert len(twice) == round(0.125 * len(subjects))
    if patients >= 4:
        assert 0.10 <= len(twice) / len(subjects) <= 0.15
        assert {one.slide_id[-4:] for one in twice} == set(MARKERS)
    place = {(one.slide_id, one.reading): at for at, one in enumerate(drawn)}
    assert all(place[one.slide_id, 2] - place[one.slide_id, 1] > len(drawn) // 4 for one in twice)


def test_what_cannot_be_parted_is_counted() -> None:
    subjects = _trial(1, visits=1)
    drawn = draw_masks(subjects, "s", 0.0)
    assert len(drawn) == 3
    assert neighbours_alike(drawn, subjects) == 2
    assert draw_masks([], "s") == ()


def test_controls_are_not_shown_twice() -> None:
    subjects = [*_trial(1), *(Subject(f"control-{i}", f"control-{i}", "CD68", False) for i in range(40))]
    drawn = draw_masks(subjects, "s", 0.5)
    assert all(not one.slide_id.startswith("control") for one in drawn if one.reading == 2)


def test_the_seed_alone_decides() -> None:
    subjects = _trial(3)
    assert draw_masks(subjects, "a") == draw_masks(subjects[::-1], "a")
    assert draw_masks(subjects, "a") != draw_masks(subjects, "b")
    with pytest.raises(UsageError, match=r"0 to 0\.5"):
        draw_masks(subjects, "a", 0.7)


def test_place_tells_nothing_of_arm_visit_or_marker() -> None:
    """Over 400 drawings: no rank correlation of place with arm order, and every slide is anywhere."""
    subjects = _trial(4)
    index = {subject.slide_id: number for number, subject in enumerate(subjects)}
    visit = np.array([int(s.slide_id.split("_")[2][1:]) for s in subjects])
    marker = np.array([MARKERS.index(s.marker) for s in subjects])
    by_arm, by_visit, by_marker, first_third = [], [], [], np.zeros(len(subjects))
    for seed in range(400):
        drawn = draw_masks(subjects, str(seed), 0.0)
        order = np.array([index[one.slide_id] for one in drawn])
        place = np.argsort(order)
        by_arm.append(spearmanr(place, np.arange(len(place))).pvalue)
        by_visit.append(spearmanr(place, visit).pvalue)
        by_marker.append(spearmanr(place, marker).pvalue)
        first_third[order[: len(order) // 3]] += 1
    for p_values in (by_arm, by_visit, by_marker):
        assert kstest(p_values, "uniform").pvalue > 1e-4
    assert chisquare(first_third).pvalue > 1e-4


def test_masks_tell_nothing_of_names() -> None:
    """The letters of a mask depend on chance: first letters are evenly spread over arms."""
    subjects = _trial(20, visits=1)
    table = np.zeros((2, 17))
    letters = "BCDFGHJKMNPQRTVWX"
    for seed in range(60):
        for one in draw_masks(subjects, str(seed), 0.0):
            arm = int(one.slide_id[1:3]) >= 10
            table[int(arm), letters.index(one.masked_id[0])] += 1
    shares = table / table.sum(axis=1, keepdims=True)
    assert np.abs(shares[0] - shares[1]).max() < 0.03


def _entries() -> tuple[KeyEntry, ...]:
    common = {"patient": "P01", "tract": "T1", "timepoint": "V1", "marker": "CD68", "source": "a.tif"}
    return (
        KeyEntry(masked_id="BBB222", file="BBB222.tif", slide_id="a", reading=1, **common),
        KeyEntry(masked_id="CCC333", file="CCC333.tif", slide_id="a", reading=2, **common),
    )


def _key() -> BlindKey:
    return BlindKey(
        made="2026-01-01T00:00:00+00:00",
        source="/slides",
        seed="7",
        duplicates=1,
        neighbours_alike=0,
        protocol={"version": "0"},
        protocol_sha256="0" * 64,
        entries=_entries(),
    )


def test_a_key_is_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    key = _key()
    before = os.umask(0)
    try:
        write_private(path, b"old")
        write_private(path, key.encoded())
    finally:
        os.umask(before)
    assert is_private(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key.json"]
    assert read_key(path) == (key, path.read_bytes())


def test_two_keys_of_one_seed_have_different_digests() -> None:
    assert _key().encoded() != _key().encoded(), "the published digest must not let a seed be guessed"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", None])
def test_no_key_is_said_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"key\.json"):
        read_key(path)


def test_readers_are_joined_with_their_second_readings(tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    path.write_text("slide;score\nCCC333.tif;3\nBBB222;2\n")
    joined = joined_readings(read_readings(path), _entries(), path)
    assert joined[["slide_id", "reading", "original_id", "score"]].to_numpy().tolist() == [
        ["BBB222", 1, "a", "2"],
        ["BBB222", 2, "a", "3"],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("score\n1\n", "no column"),
        ("slide_id,x\nZZZ999,1\n", "row 2"),
        ("slide_id,x\nBBB222,1\nBBB222,2\n", "row 3"),
    ],
)
def test_faults_of_a_readers_table_name_the_row(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "anna.csv"
    path.write_text(text)
    with pytest.raises(StudyError, match=said):
        joined_readings(read_readings(path), _entries(), path)
