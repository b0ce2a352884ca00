"""``report.html``: one page that works offline, runs no script and fetches nothing."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from histoquant.calibration.model import ControlSlide
from histoquant.report.biopsy_view import biopsy_table
from histoquant.report.calibration_page import drift_charts
from histoquant.report.methods import methods
from histoquant.report.numbers import as_text
from histoquant.report.page import content_security_policy, environment
from histoquant.report.pictures import Embedded, embed, read_small
from histoquant.report.plots import TimepointPlot, draw_timepoints
from histoquant.report.series import plots_from_biopsies, plots_from_slides
from histoquant.report.sizes import SHOWN_PX
from histoquant.report.study_view import StudyView
from histoquant.report.view import SlideView, glossary, parameter_rows, slide_view, tally
from histoquant.store.atomic import make_folder, write_bytes

REPORT_NAME: Final = "report.html"
PICTURE_BUDGET_BYTES: Final = (
    28_000_000  # JPEG bytes of all pictures: base64 adds a third, a page under 40 MB
)
_SLIDE_BUDGET_BYTES: Final = 420_000  # few slides: still no more than a page a mail server accepts
# (file, share of a slide's budget with and without fields)
_PICTURES: Final = (
    ("thumbnail.png", 0.10, 0.14),
    ("overlay.png", 0.52, 0.78),
    ("density.png", 0.08, 0.08),
    ("fields.png", 0.30, 0.0),
)
_FIELDS_FROM_BYTES: Final = (
    240_000  # a slide's budget below which fields would be too small to check: a link instead
)
_OVERLAY_FROM_BYTES: Final = (
    24_000  # the same for an overlay: below, in a cohort of over a thousand slides, a stamp and a link
)
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9._ -]{1,200}")


def _slide_folder(out_dir: Path, slide_id: str) -> Path | None:
    """Return a slide's folder, or ``None`` for an id that is not a plain folder name."""
    if not _SAFE_ID.fullmatch(slide_id) or slide_id.strip(". ") == "":
        return None
    return out_dir / "slides" / slide_id


def _pictures_of(out_dir: Path, slide_id: str, budget_bytes: float) -> dict[str, Embedded | None]:
    folder = _slide_folder(out_dir, slide_id)
    found: dict[str, Embedded | None] = {name.removesuffix(".png"): None for name, *_ in _PICTURES}
    if folder is None:
        return found
    roomy, tight = budget_bytes >= _FIELDS_FROM_BYTES, budget_bytes < _OVERLAY_FROM_BYTES
    for name, with_fields, without in _PICTURES:
        share = with_fields if roomy else without
        if tight:
            share = float(name == "thumbnail.png")
        picture = read_small(folder / name) if share else None
        if picture is not None:
            href = f"slides/{quote(slide_id)}/{name}"
            found[name.removesuffix(".png")] = embed(picture, SHOWN_PX[name], int(budget_bytes * share), href)
    return found


def _link(out_dir: Path, slide_id: str, name: str) -> str:
    """Return the relative link to one of a slide's pictures, empty where it is missing."""
    folder = _slide_folder(out_dir, slide_id)
    return f"slides/{quote(slide_id)}/{name}" if folder is not None and (folder / name).is_file() else ""


def _slide_views(out_dir: Path, slides: pd.DataFrame) -> list[SlideView]:
    records = [{str(k): v for k, v in record.items()} for record in slides.to_dict("records")]
    budget = min(_SLIDE_BUDGET_BYTES, PICTURE_BUDGET_BYTES / max(1, len(records)))

    def view(item: tuple[int, dict[str, Any]]) -> SlideView:
        number, record = item
        slide_id = as_text(record.get("slide_id"))
        pictures = _pictures_of(out_dir, slide_id, budget)
        links = {name: _link(out_dir, slide_id, f"{name}.png") for name in ("fields", "overlay")}
        return slide_view(number, record, pictures, links)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(view, enumerate(records, start=1)))


def _is_wide(svg: bytes) -> bool:
    """Tell whether a plot needs the page's whole width."""
    match = re.search(rb"<svg[^>]*? width=\"([\d.]+)pt\"", svg)
    return match is not None and float(match.group(1)) > 600


def _drawn(plots: list[TimepointPlot]) -> list[dict[str, Any]]:
    drawn = []
    for plot in plots:
        svg = draw_timepoints(plot)
        if svg is not None:
            uri = "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
            drawn.append({"title": plot.title, "uri": uri, "wide": _is_wide(svg)})
    return drawn


def write_report(
    out_dir: str | Path,
    slides: pd.DataFrame,
    biopsies: pd.DataFrame,
    run: Mapping[str, Any],
    controls: Sequence[ControlSlide] = (),
    study: StudyView | None = None,
) -> Path:
    """Write ``report.html`` into ``out_dir``.

    Parameters
    ----------
    out_dir : path
        Output folder; pictures are looked for in ``slides/<slide_id>/`` and may be missing.
    slides : DataFrame
        ``slides.csv``: one row per input slide, failed and refused ones too.
    biopsies : DataFrame
        ``biopsies.csv``; may be empty.
    run : mapping
        ``version``, ``command``, ``parameters`` (may be nested), optionally ``study`` and ``started``.
    controls : sequence of ControlSlide
        Control slides of the run, in the order of staining runs.
    study : StudyView, optional
        What `histoquant study` adds; see `histoquant.report.study_report`.

    Returns
    -------
    Path
        The page. Its bytes depend on the arguments and pictures only.
    """
    out = Path(out_dir)
    views = _slide_views(out, slides)
    markers = frozenset(v.marker for v in views if v.marker)
    plots = plots_from_biopsies(biopsies, markers) or plots_from_slides(slides)
    templates = environment()
    style = templates.get_template("report.css").render()
    page = templates.get_template("report.html.j2").render(
        policy=content_security_policy(style),
        style=Markup(style),  # noqa: S704 - our own file, no input in it
        run={k: as_text(run.get(k)) for k in ("version", "command", "study", "started")},
        parameters=parameter_rows(run.get("parameters") or {}),
        slides=views,
        unusable=[v for v in views if not v.usable],
        counts=tally(views),
        markers=sorted(markers),
        biopsies=biopsy_table(biopsies, markers),
        plots=_drawn([p for p in plots if not p.vascular]),
        vascular=_drawn([p for p in plots if p.vascular]),
        glossary=glossary(views),
        controls=drift_charts(controls),
        study=study,
        methods=study.methods if study is not None else methods(run, {}, slides, {}),
    )
    make_folder(out)
    write_bytes(out / REPORT_NAME, page.encode())
    return out / REPORT_NAME
