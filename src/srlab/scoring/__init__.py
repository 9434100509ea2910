"""Scoring whatever enlarges images, outside of the pipeline: `srlab evaluate`."""
