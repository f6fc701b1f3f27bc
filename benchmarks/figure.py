"""A figure, with its goal, and its samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Limits = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. met: whether a median meets the goal, by the medians of its limits and notes."""

    name: str
    goal: str
    unit: str
    met: Callable[[float, Limits], bool]


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of a figure. limits: measured in the same run; notes: further values."""

    figure: str
    value: float
    limits: Limits = field(default_factory=dict)
    notes: Limits = field(default_factory=dict)
