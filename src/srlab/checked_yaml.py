"""YAML files of the project that are not params.yaml, checked against their models."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from srlab.errors import SrlabError
from srlab.strict_yaml import StrictModel, read_yaml

_Model = TypeVar("_Model", bound=StrictModel)


def read_checked(path: Path, model: type[_Model]) -> _Model:
    """Read a file that holds one model.

    Raises:
        SrlabError: the file is missing, no YAML, or does not fit; one line for each mistake.
    """
    tree = read_yaml(path)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        lines = []
        for detail in error.errors():
            where = ".".join(str(part) for part in detail["loc"])
            reason = detail["msg"].removeprefix("Value error, ")
            at = f"{path}: {where}" if where else str(path)
            lines.append(f"{at}: {reason}; correct it there")
        raise SrlabError("\n".join(lines)) from None
