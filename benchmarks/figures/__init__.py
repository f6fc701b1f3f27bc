"""One figure, or a family of figures, per module: goals in FIGURES, one measurement in `measure`."""

from collections.abc import Mapping
from typing import Protocol

from benchmarks.figure import Figure, Sample
from benchmarks.figures import (
    analysts_questions,
    by_network,
    duplicates,
    exporting,
    following,
    ingest,
    large_segment,
    latency,
    long_key,
    memory,
    pages,
    post,
    projections,
    questions,
    rebuild,
    ten_million,
)
from benchmarks.world import Place


class Measuring(Protocol):
    """The interface of a module of this folder."""

    @property
    def FIGURES(self) -> tuple[Figure, ...]:  # noqa: N802 - a module's constant
        """The figures that it measures."""

    async def measure(self, place: Place) -> list[Sample]:
        """Measure each of them once."""


ALL: Mapping[str, Measuring] = {
    "ingest": ingest,
    "duplicates": duplicates,
    "following": following,
    "projections": projections,
    "rebuild": rebuild,
    "exporting": exporting,
    "latency": latency,
    "post": post,
    "long_key": long_key,
    "large_segment": large_segment,
    "pages": pages,
    "by_network": by_network,
    "ten_million": ten_million,
    "questions": questions,
    "analysts_questions": analysts_questions,
    "memory": memory,
}
