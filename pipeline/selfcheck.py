"""Stage `selfcheck`: rebuild the scores that need no training, before anything else is scored."""

import json
import os
from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(expectations: Path, images: Path, output: Path, cost: Path) -> None:
    """Rebuild the rows of EXPECTATIONS for the datasets in IMAGES; write OUTPUT and COST."""
    params = load_params()
    from srlab.costs import measured
    from srlab.data.raw import select_datasets
    from srlab.selfcheck import check, load_selfcheck, summary

    with measured(cost):
        checks = check(load_selfcheck(expectations), select_datasets(images, params.data.test))
        result = summary(checks, params.data.test)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n")
    os.replace(partial, output)
    for name in result["datasets_without_rows"]:
        print(f"selfcheck: {name} has no rows in {expectations}; nothing was checked on it")


if __name__ == "__main__":
    start(main)
