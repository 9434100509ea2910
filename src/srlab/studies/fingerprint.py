"""What an arm's result depends on, so that it is computed once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from srlab.errors import SrlabError
from srlab.provenance import file_hash, values_hash
from srlab.studies.arms import Arm


def experiment_name(study: str, arm: Arm, sources: Mapping[str, str], device: str) -> str:
    """The name of the DVC experiment of an arm: the same for the same params, code and device.

    The device is part of it since a budget in minutes gives other networks on another machine.

    Args:
        study: name of the study.
        arm: its params count, without those of the report.
        sources: see `source_hashes`.
        device: name of what computes.
    """
    depends_on = {
        "params": arm.params.model_dump(exclude={"report"}),
        "sources": dict(sources),
        "device": device,
    }
    return f"{study}-{arm.name}-{values_hash(depends_on)[:8]}"


def source_hashes(project: Path, target: str) -> dict[str, str]:
    """What a stage and those before it are made from: their commands, and files' SHA-256.

    Files are the declared dependencies that no stage writes: code, and the catalogs of data, which
    name the hash of every image. params.yaml is left out.

    Raises:
        SrlabError: dvc.yaml has no such stage, a file is missing, or DVC cannot read the project.
    """
    from dvc.dependency import ParamsDependency
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        stages: Sequence = Repo(str(project)).stage.collect(target, with_deps=True)
    except DvcException as error:
        reason = " ".join(str(error).split())
        raise SrlabError(f"dvc.yaml: stage {target} cannot be run ({reason}); correct it") from None
    # str of an output or dependency is its path as dvc.yaml has it, from the working directory.
    written = {Path(out.fs_path) for stage in stages for out in stage.outs}
    hashes = {f"cmd of {stage.addressing}": str(stage.cmd) for stage in stages}
    for dep in (dep for stage in stages for dep in stage.deps):
        path = Path(dep.fs_path)
        is_params = isinstance(dep, ParamsDependency) and path.name == "params.yaml"
        if is_params or any(path == out or path in out.parents for out in written):
            continue
        name = str(path.relative_to(project))
        if not path.is_file():
            raise SrlabError(f"{name}: {target} depends on it, but there is no such file")
        hashes[name] = file_hash(path)
    return hashes
