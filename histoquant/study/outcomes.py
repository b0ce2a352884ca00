"""Arms and outcomes: read after unblinding only, by `histoquant study OUT --outcomes FILE` alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from histoquant.errors import StudyError
from histoquant.study.csv_cells import Line, id_faults, read_lines, refuse, repeat_faults
from histoquant.study.trial_tables import yes_no

RESPONSES = ("resistant", "improved", "closed")
"""From worst to best; the order of Jonckheere's test."""
REFERENCE_ARMS = ("placebo", "control", "sham", "standard")
_COLUMNS = ("patient", "tract", "arm", "response", "event_*")


@dataclass(frozen=True)
class Outcomes:
    """What became of patients and tracts.

    Attributes
    ----------
    response : Mapping of str to str
        Patient to one of `RESPONSES`.
    derived : frozenset of str
        Patients whose response follows from their tracts: closed or resistant when all are, else improved.
    tract_response : Mapping of (str, str) to str
        Patient and tract to one of `RESPONSES`.
    arm : Mapping of str to str
        Patient to arm.
    events : Mapping of str to Mapping of str to bool
        Event to patient to whether it happened.
    """

    response: Mapping[str, str] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()
    tract_response: Mapping[tuple[str, str], str] = field(default_factory=dict)
    arm: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)

    @property
    def patients(self) -> set[str]:
        """All patients of whom anything is known."""
        tracts = {patient for patient, _ in self.tract_response}
        return {*self.response, *self.arm, *tracts, *(p for event in self.events.values() for p in event)}

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms, the reference first: placebo, control, sham or standard where there is one, else by name."""
        names = sorted(set(self.arm.values()))
        known = [name for name in names if name.casefold() in REFERENCE_ARMS]
        first = (known or names)[:1]
        return (*first, *(name for name in names if name not in first))


def read_outcomes(path: Path) -> Outcomes:
    """Read the outcomes.

    Parameters
    ----------
    path : Path
        CSV with ``patient`` and any of ``tract``, ``arm``, ``response`` (closed, improved, resistant) and
        ``event_...`` (yes, no). A row without a tract tells of the patient, one with a tract of the tract.

    Returns
    -------
    Outcomes

    Raises
    ------
    StudyError
        Names row, column and cure: unknown words, two arms for one patient, one arm in two spellings,
        repeated rows.
    """
    lines, faults = read_lines(path, _COLUMNS, ("patient",), kind="table of outcomes", blind=False)
    faults += repeat_faults(lines, ("patient", "tract"))
    events = [name for name in (lines[0].said if lines else {}) if name.startswith("event_")]
    for line in lines:
        faults += id_faults(line, ("patient", "tract"), ("patient",))
        said = line.text("response")
        if said is not None and said.lower() not in RESPONSES:
            faults.append(line.fault("response", f"is no response; use one of {', '.join(RESPONSES)}"))
        for name in events:
            if line.text(name) is not None and yes_no(line.text(name)) is None:
                faults.append(line.fault(name, "is neither yes nor no; write one, or leave it empty"))
    arms, wrong = _single(lines, "arm")
    refuse(path.name, [*faults, *wrong, *_spelt_otherwise(lines)])
    if not lines:
        raise StudyError(f"{path.name}: no rows. Add one row per patient, or leave --outcomes out.")
    tract_response = {
        (line.said["patient"], tract): response.lower()
        for line in lines
        if (tract := line.text("tract")) is not None and (response := line.text("response")) is not None
    }
    stated = {
        line.said["patient"]: response.lower()
        for line in lines
        if line.text("tract") is None and (response := line.text("response")) is not None
    }
    derived = _derived(tract_response, stated)
    return Outcomes(
        {**derived, **stated},
        frozenset(derived),
        tract_response,
        arms,
        {name.removeprefix("event_"): _event(lines, name) for name in events},
    )


def _single(lines: Iterable[Line], column: str) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    faults = []
    for line in lines:
        text = line.text(column)
        if text is not None and found.setdefault(line.said["patient"], text) != text:
            earlier = found[line.said["patient"]]
            faults.append(line.fault(column, f"contradicts {earlier!r} in an earlier row of the patient"))
    return found, faults


def _spelt_otherwise(lines: Iterable[Line]) -> list[str]:
    """Arms that differ in capitals only: two groups where the trial has one."""
    first: dict[str, str] = {}
    faults = []
    for line in lines:
        text = line.text("arm")
        if text is not None and first.setdefault(text.casefold(), text) != text:
            faults.append(
                line.fault("arm", f"is {first[text.casefold()]!r} in an earlier row; spell it alike")
            )
    return faults


def _derived(tracts: Mapping[tuple[str, str], str], stated: Mapping[str, str]) -> dict[str, str]:
    by_patient: dict[str, set[str]] = {}
    for (patient, _), response in tracts.items():
        by_patient.setdefault(patient, set()).add(response)
    return {
        patient: next(iter(responses)) if len(responses) == 1 else "improved"
        for patient, responses in by_patient.items()
        if patient not in stated
    }


def _event(lines: Iterable[Line], column: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for line in lines:
        happened = yes_no(line.text(column))
        if happened is not None:
            found[line.said["patient"]] = found.get(line.said["patient"], False) or happened
    return found
