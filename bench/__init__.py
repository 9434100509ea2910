"""Benchmarks: what srlab's work costs, against plain code and against what the machine can do.

`python -m bench` measures, writes `bench/results.json` and `bench/scaling.json`. Plain code and
srlab's take turns in the same run, and what counts is the ratio. Not part of the installed package.
"""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The project's folder."""
