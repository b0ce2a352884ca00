"""The study sections of the report: figures, tables and sentences, ready for the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from markupsafe import Markup

from histoquant.report.exclusions import exclusion_grid, threshold_grid
from histoquant.report.figures.common import Figure
from histoquant.report.methods import methods
from histoquant.report.outcome_words import (
    agreement_grid,
    arm_grid,
    event_grid,
    proportion_grid,
    reader_grid,
    response_grid,
)
from histoquant.report.study_figures import study_figures
from histoquant.report.study_grids import (
    change_grid,
    flow_grid,
    model_grid,
    note_grid,
    trend_grid,
    unevaluable_grid,
)
from histoquant.report.study_words import Finding, Grid, Tables, findings

_ROLES_OF_CHANGE: Final = ("main", "index")


@dataclass(frozen=True)
class ShownFigure:
    """A figure as the template takes it."""

    svg: Markup
    caption: str
    name: str


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes
    ----------
    anchor, title : str
    lead : str
        One sentence before the figures; may be empty.
    figures : tuple of ShownFigure
    grids : tuple of Grid
        Open tables.
    folded : tuple of (str, Grid)
        Tables behind a summary line.
    """

    anchor: str
    title: str
    lead: str
    figures: tuple[ShownFigure, ...]
    grids: tuple[Grid, ...] = ()
    folded: tuple[tuple[str, Grid], ...] = ()


@dataclass(frozen=True)
class StudyView:
    """Everything the study adds to a report.

    Attributes
    ----------
    findings : tuple of Finding
    sections : tuple of Section
    methods : tuple of str
    figures : tuple of Figure
        All figures, to be written as files.
    """

    findings: tuple[Finding, ...]
    sections: tuple[Section, ...]
    methods: tuple[str, ...]
    figures: tuple[Figure, ...]


def study_view(
    tables: Tables, slides: pd.DataFrame, run: Mapping[str, Any], analysis: Mapping[str, Any]
) -> StudyView:
    """Turn a study's tables into what the page shows.

    Parameters
    ----------
    tables : dict of str to DataFrame
        From `histoquant.report.study_tables.read_study_tables`.
    slides : DataFrame
        ``slides.csv``.
    run, analysis : mapping
        ``run.json`` and ``study/analysis.json``.

    Returns
    -------
    StudyView
        Sections without figures and tables are left out.
    """
    drawn = study_figures(tables, slides)
    sections = [
        *_blind_sections(tables, drawn),
        *_outcome_sections(tables, drawn),
        *_quality(tables, slides, drawn),
    ]
    return StudyView(
        tuple(findings(tables)),
        tuple(s for s in sections if s.figures or s.grids or s.folded),
        tuple(methods(run, analysis, slides, tables)),
        tuple(figure for group in drawn.values() for figure in group),
    )


def _shown(figures: list[Figure]) -> tuple[ShownFigure, ...]:
    # every text in a drawing was escaped when it was added
    return tuple(ShownFigure(Markup(f.drawing.inline()), f.caption, f.name) for f in figures)  # noqa: S704


def _grids(*grids: Grid | None) -> tuple[Grid, ...]:
    return tuple(one for one in grids if one is not None)


def _folded(*named: tuple[str, Grid | None]) -> tuple[tuple[str, Grid], ...]:
    return tuple((name, one) for name, one in named if one is not None)


def _blind_sections(tables: Tables, drawn: dict[str, list[Figure]]) -> list[Section]:
    return [
        Section(
            "flow",
            "Patients and biopsies",
            "Who is in the numbers below, and where others were lost.",
            _shown(drawn["flow"]),
            folded=_folded(("Flow as a table, with every reason", flow_grid(tables))),
        ),
        Section(
            "levels",
            "Levels over time",
            "Medians over patients; a tract that lost its biopsy drops out of a median, so change is told "
            "below, from pairs.",
            _shown(drawn["levels"]),
        ),
        Section(
            "vascular-panel",
            "Vascular panel",
            "Higher means more vessels, which may mean inflammation or repair. There is no good direction.",
            _shown(drawn["vascular"]),
        ),
        Section(
            "changes",
            "Change from baseline",
            "Tracts that are evaluable at both timepoints, averaged within the patient.",
            _shown(drawn["changes"]),
            folded=_folded(
                ("All tests of change", change_grid(tables, _ROLES_OF_CHANGE)),
                ("Over all timepoints", trend_grid(tables)),
                ("Models with every biopsy", model_grid(tables)),
            ),
        ),
        Section(
            "further",
            "Further measures, exploratory",
            "",
            _shown(drawn["further"]),
            folded=_folded(("All tests of further measures", change_grid(tables, ("further",)))),
        ),
        Section(
            "missing",
            "What is missing, and what it could change",
            "A closed tract may give no tissue, so the best responders may be the ones that are missing.",
            _shown(drawn["missing"]),
        ),
    ]


def _outcome_sections(tables: Tables, drawn: dict[str, list[Figure]]) -> list[Section]:
    return [
        Section(
            "response",
            "Response",
            "Joined after unblinding. Association, not effect.",
            _shown(drawn["response"]),
            _grids(proportion_grid(tables)),
            _folded(("All tests of response", response_grid(tables))),
        ),
        Section(
            "arms",
            "Arms",
            "Adjusted association. Without randomisation arms may differ in more than the treatment.",
            _shown(drawn["arms"]),
            _grids(event_grid(tables)),
            _folded(("All comparisons of arms", arm_grid(tables))),
        ),
        Section(
            "agreement",
            "Agreement between readers",
            "The machine is one of the readers.",
            _shown(drawn["agreement"]),
            _grids(agreement_grid(tables), reader_grid(tables)),
        ),
    ]


def _quality(tables: Tables, slides: pd.DataFrame, drawn: dict[str, list[Figure]]) -> list[Section]:
    return [
        Section(
            "threshold",
            "Threshold sensitivity",
            "",
            _shown(drawn["threshold"]),
            _grids(threshold_grid(slides)),
        ),
        Section(
            "exclusions",
            "Exclusions and warnings",
            "",
            (),
            _grids(exclusion_grid(slides), unevaluable_grid(tables), note_grid(tables)),
        ),
    ]
