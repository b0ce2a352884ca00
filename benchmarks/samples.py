"""The demo's numbers beside the samples' truth, slide by slide.

Run ``make demo`` first, then ``python benchmarks/samples.py``.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import histoquant as hq

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print one row per sample slide."""
    truth = pd.read_csv(ROOT / "sample_slides" / "truth" / "truth.csv").set_index("slide")
    print("| slide | status | counted | true | off by | tissue, mm2 | true | off by |")
    print("|---|---|---|---|---|---|---|---|")
    for _, row in hq.load_results(ROOT / "demo_results").slides.iterrows():
        true = truth.loc[row["file"]]
        column = "vessels" if row["marker"] == "CD31" else "positive"
        count, area = row[column], row["tissue_mm2"]
        print(
            f"| {row['slide_id']} | {row['status']} | {count:.0f} {column} | {true[column]} "
            f"| {100 * (count / true[column] - 1):+.1f} % | {area:.3f} | {true['tissue_mm2']:.3f} "
            f"| {100 * (area / true['tissue_mm2'] - 1):+.1f} % |"
        )


if __name__ == "__main__":
    main()
