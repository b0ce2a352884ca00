"""The planned biopsies of a study in order: by month where months are declared, else by label."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from histoquant.study.biopsy_table import natural
from histoquant.study.study_file import Study


@dataclass(frozen=True, slots=True)
class Visit:
    """One timepoint.

    Attributes
    ----------
    label : str
    month : float
        NaN where none is declared.
    """

    label: str
    month: float = math.nan


def timeline(biopsies: pd.DataFrame, study: Study | None) -> tuple[Visit, ...]:
    """Order the timepoints; the first is the baseline.

    Parameters
    ----------
    biopsies : DataFrame
        From `histoquant.study.biopsies`.
    study : Study or None
        Its declared timepoints are the timeline. Without any, the labels of the table are: by month if every
        one has a month, else T2 before T10.
    """
    if study is not None and study.timepoints:
        return tuple(Visit(point.label, point.month) for point in study.timepoints)
    months = pd.to_numeric(biopsies["month"]).groupby(biopsies["timepoint"]).first()
    visits = [Visit(str(label), float(month)) for label, month in months.items()]
    visits += [Visit(str(label)) for label in set(biopsies["timepoint"]) - set(months.index)]
    if any(math.isnan(visit.month) for visit in visits):
        return tuple(sorted(visits, key=lambda visit: natural(visit.label)))
    return tuple(sorted(visits, key=lambda visit: visit.month))
