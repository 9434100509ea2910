"""The command `srlab`."""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from srlab import __version__
from srlab.errors import SrlabError
from srlab.one_line_usage import OneLineUsage

app = typer.Typer(no_args_is_help=True)
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


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"srlab {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """MemNet and SRGAN for single-image super-resolution."""


@app.command(cls=OneLineUsage)
def upscale(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Pictures, folders, globs; - for stdin.")
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="File or folder; - for stdout. Default: beside INPUT."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Released model (srlab models) or weights.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option("--scale", "-s", help="Any factor; 4 where no size is given.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Pixels of the result, in place of a scale.")
    ] = None,
    height: Annotated[int | None, typer.Option(help="With --width: fits into both.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="0: SRResNet, faithful; 1: SRGAN, sharp, inventive.")
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Mean of 8 results: a little better, 8 times slower.")
    ] = False,
    consistent: Annotated[
        bool, typer.Option("--consistent", help="Shrinking the result gives the input back.")
    ] = False,
    tile: Annotated[str, typer.Option(help="Pixels that are computed at once, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bf16.")] = "auto",
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", help="png, tiff, jpeg, webp, avif, bmp, gif; or as INPUT."),
    ] = None,
    quality: Annotated[
        int | None, typer.Option("--quality", "-q", help="1 to 100, of jpeg, webp, avif.")
    ] = None,
    max_megapixels: Annotated[float, typer.Option(help="Larger inputs are refused.")] = 128,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was done as JSON.")] = False,
) -> None:
    """Enlarge pictures.

    Without --output, photo.jpg becomes photo_x4.jpg beside it, and the pictures of a folder go to
    folder_x4. What a picture has stays: transparency, depth, profile, EXIF, frames.

    Exit code 1: some could not be enlarged; they are named, and the others are written.
    """
    from srlab.upscaling.command import upscale as run

    code = run(
        inputs=inputs,
        output=output,
        model=model,
        scale=scale,
        width=width,
        height=height,
        strength=strength,
        ensemble=ensemble,
        consistent=consistent,
        tile=tile,
        device=device,
        precision=precision,
        format=format,
        quality=quality,
        megapixels=max_megapixels,
        overwrite=overwrite,
        dry_run=dry_run,
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command(cls=OneLineUsage)
def compare(
    image: Annotated[Path, typer.Argument(help="A picture.")],
    models: Annotated[
        list[str],
        typer.Option(
            "--model",
            "-m",
            help="Released model (srlab models) or weights; may be repeated.",
            show_default="all that are released, and bicubic",
        ),
    ] = [],  # noqa: B006
    scale: Annotated[float, typer.Option("--scale", "-s", help="Any factor.")] = 4,
    output: Annotated[
        Path, typer.Option("--output", "-o", help=".png: a strip; .html: a page with a slider.")
    ] = Path("compare.png"),
    crop: Annotated[
        str, typer.Option(help="Shown zoomed: x,y,side in pixels of IMAGE; auto: the most detail.")
    ] = "auto",
    truth: Annotated[
        bool, typer.Option("--truth", help="Shrink IMAGE first, and score the results by it.")
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="How --truth shrinks and scores, such as y_rgb8_jpeg75.", show_default="y_rgb8"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps.")] = "auto",
    max_megapixels: Annotated[float, typer.Option(help="Larger pictures are refused.")] = 128,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Show what several models make of a picture, side by side with zoomed crops."""
    from srlab.comparing.command import compare as run

    run(
        image,
        models=models,
        scale=scale,
        output=output,
        crop=crop,
        is_truth=truth,
        protocol=protocol,
        device=device,
        megapixels=max_megapixels,
        overwrite=overwrite,
    )


