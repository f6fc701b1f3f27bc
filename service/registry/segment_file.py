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

# Merge keys exist only in YAML 1.1, and would spread the definition of a segment over several places.
_MERGE = "tag:yaml.org,2002:merge"


class Entry(BaseModel):
    """One segment of a file. An absent field has its default; without an id the segment is found by name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: SegmentName
    id: SegmentId | None = None
    description: SegmentDescription | None = None
    hidden: bool = False
    archived: bool = False


class SegmentFile(BaseModel):
    """A file. network: can be set on the command line instead."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    network: str | None = None
    segments: list[Entry]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without merge keys and duplicate keys, and with the line of an invalid value."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        if node.tag == _MERGE:
            problem = "merge keys (<<) are not supported; write the fields out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # an invalid date, a number too long
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
            content = yaml.load(file, _Loader)  # noqa: S506 - a safe loader
    except (yaml.reader.ReaderError, UnicodeDecodeError) as error:
        raise WrongUseError(
            f"{path.name}: {' '.join(str(error).split())}; save it as UTF-8, or convert it with"
            " `iconv -f CP1252 -t UTF-8`"
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise WrongUseError(f"{path.name}: {' '.join(str(error).split())}") from error
    try:
        segment_file = SegmentFile.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(escape(str(part)) for part in one['loc']) or 'the file'}: {_fault(one)}"
            for one in error.errors()
        )
        raise WrongUseError(f"{path.name}: {faults}") from error
    _check_whole(path.name, segment_file)
    return segment_file


def _fault(one: ErrorDetails) -> str:
    message = one["msg"].removeprefix("Value error, ")
    if one["type"] != "string_type" or isinstance(one["input"], list | dict | None):
        return message
    if isinstance(one["input"], bool):
        return f"{message}; YAML reads `no`, `off`, `yes` and `on` as booleans: put it in quotes"
    return f"{message}; put it in quotes"


def _check_whole(file: str, content: SegmentFile) -> None:
    """Check the network, and the uniqueness of names and ids."""
    if content.network is not None and not is_network_id(content.network):
        raise WrongUseError(f"{file}: network: must be 1 to 64 of A-Z a-z 0-9 . _ -")
    for what in ("name", "id"):
        counted = Counter(getattr(entry, what) for entry in content.segments)
        twice = sorted(one for one, times in counted.items() if one is not None and times > 1)
        if twice:
            raise WrongUseError(f"{file}: {what} twice: {', '.join(map(str, twice))}")
