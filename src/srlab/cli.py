"""The command `srlab`."""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from srlab.errors import SrlabError

app = typer.Typer(no_args_is_help=True, help="MemNet and SRGAN for single-image super-resolution.")
params_app = typer.Typer(no_args_is_help=True, help="Check and switch params.yaml.")
datasets_app = typer.Typer(no_args_is_help=True, help="The catalog of datasets.")
runs_app = typer.Typer(no_args_is_help=True, help="MLflow runs: complete and compare them.")
app.add_typer(params_app, name="params")
app.add_typer(runs_app, name="runs")
app.add_typer(datasets_app, name="datasets")


def main() -> None:
    """Run the command line; bad input ends in one line and exit code 2."""
    try:
        app()
    except SrlabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def strip(
    hr: Annotated[Path, typer.Argument(help="The true image.")],
    results: Annotated[list[str], typer.Argument(help="NAME=PICTURE, any number of them.")],
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("strip.png"),
    scale: Annotated[int, typer.Option(min=2, max=4)] = 4,
    crop: Annotated[int, typer.Option(min=16, help="Side of the zoomed crop.")] = 64,
) -> None:
    """Put results for one image side by side, with a zoomed crop of each."""
    from srlab.data.images import write_png
    from srlab.report.strip import comparison_strip

    pictures = {}
    for result in results:
        name, equals, path = result.rpartition("=")
        if not equals or not name:
            raise SrlabError(f"{result}: write NAME=PICTURE, such as srgan={result}")
        pictures[name] = Path(path)
    write_png(output, comparison_strip(hr, pictures, scale=scale, crop=crop, captions={}))
    print(output)


@app.command()
def mend() -> None:
    """Repair what DVC leaves half written when it is killed: dvc.lock, its lock file."""
    from srlab.mending import mend as repair

    for line in repair(Path()):
        print(line)


@params_app.command()
def check(path: Annotated[Path, typer.Argument()] = Path("params.yaml")) -> None:
    """Refuse unknown keys, wrong types and impossible combinations."""
    from srlab.params import load_params

    load_params(path)
    print(f"{path}: good")


@params_app.command()
def use(profile: str) -> None:
    """Write params.yaml from profiles/PROFILE.yaml: quick, half_hour, paper, smoke."""
    from srlab.params import load_params

    source = Path("profiles") / f"{profile}.yaml"
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in Path("profiles").glob("*.yaml")))
        raise SrlabError(f"{source}: no such profile; known: {known or 'none in this folder'}")
    load_params(source)
    shutil.copyfile(source, "params.yaml")
    print(f"params.yaml is now {source}; run: dvc repro")


@params_app.command()
def schema() -> None:
    """Print the JSON schema of params.yaml, for editors."""
    from srlab.params import Params

    print(json.dumps(Params.model_json_schema(), indent=2))


@datasets_app.command()
def describe(folder: Path) -> None:
    """Print the `images` of a catalog entry for the images in FOLDER."""
    from srlab.data.images import list_images, pixel_hash, read_pixels

    for path in list_images(folder):
        print(f'    "{path.stem}": [{pixel_hash(read_pixels(path))}]')


@runs_app.command()
def sync() -> None:
    """Send to MLflow what runs could not send, and runs of networks that DVC brought here."""
    from srlab.runs.sync import sync as bring_up_to_date
    from srlab.workspace import project_root

    for line in bring_up_to_date(project_root()):
        print(line)


@runs_app.command()
def diff(
    a: Annotated[
        str, typer.Argument(help="MLflow run id, folder of outputs, or safetensors file.")
    ],
    b: Annotated[str, typer.Argument(help="The other.")],
) -> None:
    """Say where two trainings part. Exit code 0: equal; 1: different; 2: cannot be compared."""
    from srlab.runs.diff import compare

    comparison = compare(a, b)
    print("\n".join(comparison.lines))
    raise typer.Exit(0 if comparison.equal else 1)
