"""Figures of a study as SVG with real text: drawn once, shown in the page and written as files."""
