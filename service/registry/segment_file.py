"""A file of a network's segments: YAML, read strictly."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.command.json_text import escape
from schemas.command.rules import is_network_id
from schemas.segment import SegmentDescription, SegmentId, SegmentName  # noqa: TC001 - pydantic reads them
from service.runtime.errors import WrongUseError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

# YAML 1.1 alone has them, and what a segment is would no longer stand in its own lines.
_MERGE = "tag:yaml.org,2002:merge"


class Entry(BaseModel):
    """One segment of a file. What is left out is at its default; without an id it is found by its name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: SegmentName
    id: SegmentId | None = None
    description: SegmentDescription | None = None
    hidden: bool = False
    archived: bool = False


class SegmentFile(BaseModel):
    """A file. network: may be given on the command line instead."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    network: str | None = None
    segments: list[Entry]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses merge keys and a name that is given twice, and says where a value is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        if node.tag == _MERGE:
            problem = "merge keys (<<) are not taken: write out what is to stand here"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a date that is none, a number too long
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        names = [self.construct_object(name, deep=True) for name, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.MarkedYAMLError(problem=f"{name!r} twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def read_file(path: Path) -> SegmentFile:
    """Read a file of segments. Raises: WrongUseError, naming the line or the entry."""
    try:
        with path.open("rb") as file:
            given = yaml.load(file, _Loader)  # noqa: S506 - a safe loader
    except (yaml.reader.ReaderError, UnicodeDecodeError) as error:
        raise WrongUseError(
            f"{path.name}: {' '.join(str(error).split())}; save it as UTF-8, or convert it with"
            " `iconv -f CP1252 -t UTF-8`"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise WrongUseError(f"{path.name}: {' '.join(str(error).split())}") from error
    try:
        found = SegmentFile.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(escape(str(part)) for part in one['loc']) or 'the file'}: {_fault(one)}"
            for one in error.errors()
        )
        raise WrongUseError(f"{path.name}: {faults}") from error
    _check_whole(path.name, found)
    return found


def _fault(one: ErrorDetails) -> str:
    said = one["msg"].removeprefix("Value error, ")
    if one["type"] != "string_type" or isinstance(one["input"], list | dict | None):
        return said
    if isinstance(one["input"], bool):
        return (
            f"{said}; YAML takes `no`, `off`, `yes` and `on` for false and true: put it in quotes"
        )
    return f"{said}; put it in quotes"


def _check_whole(file: str, found: SegmentFile) -> None:
    """Check what no entry by itself can be wrong in."""
    if found.network is not None and not is_network_id(found.network):
        raise WrongUseError(f"{file}: network: must be 1 to 64 of A-Z a-z 0-9 . _ -")
    for what in ("name", "id"):
        counted = Counter(getattr(entry, what) for entry in found.segments)
        twice = sorted(one for one, times in counted.items() if one is not None and times > 1)
        if twice:
            raise WrongUseError(f"{file}: {what} twice: {', '.join(map(str, twice))}")
