"""CSV files people write: cells as text with their line, and every fault named with row, column and cure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoquant.errors import StudyError
from histoquant.study.rules import ID_RULE, UNBLINDING_CURE, did_you_mean, is_id, is_unblinding

# A trial's table is thousands of rows; ten million characters is a wrong file.
_MAX_CHARACTERS = 10_000_000
_MAX_FAULTS_SHOWN = 20
_SEPARATORS = ",;\t"
_EXCELS_HINT = re.compile(r"\s*\"?sep=([,;\t])\"?\s*")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its line in the file, the header being line 1, and its cells by column, stripped."""

    number: int
    said: Mapping[str, str]

    def text(self, column: str) -> str | None:
        """Return a cell; None where it is empty or the column is absent."""
        return self.said.get(column) or None

    def fault(self, column: str, what: str) -> str:
        """Say what is wrong with a cell, with its place."""
        return f"row {self.number}, column {column}: {self.said.get(column, '')!r} {what}"


def read_lines(
    path: Path,
    known: Sequence[str],
    required: Sequence[str],
    *,
    kind: str,
    blind: bool = True,
    numbers: Sequence[str] = (),
) -> tuple[list[Line], list[str]]:
    """Read a table.

    Parameters
    ----------
    path : Path
        Comma, semicolon or tab between cells, UTF-8; blank lines, Excel's ``sep=;`` and nameless columns at
        the right, where they are empty, are skipped.
    known : sequence of str
        Columns that may occur, lower case; a name that ends in ``*`` allows any with that beginning.
    required : sequence of str
        Columns that must occur.
    kind : str
        What the table is, for messages: ``"slide table"``.
    blind : bool
        Whether a column that would tell arm or outcome is refused as such.
    numbers : sequence of str
        Columns of numbers. Between semicolons they may have a decimal comma: spreadsheets write semicolons
        where the comma is taken by numbers.

    Returns
    -------
    lines : list of Line
    faults : list of str
        Rows with too few or too many cells, for `refuse`.

    Raises
    ------
    StudyError
        If the file cannot be read, or its header is wrong.
    """
    content, separator = _cells(path, kind)
    header_line, header = next(content, (1, []))
    columns = _header(path.name, _named([cell.strip().lower() for cell in header]), known, required, blind)
    commas = numbers if separator == ";" else ()
    lines: list[Line] = []
    faults: list[str] = []
    for number, cells in content:
        if not any(cell.strip() for cell in cells):
            continue
        beyond = len(cells) - len(columns)
        if beyond > 0 and not any(cell.strip() for cell in cells[len(columns) :]):
            cells = cells[: len(columns)]
        if len(cells) != len(columns):
            faults.append(
                f"row {number}: {len(cells)} cells, the header (row {header_line}) has {len(columns)}; "
                "add or remove separators, or quote a cell that holds one"
            )
            continue
        said = {k: cell.strip() for k, cell in zip(columns, cells, strict=True)}
        for name in commas:
            if _DECIMAL_COMMA.fullmatch(said.get(name, "")):
                said[name] = said[name].replace(",", ".")
        lines.append(Line(number, said))
    return lines, faults


def _named(columns: list[str]) -> list[str]:
    """Drop nameless columns at the right."""
    while columns and not columns[-1]:
        columns = columns[:-1]
    return columns


def refuse(name: str, faults: Sequence[str]) -> None:
    """Raise with the first 20 faults, if there are any.

    Raises
    ------
    StudyError
    """
    if faults:
        more = f" ... and {len(faults) - _MAX_FAULTS_SHOWN} more." if len(faults) > _MAX_FAULTS_SHOWN else ""
        raise StudyError(f"{name}: " + ". ".join(faults[:_MAX_FAULTS_SHOWN]) + "." + more)


def id_faults(line: Line, columns: Sequence[str], required: Sequence[str] = ()) -> list[str]:
    """Check cells that name a patient, tract, timepoint or the like."""
    faults = [
        line.fault(column, f"cannot be used; use {ID_RULE}")
        for column in columns
        if (text := line.text(column)) is not None and not is_id(text)
    ]
    return faults + [line.fault(c, "is empty; fill it in") for c in required if line.text(c) is None]


def repeat_faults(lines: Sequence[Line], key: Sequence[str]) -> list[str]:
    """Name rows whose key cells are those of an earlier row."""
    seen: dict[tuple[str, ...], int] = {}
    faults = []
    for line in lines:
        cells = tuple(line.said.get(column, "") for column in key)
        first = seen.setdefault(cells, line.number)
        if first != line.number:
            named = " ".join(cell for cell in cells if cell)
            faults.append(
                f"row {line.number}, column {key[0]}: {named!r} is already in row {first}; keep one of them"
            )
    return faults


def _cells(path: Path, kind: str) -> tuple[Iterator[tuple[int, list[str]]], str]:
    """Return the rows with their lines, the header first, and what separates their cells."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StudyError(f"{path.name}: not UTF-8 text. Save it as 'CSV UTF-8'.") from None
    except OSError as error:
        raise StudyError(
            f"{path.name}: cannot be read ({error.strerror}). Check its name and rights."
        ) from None
    if len(text) > _MAX_CHARACTERS or "\0" in text:
        raise StudyError(f"{path.name}: not a {kind} (binary, or over 10 million characters).")
    first = text.splitlines()[0] if text else ""
    hint = _EXCELS_HINT.fullmatch(first)
    separator = hint[1] if hint else max(_SEPARATORS, key=first.count)
    rows = _rows(text, separator, path.name)
    if hint:
        next(rows)
    return rows, separator


def _rows(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise StudyError(f"{name}: row {reader.line_num}: {error}. Check the quotes.") from None


def _header(
    table: str, columns: list[str], known: Sequence[str], required: Sequence[str], blind: bool
) -> list[str]:
    plain = [name for name in known if not name.endswith("*")]
    begins = tuple(name.removesuffix("*") for name in known if name.endswith("*"))
    unblinding = [name for name in columns if blind and is_unblinding(name)]
    if unblinding:
        raise StudyError(f"{table}: row 1, column {unblinding[0]!r} tells arm or outcome. {UNBLINDING_CURE}.")
    if "" in columns:
        raise StudyError(
            f"{table}: row 1: column {columns.index('') + 1} has no name. Name it, or remove it."
        )
    unknown = [name for name in columns if name not in plain and not (begins and name.startswith(begins))]
    if unknown:
        raise StudyError(
            f"{table}: row 1: unknown column {unknown[0]!r}.{did_you_mean(unknown[0], plain)} "
            f"Columns: {', '.join(known)}."
        )
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise StudyError(f"{table}: row 1: column {twice[0]!r} occurs twice. Keep one of them.")
    absent = [name for name in required if name not in columns]
    if absent:
        raise StudyError(f"{table}: row 1: no column {absent[0]!r}. Add it. Columns: {', '.join(known)}.")
    return columns
