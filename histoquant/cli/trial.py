"""From biopsies to a trial: study, agreement, reference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from histoquant.cli.application import AsJson, StudyFile, say_json
from histoquant.run.first_look import require_files, require_finished

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
    as_json: AsJson = False,
) -> None:
    """Compare timepoints: change from baseline per marker, models, flow, and with --outcomes the response.

    Example: histoquant study results --outcomes outcomes.csv
    """
    require_finished(out)
    require_files("--study", [study_file])
    require_files("--outcomes", [outcomes])
    from histoquant.run.trial import write_study

    analysis, with_study = write_study(out, study_file, outcomes, reviewed)
    changes = analysis.tables["changes"]
    primary = _records(changes[changes["primary"].fillna(False)])
    notes = len(analysis.tables["notes"])
    if as_json:
        told = {"folder": str(out / "study"), "with_study_file": with_study, "remarks": notes}
        say_json({**told, "unblinded": outcomes is not None, "reviewed": reviewed, "primary": primary})
        return
    if not with_study:
        typer.echo("No study.toml found: timepoints by label, no index. Name one with --study.")
    for line in _primary_lines(primary):
        typer.echo(line)
    if notes:
        typer.echo(f"{notes} remarks on the data: {out / 'study' / 'notes.csv'}")
    typer.echo(f"Wrote {out / 'study'}. Research use only.")


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None for what is empty, and for limits at infinity."""
    finite = rows.notna() & ~rows.isin([math.inf, -math.inf])
    records = rows.astype(object).where(finite, None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in records]


def _primary_lines(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in rows:
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
    as_json: AsJson = False,
) -> None:
    """Compare the machine with pathologists, and pathologists with each other.

    Example: histoquant agreement results --reader pathologist.csv
    """
    require_finished(out)
    require_files("--reader", reader)
    require_files("--study", [study_file])
    from histoquant.run.readers import write_agreement

    table = write_agreement(out, reader, study_file)
    levels = table[table["level"] == "level"]
    if as_json:
        say_json({"table": str(out / "study" / "agreement.csv"), "levels": _records(levels)})
        return
    for row in levels.astype(object).to_dict("records"):
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
    as_json: AsJson = False,
) -> None:
    """Freeze the baseline biopsies of OUT as the reference of the inflammation index.

    Do it before any follow-up slide is opened, then name the file in study.toml under [inflammation]
    reference and run again: nothing is counted anew.

    Example: histoquant reference results -o reference.json
    """
    require_finished(out)
    require_files("--study", [study_file])
    from histoquant.run.readers import write_reference

    frozen, followed = write_reference(out, target, baseline, study_file, scanner)
    if as_json:
        about = {name: getattr(frozen, name) for name in ("id", "n", "baseline", "method")}
        say_json({"file": str(target), **about, "later_timepoints": followed})
        return
    typer.echo(f"{target}: {frozen.n} biopsies at {frozen.baseline}, {frozen.method}, {frozen.id}.")
    if followed:
        typer.echo(
            f"{out} also holds {', '.join(followed)}: a reference should be frozen before follow-up slides "
            "are opened. Say so where scores are reported."
        )
