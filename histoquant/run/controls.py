"""Which slides are controls, of which kind, and in which order they were stained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from histoquant.calibration import DEFAULT_BATCH
from histoquant.calibration.model import ControlKind
from histoquant.errors import UsageError
from histoquant.run.intake import Intake
from histoquant.study.patterns import slide_stem

# Words in a file name, split at anything that is no letter; "negcontrol" and "poscontrol" are written so.
_NEGATIVE = frozenset(
    {"neg", "negative", "negatives", "negcontrol", "negativecontrol", "isotype", "noprimary"}
)
_POSITIVE = frozenset({"pos", "positive", "positives", "poscontrol", "positivecontrol", "tonsil"})


@dataclass(frozen=True)
class Control:
    """One control slide.

    Attributes
    ----------
    slide_id : str
    path : Path
    marker, batch : str
    clone : str or None
    kind : str
        ``positive`` or ``negative``.
    """

    slide_id: str
    path: Path
    marker: str
    batch: str
    clone: str | None
    kind: ControlKind


def kind_in_name(path: Path) -> ControlKind | None:
    """Kind of control that a file name says, or None; negative words win, as in ``neg_tonsil``."""
    words = set(re.findall(r"[a-z]+", slide_stem(path).lower()))
    if words & _NEGATIVE or {"no", "primary"} <= words:
        return "negative"
    return "positive" if words & _POSITIVE else None


@dataclass(frozen=True)
class Called:
    """How slides are called controls on one command line.

    Attributes
    ----------
    named : frozenset of Path
        Slides typed as files: a slide named itself is a control, positive unless it says otherwise; a slide
        found in a folder must say that it is one.
    negative : frozenset of Path
        Negative controls by ``--negative``; goes before names, not before the slide table.
    listed : bool
        Whether the slide table names controls; then it names all of them but those of ``--negative``.
    """

    named: frozenset[Path]
    negative: frozenset[Path]
    listed: bool

    @classmethod
    def on(cls, intake: Intake, slides: tuple[Path, ...], negative: tuple[Path, ...]) -> Called:
        """What the command line and the slide table call controls."""
        return cls(
            frozenset(path.resolve() for path in slides if path.is_file()),
            frozenset(path.resolve() for path in negative),
            any(identity.control for identity in intake.identities.values()),
        )

    def kind(self, path: Path, said: str | None) -> ControlKind | None:
        """Kind of control, or None for a slide that is none.

        Raises
        ------
        UsageError
            If the slide table (``said``) calls positive what ``--negative`` names.
        """
        real = path.resolve()
        if said == "positive" and real in self.negative:
            raise UsageError(f"--negative {path}: the slide table calls it a positive control. Correct one.")
        if said == "negative" or real in self.negative:
            return "negative"
        if said == "positive":
            return "positive"
        if self.listed:
            return None
        return kind_in_name(path) or ("positive" if real in self.named else None)


def controls_of(intake: Intake, called: Called) -> tuple[list[Control], list[Path]]:
    """Tell the controls among a run's slides.

    Parameters
    ----------
    intake : Intake
        Slides with their identities and markers.
    called : Called

    Returns
    -------
    controls : list of Control
        As `in_run_order` sorts them.
    others : list of Path
        Slides that are no controls.

    Raises
    ------
    UsageError
        If slide table and command line contradict each other.
    """
    found, others = [], []
    for slide_id, definition in intake.markers.items():
        path, identity = intake.slides[slide_id], intake.identities[slide_id]
        kind = called.kind(path, identity.control)
        if kind is None:
            others.append(path)
            continue
        batch = identity.batch or DEFAULT_BATCH
        found.append(Control(slide_id, path, definition.name, batch, identity.clone, kind))
    return in_run_order(intake, found), sorted(others)


def in_run_order(intake: Intake, controls: list[Control]) -> list[Control]:
    """Controls by marker, then by batch in the order of its first slide, then by row of the slide table.

    Slides without a row follow by name.
    """
    table = intake.study.table if intake.study is not None else None

    def place(control: Control) -> tuple[float, str]:
        row = table.find(control.path) if table is not None else None
        return (row.line if row is not None else float("inf"), control.slide_id)

    first: dict[str, tuple[float, str]] = {}
    for control in controls:
        first[control.batch] = min(first.get(control.batch, place(control)), place(control))
    return sorted(controls, key=lambda c: (c.marker, first[c.batch], place(c)))
