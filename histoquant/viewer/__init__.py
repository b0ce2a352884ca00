"""napari: slides, what was counted on them, and reading it. Nothing here changes a result."""
