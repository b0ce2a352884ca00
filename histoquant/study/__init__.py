"""Studies: which slide belongs to whom, what a biopsy amounts to, and how inflamed it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from histoquant.faces import face_of

if TYPE_CHECKING:
    from histoquant.study.biopsy_table import biopsies
    from histoquant.study.design import InflammationSection, RunSection, StudyDesign, Timepoint, Weights
    from histoquant.study.identity import MissingSlide, Note, SlideIdentity, identify, identify_slides
    from histoquant.study.inflammation import Score, inflammation_score
    from histoquant.study.patterns import DEFAULT_PATTERN
    from histoquant.study.reference import Reference, component_values
    from histoquant.study.slide_table import SlideRow, SlideTable, read_slide_table
    from histoquant.study.study_file import Study, load_study
else:
    __getattr__, __dir__ = face_of(
        __name__,
        {
            "biopsy_table": "biopsies",
            "design": "InflammationSection RunSection StudyDesign Timepoint Weights",
            "identity": "MissingSlide Note SlideIdentity identify identify_slides",
            "inflammation": "Score inflammation_score",
            "patterns": "DEFAULT_PATTERN",
            "reference": "Reference component_values",
            "slide_table": "SlideRow SlideTable read_slide_table",
            "study_file": "Study load_study",
        },
    )

__all__ = [
    "DEFAULT_PATTERN",
    "InflammationSection",
    "MissingSlide",
    "Note",
    "Reference",
    "RunSection",
    "Score",
    "SlideIdentity",
    "SlideRow",
    "SlideTable",
    "Study",
    "StudyDesign",
    "Timepoint",
    "Weights",
    "biopsies",
    "component_values",
    "identify",
    "identify_slides",
    "inflammation_score",
    "load_study",
    "read_slide_table",
]
