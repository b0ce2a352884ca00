from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.study.layout import BLIND_TABLES, READER_TABLES, TABLES, UNBLINDED_TABLES, markdown
from histoquant.study.rules import is_unblinding

DOC = Path(__file__).resolve().parents[2] / "docs" / "study.md"


@pytest.mark.parametrize("tables", [BLIND_TABLES, UNBLINDED_TABLES, READER_TABLES])
def test_the_docs_describe_every_table_and_column(tables: dict) -> None:
    assert markdown(tables) in DOC.read_text(encoding="utf-8")


def test_every_table_with_an_empty_cell_can_say_why() -> None:
    silent = [name for name, table in TABLES.items() if "reason" not in table.column_names]
    # notes are always full; a score's reasons are its status; a pair exists only where both readings do
    assert silent == ["scores", "notes", "agreement_pairs"]
    assert "status" in TABLES["scores"].column_names


def test_columns_are_unique_and_blind_tables_name_no_arm_or_outcome() -> None:
    for table in TABLES.values():
        assert len(set(table.column_names)) == len(table.columns)
    for table in BLIND_TABLES.values():
        assert not [name for name in table.column_names if is_unblinding(name)]
