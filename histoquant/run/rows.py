"""Rows of slides without numbers, or with numbers in doubt: the reason, and nothing that one must not say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from histoquant.report.reasons import explain, split_flags
from histoquant.report.slide_words import IN_DOUBT
from histoquant.study.identity import SlideIdentity


def without_folders(text: str, slide: Path) -> str:
    """A message without the folders of a slide, which may be named after a patient; its file name stays."""
    # whole paths first: a relative one is a part of them
    for path in (slide.resolve(), slide.absolute(), slide):
        for shown in (str(path), repr(str(path))[1:-1]):
            text = text.replace(shown, path.name)
        for shown in (str(path.parent), repr(str(path.parent))[1:-1]):
            if len(shown) > 1:
                text = text.replace(shown, "...")
    return text


def spoken_row(row: Mapping[str, Any]) -> str:
    """Status, file and reason of a slide without numbers in one line that names the file once."""
    said = str(row["reason"]).replace(f": {row['file']}: ", ": ", 1)
    return f"{row['status']} {row['file']}: {said}"


def spoken_doubt(row: Mapping[str, Any]) -> str:
    """Line about a slide whose numbers may mean nothing at all; empty for every other."""
    doubts = [explain(flag) for flag in split_flags(str(row["flags"])) if flag in IN_DOUBT]
    return f"DOUBTFUL {row['file']}: {doubts[0].meaning} {doubts[0].way_out}" if doubts else ""


def bare_row(file: str, identity: SlideIdentity, status: str, reason: str) -> dict[str, Any]:
    """Row of a slide that gives no numbers: who it is, and the reason in one line that any file can hold."""
    return {
        "slide_id": identity.slide_id,
        "file": file,
        "status": status,
        "reason": " ".join(reason.split()).encode("utf-8", "replace").decode(),
        "flags": ";".join(identity.flags),
        "marker": identity.marker,
    }
