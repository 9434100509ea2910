"""A study's result in a few lines, for the terminal."""

from srlab.studies.result import Study, StudyDifference


def summary(study: Study) -> list[str]:
    """A line per difference, and where there is none, a line that says why."""
    budget = ", ".join(f"{value:g} {unit}" for unit, value in study.budget.items())
    lines = [f"{study.title} ({budget}; {study.device}): {study.question}"]
    lines += [_line(difference) for difference in study.differences]
    if not study.differences:
        lines.append(f"no differences: {study.metric} was not computed")
    return lines


def _line(difference: StudyDifference) -> str:
    low, high = difference.low, difference.high
    interval = "too few images" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"
    return (
        f"  {difference.arm} - {difference.against}: {difference.metric} {difference.mean:+.4f} "
        f"[{interval}] on {difference.images} images of {difference.dataset} "
        f"x{difference.scale} ({difference.protocol})"
    )
