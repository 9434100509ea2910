"""Sends to a run what it does not have yet.

A run that was killed had sent more than its last checkpoint knows, and a request whose answer was
lost may have been obeyed. So wherever this process cannot know what the run has, the run is asked.
"""

import base64
import io
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from srlab.tracking.outbox import Outbox
from srlab.tracking.store import is_refusal
from srlab.tracking.warn import brief, warn

_METRICS_PER_REQUEST = 1000
_PARAMS_PER_REQUEST = 100
_IMAGE = re.compile(
    r"images/(?P<stem>(?P<name>.+)\+step\+(?P<step>\d+)\+timestamp\+\d+\+[^+]+)"
    r"(?P<small>\+compressed)?\.(png|webp)"
)


class Delivery:
    """Sends to one run. What the store refuses is left out, with one warning for each name.

    Args:
        client: an `mlflow.MlflowClient`.
        run_id: the run.
        fresh: whether the run was made just now and has nothing.
    """

    def __init__(self, client: Any, run_id: str, *, fresh: bool) -> None:
        self._client = client
        self._run_id = run_id
        self._steps: dict[str, set[int]] = defaultdict(set)
        self._asked: set[str] | None = None if fresh else set()
        self._images: dict[tuple[str, int], tuple[str, bool]] | None = {} if fresh else None
        self._refused: set[str] = set()

    def send(self, outbox: Outbox) -> None:
        """Send all, and take out of the outbox what the run has now; `ended` is left alone.

        Raises:
            Exception: the store does not answer; MLflow raises many kinds.
        """
        try:
            self._send_metrics(outbox.metrics)
            self._send_tags(outbox.tags)
            while outbox.images:
                self._send_image(outbox.images[0])
                del outbox.images[0]
            while outbox.files:
                self._send_file(outbox.files[0])
                del outbox.files[0]
        except Exception:
            # The request may have been obeyed all the same.
            self._steps.clear()
            self._asked = set()
            self._images = None
            raise

    def send_params(self, params: dict[str, str]) -> None:
        """Params cannot be changed: those that the run has are left as they are."""
        from mlflow.entities import Param

        known = self._client.get_run(self._run_id).data.params
        for name in params.keys() & known.keys():
            if params[name] != known[name]:
                warn(f"run {self._run_id} keeps param {name}={known[name]}, not {params[name]}")
        new = [Param(name, value) for name, value in params.items() if name not in known]
        for start in range(0, len(new), _PARAMS_PER_REQUEST):
            chunk = new[start : start + _PARAMS_PER_REQUEST]
            try:
                self._client.log_batch(self._run_id, params=chunk)
            except Exception as error:
                if not is_refusal(error):
                    raise
                self._refuse(", ".join(param.key for param in chunk), error)

    def _send_metrics(self, waiting: list[list[Any]]) -> None:
        while waiting:
            batch = waiting[:_METRICS_PER_REQUEST]
            new = self._new(batch)
            if not self._accepted(new):
                for name in dict.fromkeys(point[0] for point in new):
                    self._accepted([point for point in new if point[0] == name], name)
            for name, _, _, step in new:
                self._steps[name].add(step)
            del waiting[: len(batch)]

    def _new(self, points: list[list[Any]]) -> list[list[Any]]:
        """Those that the run does not have, one for each metric and step."""
        for name in {point[0] for point in points}:
            if self._asked is not None and name not in self._asked:
                history = self._client.get_metric_history(self._run_id, name)
                self._steps[name] |= {point.step for point in history}
                self._asked.add(name)
        new: dict[tuple[str, int], list[Any]] = {}
        for point in points:
            name, _, _, step = point
            if step not in self._steps[name]:
                new.setdefault((name, step), point)
        return list(new.values())

    def _accepted(self, points: list[list[Any]], name: str | None = None) -> bool:
        """Whether the run took points. Refused ones are told of where they are of one name."""
        from mlflow.entities import Metric

        try:
            if points:
                self._client.log_batch(self._run_id, metrics=[Metric(*point) for point in points])
        except Exception as error:
            if not is_refusal(error):
                raise
            if name is not None:
                self._refuse(f"metric {name}", error)
            return False
        return True

    def _send_tags(self, tags: dict[str, str]) -> None:
        for name in list(tags):
            try:
                self._client.set_tag(self._run_id, name, tags[name])
            except Exception as error:
                if not is_refusal(error):
                    raise
                self._refuse(f"tag {name}", error)
            del tags[name]

    def _send_image(self, image: dict[str, Any]) -> None:
        """Send an image and, last, the small copy of it that MLflow's pages show: where that is,
        both are.
        """
        from mlflow.tracking.multimedia import compress_image_size
        from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES
        from PIL import Image

        if self._images is None:
            self._images = _images(self._client.list_artifacts(self._run_id, "images"))
        key = image["name"].replace("/", "~"), image["step"]
        stem, whole = self._images.get(key, (image["stem"], False))
        if whole:
            return
        try:
            picture = Image.open(io.BytesIO(base64.b64decode(image["png"])))
            with tempfile.TemporaryDirectory() as folder:
                full = Path(folder, f"{stem}.png")
                small = Path(folder, f"{stem}+compressed.webp")
                picture.save(full)
                compress_image_size(picture).save(small)
                for path in (full, small):
                    self._client.log_artifact(self._run_id, str(path), "images")
            self._client.set_tag(self._run_id, MLFLOW_LOGGED_IMAGES, "True")
        except Exception as error:
            if not is_refusal(error):
                raise
            self._refuse(f"image {image['name']}", error)
        self._images[key] = stem, True

    def _send_file(self, path: str) -> None:
        if not Path(path).is_file():
            warn(f"{path} is gone before it could be sent to run {self._run_id}")
            return
        try:
            self._client.log_artifact(self._run_id, path)
        except Exception as error:
            if not is_refusal(error):
                raise
            self._refuse(f"file {path}", error)

    def _refuse(self, what: str, error: Exception) -> None:
        if what not in self._refused:
            self._refused.add(what)
            warn(f"MLflow refuses {what} ({brief(error)}); it is left out")


def _images(artifacts: Iterable[Any]) -> dict[tuple[str, int], tuple[str, bool]]:
    """(name, step) -> the stem of the artifacts' names, and whether both are there."""
    found: dict[tuple[str, int], tuple[str, bool]] = {}
    for artifact in artifacts:
        if match := _IMAGE.fullmatch(artifact.path):
            key = match["name"], int(match["step"])
            # An empty file is what is left of a copy that was cut off.
            whole = bool(match["small"] and artifact.file_size)
            if whole or key not in found:
                found[key] = match["stem"], whole
    return found
