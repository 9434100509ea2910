"""From a study's plan to its arms, each a complete and checked set of params."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from srlab.complaints import nearest
from srlab.errors import SrlabError
from srlab.params import Params, parse_params
from srlab.studies.plan import Plan

Overrides = Mapping[str, Any]
"""Changes of the params: dotted key -> value."""


@dataclass(frozen=True)
class Arm:
    """One side of a comparison."""

    name: str
    own: Overrides
    """What makes it differ from the other arms."""
    overrides: Overrides
    """All of its changes of params.yaml, those that it shares too."""
    params: Params
    """params.yaml with them."""


def make_arms(plan: Plan, tree: Mapping[str, Any], shared: Overrides, *, source: str) -> list[Arm]:
    """The arms of a study, in its order.

    Args:
        plan: the study.
        tree: params.yaml as plain values.
        shared: changes of all arms besides the plan's own: the budget, what the user asks for.
        source: stands at the head of each complaint.

    Raises:
        SrlabError: a change is not valid, a shared one sets what the arms differ in, or the arms
            would not be scored as the study's decision asks for.
    """
    differing = {key for own in plan.arms.values() for key in own}
    for key in shared:
        if key in differing:
            raise SrlabError(
                f"{source}: {key} is what the arms differ in, so it cannot be set for all of them"
            )
    arms = []
    for name, own in plan.arms.items():
        overrides = {**plan.overrides, **shared, **own}
        where = f"{source}: arm {name}"
        params = parse_params(with_overrides(tree, overrides, source=where), source=where)
        _require_scores(plan, params, where)
        arms.append(Arm(name, own, overrides, params))
    return arms


def with_overrides(tree: Mapping[str, Any], overrides: Overrides, *, source: str) -> dict[str, Any]:
    """A copy of a tree of plain values with some of them changed.

    Raises:
        SrlabError: a key leads through a value that has no keys.
    """
    changed = copy.deepcopy(dict(tree))
    for key, value in overrides.items():
        *sections, last = key.split(".")
        section = changed
        for name in sections:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise SrlabError(f"{source}: {key}: {name} has no keys of its own; shorten it")
        section[last] = value
    return changed


def parse_override(text: str) -> tuple[str, Any]:
    """`key=value` as (key, value), the value read as DVC reads params.yaml.

    Raises:
        SrlabError: it is not of that form.

    >>> parse_override("memnet.optimizer.learning_rate=1e-3")
    ('memnet.optimizer.learning_rate', 0.001)
    """
    from dvc.utils.serialize import ParseError, parse_yaml

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise SrlabError(f"-S {text}: write it as key=value, such as -S trainer.seed=2")
    try:
        # In a list, since DVC makes an empty mapping of a lone 0, false or null.
        return key, parse_yaml(f"[{value}]" if value else "[null]", text)[0]
    except ParseError:
        raise SrlabError(f"-S {text}: {value!r} is no YAML; put quotes around it") from None


def budget_overrides(
    plan: Plan,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
) -> Overrides:
    """The changes that make a budget of steps, minutes or epochs, or none for the plan's own.

    Raises:
        SrlabError: more than one of them is asked for.
    """
    values = {"epochs": epochs, "steps": steps, "minutes": minutes}
    asked = [f"--{unit}" for unit, value in values.items() if value is not None]
    if not asked:
        return {}
    if len(asked) > 1:
        raise SrlabError(f"{' and '.join(asked)} exclude each other; give one of them")
    return {f"{name}.budget.{unit}": v for name in plan.budget for unit, v in values.items()}


def budget_of(plan: Plan, params: Params) -> dict[str, int | float]:
    """{"steps": 300}; {"srresnet.steps": 6000, "srgan.steps": 700} where they differ."""
    budgets = {
        name: getattr(params, name).budget.model_dump(exclude_none=True) for name in plan.budget
    }
    first = budgets[plan.budget[0]]
    if all(budget == first for budget in budgets.values()):
        return first
    return {f"{name}.{unit}": v for name, budget in budgets.items() for unit, v in budget.items()}


def _require_scores(plan: Plan, params: Params, where: str) -> None:
    wanted: list[tuple[str, list, list]] = [
        ("evaluate.protocols", plan.decision.protocols, params.evaluate.protocols),
        ("evaluate.scales", plan.decision.scales, params.evaluate.scales),
        ("data.test", plan.decision.datasets or [], params.data.test),
    ]
    for key, needed, given in wanted:
        for value in needed:
            if value not in given:
                names = [str(name) for name in given]
                raise SrlabError(
                    f"{where}: decides by {value}, which is not in {key}; "
                    f"{nearest(str(value), names)}"
                )
