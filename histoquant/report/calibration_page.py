"""``calibration.html``: what a calibration locks, why, and how steady its controls are."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from histoquant.calibration.drift import DriftSeries, drift_series, spoken
from histoquant.calibration.model import Calibration, ControlSlide, Lock
from histoquant.report.levey_jennings import draw_levey_jennings
from histoquant.report.numbers import DASH, number_text
from histoquant.report.page import content_security_policy, environment


def calibration_page(calibration: Calibration, file_name: str) -> str:
    """Write the page of a calibration.

    Parameters
    ----------
    calibration : Calibration
    file_name : str
        Of the calibration file, as the page names it.

    Returns
    -------
    str
        HTML that needs no other file; the same for the same calibration.
    """
    templates = environment()
    style = templates.get_template("report.css").render()
    return templates.get_template("calibration.html.j2").render(
        policy=content_security_policy(style),
        style=Markup(style),  # noqa: S704 - our own file, no input in it
        version=calibration.histoquant,
        file=file_name,
        working_mpp=f"{calibration.working_mpp_um:g}",
        locks=[_lock(lock) for lock in calibration.lock],
        charts=drift_charts(calibration.control),
        controls=[_row(control) for control in calibration.control],
    )


def drift_charts(controls: Iterable[ControlSlide]) -> list[dict[str, Any]]:
    """Chart and findings of every marker's controls.

    Parameters
    ----------
    controls : iterable of ControlSlide
        In the order of staining runs.

    Returns
    -------
    list of dict
        ``marker``, ``uri`` (SVG as a data address), ``found`` (sentences) and ``broken`` (whether a rule is).
    """
    charts = []
    for marker, group in groupby(drift_series(controls), key=lambda series: series.marker):
        own = list(group)
        svg = base64.b64encode(draw_levey_jennings(own)).decode("ascii")
        charts.append(
            {
                "marker": marker,
                "uri": f"data:image/svg+xml;base64,{svg}",
                "found": _found([line for series in own for line in spoken(series)], own),
                "broken": any(series.broken for series in own),
            }
        )
    return charts


def _found(lines: list[str], series: Sequence[DriftSeries]) -> list[str]:
    """All sentences; where no series had enough controls, one sentence for all of them."""
    if any(one.judged for one in series):
        return lines
    return [
        f"{series[0].marker}: {max(len(one.points) for one in series)} controls of a kind at most, too few "
        "to judge drift; the chart shows what there is."
    ]


def _lock(lock: Lock) -> dict[str, str]:
    remark = "; ".join(part for part in (lock.vectors_reason, lock.strength_reason) if part)
    return {
        "marker": lock.marker,
        "batch": lock.batch,
        "clone": lock.clone or DASH,
        "threshold": f"{lock.threshold_od:.3f}",
        "hematoxylin": number_text(lock.hematoxylin_od) or DASH,
        "dab": number_text(lock.dab_od) or DASH,
        "vectors": lock.vectors_source,
        "source": lock.threshold_source,
        "reason": lock.threshold_reason,
        "remark": remark,
    }


def _row(control: ControlSlide) -> list[str]:
    numbers = (
        control.mpp,
        control.tissue_mm2,
        control.nuclei,
        control.positive_area_percent,
        control.positive_dab_od,
        control.hematoxylin_od,
    )
    words = [control.slide, control.marker, control.batch, control.kind]
    return [*words, *(number_text(value) or DASH for value in numbers)]
