"""From biopsies to a trial: study, agreement, reference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histoquant.cli.application import StudyFile

if TYPE_CHECKING:
    import pandas as pd

_Out = Annotated[Path, typer.Argument(help="A finished output folder.", show_default=False)]


def study(
    out: _Out,
    outcomes: Annotated[
        Path | None,
        typer.Option(help="CSV of arms and responses, joined after everything blind is written."),
    ] = None,
    reviewed: Annotated[
        str | None,
        typer.Option(help="Compare with this reader's signed corrections; the machine's stay beside them."),
    ] = None,
    study_file: StudyFile = None,
) -> None:
    """Compare timepoints: change from baseline per marker, models, flow, and with --outcomes the response.

    Example: histoquant study results --outcomes outcomes.csv
    """
    from histoquant.run.trial import write_study

    analysis, with_study = write_study(out, study_file, outcomes, reviewed)
    if not with_study:
        typer.echo("No study.toml found: timepoints by label, no index. Name one with --study.")
    changes = analysis.tables["changes"]
    for line in _primary_lines(changes[changes["primary"].fillna(False)]):
        typer.echo(line)
    notes = len(analysis.tables["notes"])
    if notes:
        typer.echo(f"{notes} remarks on the data: {out / 'study' / 'notes.csv'}")
    typer.echo(f"Wrote {out / 'study'}. Research use only.")


def _primary_lines(rows: pd.DataFrame) -> list[str]:
    lines = []
    for row in rows.astype(object).where(rows.notna(), None).to_dict("records"):
        about = f"Primary: {row['measure']} at {row['timepoint']} against {row['baseline']}"
        if row["hl"] is None:
            lines.append(f"{about}: no estimate ({row['reason']})")
            continue
        log = row["hl_ratio"] is not None
        value, low, high = (row[("hl_ratio" if log else "hl") + end] for end in ("", "_low", "_high"))
        interval = f" ({low:.3g} to {high:.3g})" if low is not None and math.isfinite(low) else ""
        said = f"{'ratio' if log else 'change'} {value:.3g}{interval}, {row['patients']} patients"
        lines.append(f"{about}: {said}, exact Wilcoxon p {row['wilcoxon_p']:.2g}")
    return lines


def agreement(
    out: _Out,
    reader: Annotated[
        list[Path],
        typer.Option(help="A reader's CSV: slide, value; repeat for more readers.", show_default=False),
    ],
    study_file: StudyFile = None,
) -> None:
    """Compare the machine with pathologists, and pathologists with each other.

    Example: histoquant agreement results --reader pathologist.csv
    """
    from histoquant.run.readers import write_agreement

    table = write_agreement(out, reader, study_file)
    for row in table[table["level"] == "level"].astype(object).to_dict("records"):
        about = f"{row['measure']}: {row['rater_a']} and {row['rater_b']}, {row['readings']} readings"
        typer.echo(f"{about}: {_icc(row)}")
    typer.echo(f"Wrote {out / 'study' / 'agreement.csv'}.")


def _icc(row: dict[object, object]) -> str:
    values = [row[name] for name in ("icc", "icc_low", "icc_high")]
    known = [value for value in values if isinstance(value, float)]
    if len(known) < len(values):
        return str(row["reason"])
    return f"ICC(A,1) {known[0]:.2f} ({known[1]:.2f} to {known[2]:.2f})"


def reference(
    out: _Out,
    target: Annotated[Path, typer.Option("-o", "--out", help="New file, JSON.", show_default=False)],
    baseline: Annotated[str | None, typer.Option(help="Timepoint label. Default: the earliest.")] = None,
    scanner: Annotated[str | None, typer.Option(help="Scanner, to be recorded.")] = None,
    study_file: StudyFile = None,
) -> None:
    """Freeze the baseline biopsies of OUT as the reference of the inflammation index.

    Do it before any follow-up slide is opened, then name the file in study.toml under [inflammation]
    reference and run again: nothing is counted anew.

    Example: histoquant reference results -o reference.json
    """
    from histoquant.run.readers import write_reference

    frozen, followed = write_reference(out, target, baseline, study_file, scanner)
    typer.echo(f"{target}: {frozen.n} biopsies at {frozen.baseline}, {frozen.method}, {frozen.id}.")
    if followed:
        typer.echo(
            f"{out} also holds {', '.join(followed)}: a reference should be frozen before follow-up slides "
            "are opened. Say so where scores are reported."
        )
