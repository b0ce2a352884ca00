"""All cells of a finished run as one AnnData, counted per biopsy and class.

Run it as ``python examples/cells_in_scverse.py results`` after ``histoquant run slides/ -o results``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anndata

from histoquant.export import export_results


def main(results: Path) -> None:
    """Print cells per slide and class, and how the class compares in size."""
    (path,) = export_results(results, "anndata", results / "export")
    cells = anndata.read_h5ad(path)
    print(cells)
    print(cells.obs.groupby(["slide_id", "class"], observed=True).size().unstack(fill_value=0).to_string())
    area = cells[:, "nucleus_area_um2"].to_df()["nucleus_area_um2"]
    print(area.groupby(cells.obs["class"].to_numpy()).median().round(1).to_string())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
