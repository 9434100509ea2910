"""Studies: a question of the paper, answered by DVC experiments that differ in one thing."""

from srlab.studies.result import Study, load_study

__all__ = ["Study", "load_study"]
