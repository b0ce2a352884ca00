"""What is doubtful about a slide only beside the others of its run."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

COHORT_FLAGS: Final = ("DUPLICATE", "COLOUR_PROFILE_DIFFERS")
"""All flags that are given here."""


def with_cohort_flags(rows: list[dict[str, Any]], *, masked: bool = False) -> list[dict[str, Any]]:
    """Rows with the flags that no slide can know by itself.

    Parameters
    ----------
    rows : list of dict
        All rows of a run.
    masked : bool
        Slides are read blind: copies are not told, for some are shown twice on purpose.

    Returns
    -------
    list of dict
        In the same order. ``DUPLICATE`` where another usable slide has the same bytes;
        ``COLOUR_PROFILE_DIFFERS`` where a slide carries another colour profile than most slides of its marker
        (of equally many, than the one whose digest comes first; none comes before all).
    """
    usable = [row for row in rows if str(row["status"]).startswith("OK")]
    copies = Counter(row["source_sha256"] for row in usable if row.get("source_sha256") and not masked)
    profiles: dict[Any, Counter[str]] = {}
    for row in usable:
        profiles.setdefault(row["marker"], Counter())[row.get("icc_sha256") or ""] += 1
    common = {
        marker: min(found, key=lambda digest: (-found[digest], digest)) for marker, found in profiles.items()
    }
    return [_flagged(row, copies, common) for row in rows]


def _flagged(row: dict[str, Any], copies: Counter[str], common: dict[Any, str]) -> dict[str, Any]:
    if not str(row["status"]).startswith("OK"):
        return row
    flags = [flag for flag in str(row["flags"]).split(";") if flag]
    if copies[row.get("source_sha256") or ""] > 1:
        flags.append("DUPLICATE")
    if (row.get("icc_sha256") or "") != common[row["marker"]]:
        flags.append("COLOUR_PROFILE_DIFFERS")
    return {**row, "flags": ";".join(flags), "status": "OK_WITH_FLAGS" if flags else row["status"]}
