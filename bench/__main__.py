"""`python -m bench`: measure, write the results, compare them with the committed ones."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from bench import ROOT
from bench.comparison import better, worse
from bench.results import Growth, Row, kept_in_order, read_growths, read_rows, signed, write
from bench.settings import Settings
from srlab.complaints import nearest
from srlab.errors import SrlabError
from srlab.machine import available_cores

BENCHMARKS = {
    "limits": True,
    "training": True,
    "convolutions": False,
    "gpu": True,
    "precision": False,
    "compiling": False,
    "heap": False,
    "native": False,
    "data": True,
    "inference": True,
    "streaming": True,
    "startup": True,
    "scoring": False,
    "growth": True,
    "processes": True,
    "store": False,
}
"""Modules of this package with a function `measure`, and whether they are part of --quick."""


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Any of {', '.join(BENCHMARKS)}; all by default.")
    ] = None,
    quick: Annotated[
        bool, typer.Option(help="Two minutes: fewer rounds, only what is fast.")
    ] = False,
    output: Annotated[Path, typer.Option(help="The results; tables of growth go beside them.")] = (
        ROOT / "bench" / "results.json"
    ),
    compare: Annotated[
        bool, typer.Option(help="Write nothing; exit code 1 where a ratio is worse than OUTPUT's.")
    ] = False,
    store_gb: Annotated[float, typer.Option(min=0.001, help="Size of the generated store.")] = 20,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the processor; all cores by default.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Write profiles/NAME.txt beside OUTPUT, and nothing else.")
    ] = None,
    readme: Annotated[bool, typer.Option(help="Write README.md's table, measure nothing.")] = False,
    docs: Annotated[bool, typer.Option(help="Write docs/scaling.md's tables.")] = False,
) -> None:
    """Measure srlab against plain code and against the machine."""
    if readme or docs:
        _write_tables(output, readme=readme, docs=docs)
        return
    settings = Settings(quick, threads or available_cores(), store_gb)
    if profile is not None:
        _write_profile(profile, output.parent / "profiles", settings.threads)
        return
    chosen = _chosen(names or [], quick)
    if compare:
        raise typer.Exit(_compared(chosen, settings, output))
    scaling = output.with_name("scaling.json")
    order = list(BENCHMARKS)

    def keep(row: Row) -> None:
        write(kept_in_order(read_rows(output), [row], order, replacing=None), output)

    for name in chosen:
        # Row by row: what was measured stays where a later one fails.
        rows, growths = _measured(name, settings, keep)
        whole = None if quick else name
        write(kept_in_order(read_rows(output), rows, order, replacing=whole), output)
        tables = kept_in_order(read_growths(scaling), growths, order, replacing=whole)
        write(tables, scaling)


def _chosen(names: Sequence[str], quick: bool) -> list[str]:
    for name in names:
        if name not in BENCHMARKS:
            raise SrlabError(f"{name}: no such benchmark; {nearest(name, list(BENCHMARKS))}")
    return list(names) or [name for name, fast in BENCHMARKS.items() if fast or not quick]


def _measured(
    name: str, settings: Settings, keep: Callable[[Row], None] = lambda row: None
) -> tuple[list[Row], list[Growth]]:
    """What a benchmark gives, shown and kept row by row as it comes."""
    import torch

    from bench.machine import machine_name
    from srlab.heap import keep_freed_memory

    keep_freed_memory()  # as the pipeline's stages do; plain code in this process gains by it, too
    torch.set_num_threads(settings.threads)
    on_gpu = name == "gpu" and torch.cuda.is_available()
    machine = machine_name(settings.threads, "cuda" if on_gpu else "cpu")
    command = f"python -m bench {name}" + (" --quick" if settings.quick else "")
    if settings.threads != available_cores():
        command += f" --threads {settings.threads}"
    rows: list[Row] = []
    growths: list[Growth] = []
    for record in import_module(f"bench.{name}").measure(settings):
        if isinstance(record, Growth):
            growths += signed([record], machine, command)
        else:
            rows += signed([record], machine, command)
            keep(rows[-1])
            print(_line(record), flush=True)
    return rows, growths


def _line(row: Row) -> str:
    numbers = [
        f"{name} {value:.4g}"
        for name, value in (
            ("plain", row.plain),
            ("ours", row.ours),
            ("times", row.ratio),
            ("of the limit", row.limit_share),
        )
        if value is not None
    ]
    return f"{row.name}: {', '.join([*numbers, row.unit])}"


def _compared(names: Sequence[str], settings: Settings, path: Path) -> int:
    """The exit code. What is worse is measured again before it counts: a machine may stumble."""
    committed = read_rows(path)
    if not committed:
        raise SrlabError(f"{path}: no results to compare with; run: python -m bench")
    complaints = []
    for name in names:
        rows, _ = _measured(name, settings)
        if worse(committed, rows):
            rows = better(rows, _measured(name, settings)[0])
        complaints += worse(committed, rows)
    for complaint in complaints:
        print(f"worse: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _write_profile(name: str, folder: Path, threads: int) -> None:
    import torch

    from bench.profiling import NAMES, profiled

    if name not in NAMES:
        raise SrlabError(f"--profile {name}: nothing of this name; {nearest(name, list(NAMES))}")
    torch.set_num_threads(threads)
    text = profiled(name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(text)
    print(folder / f"{name}.txt")


def _write_tables(results: Path, *, readme: bool, docs: bool) -> None:
    from bench.marked import write_text
    from bench.table import results_table

    if readme:
        table = results_table(read_rows(results)).to_markdown()
        write_text(ROOT / "README.md", {"bench": table})
    if docs:
        from bench.docs import sections
        from bench.estimate import read_facts

        write_text(ROOT / "docs" / "scaling.md", sections(read_facts(results.parent)))


if __name__ == "__main__":
    try:
        typer.run(main)
    except SrlabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
