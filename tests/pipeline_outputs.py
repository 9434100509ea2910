"""What a pipeline has left, to be compared with what another has left.

Everything that dvc.yaml names is compared byte by byte, but for what must differ between two runs:

- MLflow's run ids, wherever they stand (metrics/METHOD.json, table1.*, the cost cards, the report):
  each counts as the name of its training;
- in metrics/costs/*.json seconds, memory and rates;
- in report/cards/*.md and report/index.html the lines with them, and the table of costs.
"""

import hashlib
import json
import re
from pathlib import Path

import yaml

_MEASURED = {
    "seconds",
    "peak_memory_mib",
    "peak_gpu_memory_mib",
    "patches_per_second",
    "images_per_second",
    "megapixels_per_second",
}
_MEASURED_LINES = re.compile(r"(- |<li>)(wall time|peak memory|training): [^\n]*\n")
_COST_TABLE = re.compile(r'<section id="costs">.*?</section>', re.DOTALL)


def outputs(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of what is to be compared, for every file that dvc.lock names as output."""
    runs = run_ids(folder)
    stages = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    found = {}
    for out in (out for stage in stages.values() for out in stage.get("outs", [])):
        path = folder / out["path"]
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                name = str(file.relative_to(folder))
                found[name] = hashlib.sha256(_lasting(name, file.read_bytes(), runs)).hexdigest()
    return found


def run_ids(folder: Path) -> dict[str, str]:
    """Training -> the MLflow run that its cost card names."""
    return {
        path.stem.removeprefix("train_"): json.loads(path.read_text())["mlflow_run_id"]
        for path in sorted((folder / "metrics" / "costs").glob("train_*.json"))
    }


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """A line for each file that is missing, too many, or another."""
    lines = [f"{name}: missing" for name in expected.keys() - found.keys()]
    lines += [f"{name}: too many" for name in found.keys() - expected.keys()]
    both = expected.keys() & found.keys()
    lines += [f"{name}: differs" for name in both if expected[name] != found[name]]
    return sorted(lines)


def _lasting(name: str, content: bytes, runs: dict[str, str]) -> bytes:
    for training, run_id in runs.items():
        content = content.replace(run_id.encode(), f"run of {training}".encode())
    if name.startswith("metrics/costs/"):
        card = json.loads(content)
        return json.dumps({k: v for k, v in card.items() if k not in _MEASURED}).encode()
    if name == "report/index.html" or name.startswith("report/cards/"):
        text = _COST_TABLE.sub("", content.decode())
        return _MEASURED_LINES.sub("", text).encode()
    return content
