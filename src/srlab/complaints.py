"""What is wrong with a file of parameters, in words."""

import difflib
import re
import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def complaints(error: ValidationError, source: str, root: type[BaseModel]) -> list[str]:
    """A line for each mistake: where, what was found, what is allowed.

    Args:
        error: of checking a tree against `root`.
        source: the file, which stands at the head of each line.
        root: the model of the whole file, whose keys are proposed.
    """
    lines = []
    for detail in error.errors():
        location = detail["loc"]
        where = ".".join(str(part) for part in location)
        at = f"{source}: {where}" if where else source
        valid = _valid_names(root, location[:-1])
        match detail["type"]:
            case "extra_forbidden":
                lines.append(f"{at}: unknown key; {nearest(str(location[-1]), valid)}")
            case "missing":
                lines.append(f"{at}: missing; it must be set, see params.schema.json")
            case "model_type":
                found = f"found {detail['input']!r} ({type(detail['input']).__name__})"
                keys = ", ".join(_valid_names(root, location))
                lines.append(f"{at}: holds keys of its own ({keys}), {found}")
            case "value_error":
                lines.append(f"{at}: {detail['msg'].removeprefix('Value error, ')}")
            case kind:
                value = detail["input"]
                message = detail["msg"][0].lower() + detail["msg"][1:]
                hint = ""
                if kind == "literal_error" and isinstance(value, str):
                    options = re.findall(r"'([^']+)'", detail["ctx"]["expected"])
                    if near := difflib.get_close_matches(value, options, n=1):
                        hint = f"; did you mean {near[0]!r}?"
                lines.append(f"{at}: {message}, found {value!r} ({type(value).__name__}){hint}")
    return lines


def nearest(name: str, valid: list[str]) -> str:
    """The nearest valid name, if one is near, and all of them."""
    near = difflib.get_close_matches(name, valid, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"allowed: {', '.join(valid)}"


def _valid_names(root: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at a location may have."""
    section: Any = root
    for part in location:
        field = section.model_fields.get(part) if _is_section(section) else None
        section = _strip_optional(field.annotation) if field else None
    return list(section.model_fields) if _is_section(section) else []


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _strip_optional(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        return next(option for option in get_args(kind) if option is not type(None))
    return kind
