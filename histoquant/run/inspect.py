"""Preflight: what each slide is, and whether a run would take it."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from histoquant.run.exits import EXIT_NONE_USABLE, EXIT_OK, EXIT_SOME_FAILED
from histoquant.run.intake import Intake, take_in
from histoquant.run.job import file_state
from histoquant.run.options import RunOptions
from histoquant.run.rows import spoken_row

_SHOWN = ("file", "status", "marker", "timepoint", "format", "size", "mpp", "mpp_source")


def inspect_slides(
    slides: tuple[Path, ...], study: Path | None, marker: str | None, mpp: float | None, as_json: bool
) -> int:
    """Print one line, or one JSON object, per slide; reads no pixels.

    Returns
    -------
    int
        Exit status as of a run: 0 all usable, 3 some not, 4 none.
    """
    intake = take_in(RunOptions(slides=slides, study=study, marker=marker, mpp=mpp))
    rows = inspected(intake, mpp)
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        _print_table(rows)
    usable = sum(row["status"] == "OK" for row in rows)
    if not rows:
        print("histoquant: no slides found there.", file=sys.stderr)
    return EXIT_OK if rows and usable == len(rows) else EXIT_SOME_FAILED if usable else EXIT_NONE_USABLE


def inspected(intake: Intake, mpp: float | None) -> list[dict[str, Any]]:
    """One row per slide, from headers: what it is, and ``OK`` or ``REFUSED`` with the reason."""
    # of slides that are read blind some are shown twice on purpose
    copies = _copies(intake) if intake.blinding is None else set()
    rows = [_row(intake, slide_id, mpp) for slide_id in intake.slide_ids]
    for row in rows:
        if row["slide_id"] in copies:
            row["flags"].append("DUPLICATE")
    return rows


def _copies(intake: Intake) -> set[str]:
    """Ids of slides whose bytes another slide has as well; only files of equal size are read for it."""
    from histoquant.run.source import source_files, source_sha256  # with the kernels of the tissue map

    by_size: dict[int, list[str]] = {}
    for slide_id in intake.slide_ids:
        with contextlib.suppress(OSError):  # what cannot be looked up is refused by its own row
            by_size.setdefault(file_state(intake.slides[slide_id])[0], []).append(slide_id)
    by_bytes: dict[str, list[str]] = {}
    for slide_id in (one for ids in by_size.values() if len(ids) > 1 for one in ids):
        with contextlib.suppress(OSError):
            digest = source_sha256(source_files(intake.slides[slide_id]))
            by_bytes.setdefault(digest, []).append(slide_id)
    return {slide_id for ids in by_bytes.values() if len(ids) > 1 for slide_id in ids}


def _row(intake: Intake, slide_id: str, mpp: float | None) -> dict[str, Any]:
    from histoquant.slides import preflight  # decoders and kernels: once the command line is taken

    identity, path = intake.identities[slide_id], intake.slides[slide_id]
    found = preflight(path, mpp=intake.mpp if mpp is None else mpp, study_mpp=identity.study_mpp)
    refusal = "" if found.ok else f"{found.code}: {found.message}"
    if not refusal and slide_id in intake.refused:
        refusal = intake.refused[slide_id]["reason"]
    size = found.size_px
    return {
        "slide_id": slide_id,
        "file": path.name,
        "status": "REFUSED" if refusal else "OK",
        "reason": refusal,
        "flags": [*found.flags, *identity.flags],
        "patient": identity.patient,
        "tract": identity.tract,
        "timepoint": identity.timepoint,
        "marker": identity.marker,
        "format": found.format,
        "reader": found.reader,
        "compression": found.compression,
        "size": f"{size[0]} x {size[1]}" if size else None,
        "levels": found.levels or None,
        "mpp": found.mpp,
        "mpp_source": found.mpp_source,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    texts = [[_text(row[name]) for name in _SHOWN] for row in rows]
    widths = [max(len(line[i]) for line in [list(_SHOWN), *texts]) for i in range(len(_SHOWN))]
    for line in [list(_SHOWN), *texts] if rows else []:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    for row in rows:
        if row["reason"]:
            print(spoken_row(row))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
