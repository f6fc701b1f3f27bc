"""Rows expected against rows found, told so that a person can read it."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from tests.oracle.same import canonical
from tests.oracle.words import AUTO, UNSPECIFIED

NOT_OURS = ("segment_name", "position")  # the one is the registry's, the other the oracle's


def compare(
    rows_expected: Iterable[Mapping[str, Any]],
    rows_actual: Iterable[Mapping[str, Any]],
    key: Collection[str],
    ignore: Collection[str] = NOT_OURS,
) -> list[str]:
    """Name each difference; an empty list says that the two are equal.

    key: the columns that name a row. ignore: columns not looked at, on either side.
    An expected AUTO meets any reference beginning with "auto:", an UNSPECIFIED anything; metadata
    given as text is parsed; numbers compare by value.
    """
    expected = [dict(row) for row in rows_expected]
    actual = [dict(row) for row in rows_actual]
    differences = [f"expected twice: {name}" for name in doubled(expected, key)]
    differences += [f"found twice: {name}" for name in doubled(actual, key)]
    wanted, found = by_name(expected, key), by_name(actual, key)
    differences += [f"missing: {name}: {row}" for name, row in wanted.items() if name not in found]
    differences += [
        f"unexpected: {name}: {row}" for name, row in found.items() if name not in wanted
    ]
    for name in wanted.keys() & found.keys():
        columns = (wanted[name].keys() | found[name].keys()) - set(ignore)
        differences += [
            f"{name}: {column}: expected {side(wanted[name], column)},"
            f" found {side(found[name], column)}"
            for column in sorted(columns)
            if not matches(column, wanted[name], found[name])
        ]
    return sorted(differences)


def matches(column: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if column not in wanted or column not in found:
        return False
    want, have = wanted[column], found[column]
    if want is UNSPECIFIED:
        return True
    if column == "metadata":
        return bool(canonical(parsed(want)) == canonical(parsed(have)))
    if want == AUTO:
        return isinstance(have, str) and have.startswith("auto:")
    if column.endswith("event_id"):
        return str(want) == str(have)
    return (isinstance(want, bool), want) == (isinstance(have, bool), have)  # true is not 1


def parsed(metadata: Any) -> Any:
    return json.loads(metadata, parse_float=Decimal) if isinstance(metadata, str) else metadata


def side(row: Mapping[str, Any], column: str) -> str:
    return repr(row[column]) if column in row else "no such column"


def name_of(row: Mapping[str, Any], key: Collection[str]) -> str:
    return " ".join(f"{column}={str(row[column])!r}" for column in key)


def by_name(
    rows: Iterable[Mapping[str, Any]], key: Collection[str]
) -> dict[str, Mapping[str, Any]]:
    return {name_of(row, key): row for row in rows}


def doubled(rows: Iterable[Mapping[str, Any]], key: Collection[str]) -> list[str]:
    return [name for name, times in Counter(name_of(row, key) for row in rows).items() if times > 1]
