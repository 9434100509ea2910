"""What each method's scores were made by, as a table."""

from srlab.report.missing import NOTHING
from srlab.report.scores import MadeBy, Scores
from srlab.report.tables import Table

_SHORT = 8


def origins_table(scores: Scores) -> Table:
    """A row for each method that was run: hashes of weights, params and data, commit, MLflow run.

    Hashes are cut to eight digits.
    """
    return Table(
        title="What made these numbers",
        head=["method", "weights", "params", "training data", "commit", "MLflow run"],
        rows=[
            [name, *_cells(method.made_by)] for name, method in scores.items() if method is not None
        ],
        notes=[
            "Weights: SHA-256 of the file. Params: of the used sections of `params.yaml`. "
            "Training data: of the patches. An interpolation has no weights, data or run."
        ],
    )


def short_commit(commit: str | None) -> str:
    """Eight digits, and whether the code differed from the commit."""
    if commit is None:
        return NOTHING
    digits, changed, _ = commit.partition("+")
    return digits[:_SHORT] + ("+changes" if changed else "")


def _cells(made_by: MadeBy) -> list[str]:
    weights = _short(made_by.weights_sha256)
    if made_by.strength not in (None, 1):
        weights += f" at strength {made_by.strength:g}"
    return [
        weights,
        _short(made_by.params_sha256),
        _short(made_by.data_sha256),
        short_commit(made_by.git_commit),
        made_by.mlflow_run_id or NOTHING,
    ]


def _short(digest: str | None) -> str:
    return NOTHING if digest is None else digest[:_SHORT]
