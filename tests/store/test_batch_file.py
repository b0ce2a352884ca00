"""A batch file comes back as written, or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from histoquant.store.batch_file import Batch, BatchFile, join_batches, read_batch, write_batch


def _batch() -> Batch:
    return Batch({"cells": pa.table({"x": [1, 2, 3]})}, {"tiles": 4, "histogram": [0, 5]})


def test_round_trip_and_equal_bytes(tmp_path: Path):
    write_batch(tmp_path / "a.hqb", _batch())
    write_batch(tmp_path / "b.hqb", _batch())
    assert (tmp_path / "a.hqb").read_bytes() == (tmp_path / "b.hqb").read_bytes()
    loaded = read_batch(tmp_path / "a.hqb")
    assert loaded is not None
    assert loaded.counts == _batch().counts
    assert loaded.tables["cells"].equals(_batch().tables["cells"])


def test_absent_cut_and_altered_files_are_not_believed(tmp_path: Path):
    path = tmp_path / "a.hqb"
    assert read_batch(path) is None
    write_batch(path, _batch())
    whole = path.read_bytes()
    for length in (0, 5, 31, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert read_batch(path) is None
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert read_batch(path) is None


def test_joined_batches_hold_all_rows_in_order_and_the_sums():
    other = Batch({"cells": pa.table({"x": [9]})}, {"tiles": 1, "histogram": [2, 3]})
    joined = join_batches([_batch(), other])
    assert joined.tables["cells"].column("x").to_pylist() == [1, 2, 3, 9]
    assert joined.counts == {"tiles": 5, "histogram": [2, 8]}


def test_single_columns_of_a_file(tmp_path: Path):
    table = pa.table({"x": [1, 2], "outline": [[0.5], []], "y": [3.0, None]})
    write_batch(tmp_path / "a.hqb", Batch({"cells": table, "vessels": table.slice(0, 0)}, {"tiles": 1}))
    file = BatchFile.proven(tmp_path / "a.hqb")
    assert file is not None
    assert file.counts == {"tiles": 1}
    assert set(file.table_names) == {"cells", "vessels"}
    assert file.columns("cells") == ["x", "outline", "y"]
    assert file.table("cells").equals(table)
    assert file.table("cells", ["y"]).equals(table.select(["y"]))
    assert file.table("vessels", ["outline"]).num_rows == 0
