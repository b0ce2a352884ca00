"""Readers' tables: what a person scored, by masked slide id, joined to whose slides they were."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from histoquant.errors import StudyError
from histoquant.study.blind_key import KeyEntry

_ID_NAMES = ("slide_id", "slide")
_IDENTITY = ("patient", "tract", "timepoint", "marker", "section", "block")


def read_readings(path: Path) -> pd.DataFrame:
    """Read one reader's table.

    Parameters
    ----------
    path : Path
        CSV, one row per slide that was read; column ``slide_id`` (or ``slide``) holds the mask, the other
        columns are the reader's own and are kept as text.

    Returns
    -------
    DataFrame
        With ``slide_id`` first.

    Raises
    ------
    StudyError
        If the table cannot be read or names no slides.
    """
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False, sep=None, engine="python")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read as a table ({error}). Save it as 'CSV UTF-8'.") from None
    column = next((name for name in _ID_NAMES if name in table.columns), None)
    if column is None:
        raise StudyError(f"{path}: row 1: no column 'slide_id'. Add it, with the masked id of each slide.")
    table = table.rename(columns={column: "slide_id"})
    return table[["slide_id", *(name for name in table.columns if name != "slide_id")]]


def joined_readings(table: pd.DataFrame, entries: Iterable[KeyEntry], path: Path) -> pd.DataFrame:
    """Join a reader's table to the key.

    Parameters
    ----------
    table : DataFrame
        From `read_readings`.
    entries : iterable of KeyEntry
    path : Path
        Of the table, for messages.

    Returns
    -------
    DataFrame
        ``slide_id`` (the mask under which results lie, that of the first showing), ``reading`` (1, or 2 for
        the hidden second showing), ``original_id``, identity, then the reader's own columns. Sorted by slide
        and reading.

    Raises
    ------
    StudyError
        If a row names a slide that is not in the key, or twice the same mask.
    """
    by_mask = {entry.masked_id: entry for entry in entries}
    first = {entry.slide_id: entry.masked_id for entry in by_mask.values() if entry.reading == 1}
    # readers write down file names as often as ids
    masks = [name if name in by_mask else name.partition(".")[0] for name in table["slide_id"]]
    for line, mask in enumerate(masks, start=2):
        if mask not in by_mask:
            raise StudyError(f"{path.name}: row {line}: {mask!r} is no masked slide of this key. Correct it.")
        if masks.index(mask) != line - 2:
            raise StudyError(f"{path.name}: row {line}: {mask!r} is already in row {masks.index(mask) + 2}.")
    found = [by_mask[mask] for mask in masks]
    lead = {
        "slide_id": [first[entry.slide_id] for entry in found],
        "reading": [entry.reading for entry in found],
        "original_id": [entry.slide_id for entry in found],
        **{name: [getattr(entry, name) for entry in found] for name in _IDENTITY},
    }
    own = table.drop(columns=[name for name in table.columns if name in lead])
    joined = pd.concat([pd.DataFrame(lead), own.reset_index(drop=True)], axis=1)
    return joined.sort_values(["original_id", "reading"], kind="stable").reset_index(drop=True)
