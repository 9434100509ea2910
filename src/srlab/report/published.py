"""Numbers of papers, from data/published.yaml."""

from pathlib import Path

from pydantic import Field

from srlab.checked_yaml import read_checked
from srlab.params import ProtocolName, Scale
from srlab.strict_yaml import StrictModel


class PaperScores(StrictModel):
    """What the paper's Table 1 says of one method on one dataset."""

    psnr: float
    alex: float


class PaperColumn(StrictModel):
    """A column of the paper's Table 1."""

    method: str
    """As our stages call it."""
    scale: Scale
    scores: dict[str, PaperScores]
    """By dataset."""


class PaperNote(StrictModel):
    """What must be known to compare with the paper."""

    dataset: str | None
    metric: str | None
    """The rows that it is about; null for any."""
    text: str

    def is_about(self, dataset: str, metric: str) -> bool:
        """Whether it is about some rows, and these are among them."""
        if self.dataset is None and self.metric is None:
            return False
        return self.dataset in (None, dataset) and self.metric in (None, metric)


class Paper(StrictModel):
    """The paper's Table 1."""

    source: str
    protocol: ProtocolName
    """The one of ours that comes closest to the paper's."""
    columns: list[PaperColumn] = Field(min_length=1)
    notes: list[PaperNote]

    def score(self, method: str, scale: int, dataset: str, metric: str) -> float | None:
        """The paper's number; None if it has none."""
        for column in self.columns:
            if (column.method, column.scale) == (method, scale) and dataset in column.scores:
                return column.scores[dataset].model_dump().get(metric)
        return None


class ResultScores(StrictModel):
    """Published means over one dataset; None for what was not published."""

    psnr: float | None = None
    ssim: float | None = None
    lpips: float | None = None


class Result(StrictModel):
    """One method at one scale, as published."""

    method: str
    protocol: ProtocolName
    """What the numbers are comparable under."""
    scale: Scale
    parameters: int | None
    """Of the network, rounded as published; null for an interpolation."""
    training_data: str
    source: str
    """Who published it."""
    scores: dict[str, ResultScores] = Field(min_length=1)
    """By dataset."""

    def score(self, dataset: str, metric: str) -> float | None:
        """A published number; None if there is none."""
        return getattr(self.scores.get(dataset), metric, None)


class Published(StrictModel):
    """data/published.yaml."""

    datasets: dict[str, str]
    """Dataset -> what papers call it."""
    paper: Paper
    results: list[Result]

    def title(self, dataset: str) -> str:
        """What papers call a dataset; our name where they do not know it."""
        return self.datasets.get(dataset, dataset)


def read_published(path: Path) -> Published:
    """Read the published numbers.

    Raises:
        SrlabError: the file is missing, no YAML, or malformed; one line for each mistake.
    """
    return read_checked(path, Published)
