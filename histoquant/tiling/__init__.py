"""Tissue and artefact maps, the tile grid, and running tiles."""
