"""CPU models by name: those of a description, with features switched, and names that list their features.

    MODEL[,FEATURE=on|off|true|false|,+FEATURE|,-FEATURE]…

MODEL is a `cpu` of the description, or begins as an `isa` and goes on with names of features, as in isa32abc_xyz. The
runtime reads the same text (runtime/core/cpu_model.cpp).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Protocol

from pyqemu.translator.target import CpuModel, FeatureKind, Reset


class UnknownModelError(Exception):
    """There is no such CPU model; says what would be right."""


class HasModels(Protocol):
    """What is wanted of a `Target`."""

    cpus: tuple[CpuModel, ...]
    feature_kinds: tuple[FeatureKind, ...]


def cpu_model(target: HasModels, text: str | None) -> CpuModel:
    """The model that `text` names, the first one if it is None. Raises UnknownModelError."""
    if text is None:
        return target.cpus[0]
    name, *switches = text.split(",")
    kinds = {kind.name: kind for kind in target.feature_kinds}
    model = _named(target.cpus, kinds.keys(), name)
    features = closure(model.features, lambda feature: kinds[feature].implies)
    for switch in switches:
        feature, on = _switch(switch, kinds.keys())
        if on:
            features |= {feature, *kinds[feature].implies}
        else:
            features -= {feature, *(kind.name for kind in kinds.values() if feature in kind.implies)}
    return replace(model, name=text, features=frozenset(features))


def resets_of(target: HasModels, model: CpuModel) -> tuple[Reset, ...]:
    """What registers start with: the model's own values, and what each feature adds."""
    values = {(name, index): value for name, index, value in model.resets}
    for kind in target.feature_kinds:
        for name, index, value in kind.resets if kind.name in model.features else ():
            values[name, index] = values.get((name, index), 0) + value
    return tuple((name, index, value) for (name, index), value in values.items())


def closure(names: Iterable[str], implied: Callable[[str], Iterable[str]]) -> set[str]:
    """The names, what they imply, what that implies, and so on."""
    found: set[str] = set()
    left = list(names)
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += implied(name)
    return found


def _named(models: Sequence[CpuModel], features: Iterable[str], name: str) -> CpuModel:
    for model in models:
        if model.separator is None and model.name == name:
            return model
    for model in models:
        if model.separator is not None and name.startswith(model.name):
            listed, rest = _listed(name[len(model.name) :], features, model.separator)
            if rest:
                raise UnknownModelError(f"{name}: `{rest}` does not begin with a feature of {model.name}…")
            if listed:
                return replace(model, features=model.features | listed)
    known = ", ".join(model.name if model.separator is None else f"{model.name}…" for model in models)
    raise UnknownModelError(f"{name}: no such CPU model; there are {known}")


def _listed(text: str, features: Iterable[str], separator: str) -> tuple[set[str], str]:
    """The features that a name lists, and where it goes on with something else. The longest name counts."""
    found: set[str] = set()
    while text:
        if separator and found and text.startswith(separator):
            text = text[len(separator) :]
        here = max((feature for feature in features if text.startswith(feature)), key=len, default="")
        if not here:
            break
        found.add(here)
        text = text[len(here) :]
    return found, text


def _switch(text: str, features: Iterable[str]) -> tuple[str, bool]:
    name, _, value = text.partition("=")
    on = {"": True, "on": True, "true": True, "off": False, "false": False}.get(value)
    if not value and text[:1] in ("+", "-"):
        name, on = text[1:], text[0] == "+"
    elif not value or on is None:
        raise UnknownModelError(f"`{text}`: features are switched by {name or 'NAME'}=on or {name or 'NAME'}=off")
    if name not in features:
        close = get_close_matches(name, list(features), 1)
        known = f"do you mean {close[0]}?" if close else f"there are {', '.join(features)}"
        raise UnknownModelError(f"`{name}`: no such feature; {known}")
    return name, on