@app.command("app", cls=OneLineUsage)
def app_command(
    models: Annotated[
        list[Path],
        typer.Option("--model", "-m", help="Weights to offer, too; may be repeated."),
    ] = [],  # noqa: B006
    host: Annotated[
        str, typer.Option(help="Address to listen at; by default this computer alone reaches it.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, show_default="the first free one from 7860 on")
    ] = None,
    max_megapixels: Annotated[float, typer.Option(help="Larger photos are refused.")] = 25,
    is_opened: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Serve a web page that enlarges photos, until Ctrl-C."""
    from srlab.app.command import serve

    serve(models=models, host=host, port=port, megapixels=max_megapixels, is_opened=is_opened)


@app.command(cls=OneLineUsage)
def models(
    name: Annotated[str | None, typer.Argument(help="Print this model's card.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
) -> None:
    """List the released models with their scores, sizes and licences."""
    from srlab.zoo.listing import print_models

    print_models(name, as_json=as_json)


@app.command(cls=OneLineUsage)
def evaluate(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="Released model, interpolation, weights, or a folder of results. "
            "NETWORK+: the mean of 8 results, as by upscale --ensemble; "
            "NETWORK=: corrected, as by --consistent, for the protocol's shrinking; "
            "NETWORK+=: both.",
        ),
    ],
    benchmarks: Annotated[
        list[str],
        typer.Option("--on", help="Folder of true images, or a dataset of data/datasets.yaml."),
    ] = ["set5", "set14"],  # noqa: B006
    protocols: Annotated[
        list[str], typer.Option("--protocol", help="How numbers are made: the README says more.")
    ] = ["y_rgb8", "y", "paper"],  # noqa: B006
    scales: Annotated[list[int], typer.Option("--scale", "-s", help="2, 3, 4.")] = [2, 3, 4],  # noqa: B006
    strength: Annotated[float | None, typer.Option(min=0, max=1, help="Of an SRGAN.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the scores of each image.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
) -> None:
    """Score models, weights or folders of results by PSNR, SSIM, ALEX and LPIPS, in one table."""
    from srlab.scoring.command import evaluate as run

    run(
        targets,
        benchmarks=benchmarks,
        protocols=protocols,
        scales=scales,
        strength=strength,
        output=output,
        as_json=as_json,
    )


@app.command(cls=OneLineUsage)
def export(
    model: Annotated[str, typer.Argument(help="Released model (srlab models) or weights.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    file_format: Annotated[
        Literal["onnx", "torch"], typer.Option("--format", help="torch is torch.export's .pt2.")
    ] = "onnx",
    scale: Annotated[
        int | None, typer.Option(help="Needed where the network enlarges by several factors.")
    ] = None,
    precision: Annotated[
        Literal["float32", "float16"], typer.Option(help="Of the network; images are float32.")
    ] = "float32",
    opset: Annotated[int, typer.Option(min=18, help="Of ONNX.")] = 18,
) -> None:
    """Write a network for other programs: RGB images in [0, 1] in, larger ones out, of any size.

    The file is compared with srlab on images of three sizes before it gets its name.
    """
    from srlab.export.exporting import export as run

    print(
        run(model, output, file_format=file_format, scale=scale, precision=precision, opset=opset)
    )


@app.command(cls=OneLineUsage)
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


@app.command(cls=OneLineUsage)
def mend() -> None:
    """Repair what DVC leaves half written when it is killed: dvc.lock, its lock file."""
    from srlab.mending import mend as repair

    for line in repair(Path()):
        print(line)


@params_app.command(cls=OneLineUsage)
def check(path: Annotated[Path, typer.Argument()] = Path("params.yaml")) -> None:
    """Refuse unknown keys, wrong types and impossible combinations."""
    from srlab.params import load_params

    load_params(path)
    print(f"{path}: good")


@params_app.command(cls=OneLineUsage)
def use(profile: str) -> None:
    """Write params.yaml from profiles/PROFILE.yaml, such as quick, half_hour, paper, distilled."""
    from srlab.params import load_params

    source = Path("profiles") / f"{profile}.yaml"
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in Path("profiles").glob("*.yaml")))
        raise SrlabError(f"{source}: no such profile; known: {known or 'none in this folder'}")
    load_params(source)
    shutil.copyfile(source, "params.yaml")
    print(f"params.yaml is now {source}; run: dvc repro")


@params_app.command(cls=OneLineUsage)
def schema() -> None:
    """Print the JSON schema of params.yaml, for editors."""
    from srlab.params import Params

    print(json.dumps(Params.model_json_schema(), indent=2))


@datasets_app.command(cls=OneLineUsage)
def add(
    folder: Path,
    name: Annotated[str, typer.Option(help="What params.yaml is to call them.")],
    terms: Annotated[str, typer.Option(help="Under which they may be used.")] = "my own",
) -> None:
    """Make a dataset of the pictures in FOLDER: copy them, and list them in data/datasets.yaml."""
    from srlab.data.adding import add_dataset
    from srlab.data.raw import CATALOG
    from srlab.workspace import by_hand_folder

    count = add_dataset(folder, name, terms, catalog=CATALOG, by_hand=by_hand_folder())
    print(f"{CATALOG}: {name} has {count} images; name it in data.train of params.yaml")


@datasets_app.command(cls=OneLineUsage)
def describe(folder: Path) -> None:
    """Print the `images` of a catalog entry for the images in FOLDER."""
    from srlab.data.images import list_images, pixel_hash, read_pixels

    for path in list_images(folder):
        print(f'    "{path.stem}": [{pixel_hash(read_pixels(path))}]')


@runs_app.command(cls=OneLineUsage)
def sync() -> None:
    """Send to MLflow what runs could not send, and runs of networks that DVC brought here."""
    from srlab.runs.sync import sync as bring_up_to_date
    from srlab.workspace import project_root

    for line in bring_up_to_date(project_root()):
        print(line)


@runs_app.command(cls=OneLineUsage)
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
