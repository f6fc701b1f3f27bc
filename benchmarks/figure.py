"""What a figure is: a goal, and samples to hold against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Limits = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. met: whether a median, beside the medians of its limits and notes, does."""

    name: str
    goal: str
    unit: str
    met: Callable[[float, Limits], bool]


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of a figure; limits: what was measured beside it, notes: what else is worth saying."""

    figure: str
    value: float
    limits: Limits = field(default_factory=dict)
    notes: Limits = field(default_factory=dict)
