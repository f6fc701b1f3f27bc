"""Properties of reading: two routes, one result; contents are equal exactly if their values are."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.command import Channel, Command, normalise_user, read_command, read_command_strictly
from schemas.command import parser as routes
from schemas.command.canonical import NumberOutOfRangeError, canonical_number
from schemas.command.refusal import Reason, Refusal
from schemas.headers import SIGNED, sign
from tests.schemas.test_command import BASE, raw

NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: f"{d:e}"),
    st.sampled_from(
        [
            "-0",
            "1.0",
            "1e2",
            "1E+2",
            "1e400",
            "9" * 310,
            "0e99999",
            "1e-400",
            "1e-20000",
            "0e-20000",
            "0E+99999999999",
            "10e-16384",
            "01",
            "1.",
            "NaN",
        ]
    ),
)
STRINGS = st.one_of(
    st.text().map(json.dumps),
    st.text().map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(
        ['""', '"a\\u0000"', '"\\ud800"', '"\\\\u0000"', '"\\/"', '"\\x"', '"\n"', '"A@b "']
    ),
)
SCALARS = NUMBERS | STRINGS | st.sampled_from(["null", "true", "false"])
WHITE = st.sampled_from(["", " ", "\n\t"])
FIELDS = [*BASE, "metadata", "reference_id", "status_change_timestamp", "description", "expires_at"]
NAMES = st.sampled_from([*(json.dumps(name) for name in FIELDS), '"usr"', '"metadat\\u0061"'])


def objects(keys: st.SearchStrategy[str], items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(keys, WHITE, items), max_size=4)
    return pairs.map(lambda found: "{" + ",".join(f"{k}{w}:{w}{v}{w}" for k, w, v in found) + "}")


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | objects(NAMES | STRINGS, inner)
    ),
    max_leaves=8,
)
RIGHT: dict[str, list[str]] = {
    "network_id": ['"acme"', '"n-1"'],
    "user": ['"u"', '" A@b "', '"\\u00e9@X"', '"Ü@X"', '"😀"'],
    "segment_id": ["1", "2147483647"],
    "user_status": ['"add"', '"block"', '"reset"', '"leave"'],
    "metadata": [
        "{}",
        '{"a":1.50,"b":[1e2,{"z":"\\u00e9","y":null}]}',
        '{"reference_id":"r","a":0.10,"a":-0}',
        '{"status_change_timestamp":1700000000}',
        '{"description":"d","status_change_timestamp":""}',
    ],
    "reference_id": ['"r"', "null", '""'],
    "status_change_timestamp": ["1700000000", "0", "-0", "null", '""'],
    "description": ['"d"', '""', '"d\\n"'],
    "expires_at": ["1700000001", "4102444799", "null"],
}


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Records that are nearly commands: right fields, some left out, some odd ones thrown in."""
    left_out = draw(st.sets(st.sampled_from(FIELDS[4:])))
    fields = [
        (json.dumps(name), draw(st.sampled_from(texts)))
        for name, texts in RIGHT.items()
        if name not in left_out
    ]
    fields += draw(st.lists(st.tuples(NAMES, VALUES | objects(NAMES, SCALARS)), max_size=2))
    fields = draw(st.permutations(fields))
    text = "{" + ",".join(f"{name}{draw(WHITE)}:{value}" for name, value in fields) + "}"
    return text.encode("utf-8", "surrogatepass")


def outcome(value: bytes, **options: Any) -> Command | Reason:
    try:
        return read_command_strictly(value, **options)
    except Refusal as refusal:
        return refusal.reason


@given(records(), st.sampled_from(Channel), st.sampled_from([None, "acme"]))
@example(raw(metadata='{"a":1e400},"metadata":{}'), Channel.KAFKA, None)
@example(raw(metadata='{"a":"\\ud800"},"metad\\u0061ta":{}'), Channel.KAFKA, None)
@example(raw(segment_id="9" * 310 + ',"segment_id":1'), Channel.KAFKA, None)
@example(raw(metadata='{"a":' + "[" * 63 + "]" * 63 + '},"metadata":{}'), Channel.KAFKA, None)
@example(
    raw(metadata='{"status_change_timestamp":1}', status_change_timestamp="0"), Channel.KAFKA, None
)
def test_what_the_fast_path_accepts_the_strict_reader_accepts_with_the_same_result(
    value: bytes, channel: Channel, network_id: str | None
) -> None:
    fast = routes._read_fast(value, channel, network_id)  # noqa: SLF001 - the two parsers are compared
    strict = outcome(value, channel=channel, network_id=network_id)
    assert fast is None or fast == strict


PLAIN = [
    raw(),
    raw(metadata='{"a":[1,2.50,"é"],"b":{"c":null}}', description='"\\u00e9\\ud83d\\ude00"'),
    raw(metadata='{"reference_id":"r","status_change_timestamp":1700000000,"a":1.10}'),
    raw(user='" A@b.C "', reference_id='"r"', status_change_timestamp="1700000000"),
    raw(user_status='"block"', expires_at="1800000000", description="null"),
]


@pytest.mark.parametrize("value", PLAIN)
def test_ordinary_records_take_the_fast_path(value: bytes) -> None:
    fast = routes._read_fast(value, Channel.KAFKA, None)  # noqa: SLF001 - as above
    assert fast is not None
    assert fast == read_command_strictly(value)


@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda noise: raw()[:-1] + noise))
def test_no_bytes_do_more_than_be_refused(value: bytes) -> None:
    result = outcome(value)
    if isinstance(result, Command):
        assert result.network_id == "acme"
    else:
        assert result in {Reason.NOT_JSON, Reason.INVALID_FIELD}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
METADATA = st.dictionaries(st.sampled_from(["a", "b", "é"]), JSON, max_size=2)
DESCRIPTIONS = st.sampled_from([None, "", "a", "\n", '{"a":1}', "\n{}"])


def shuffled(value: Any) -> Any:
    """The same JSON value with the keys of every object in reverse."""
    if isinstance(value, dict):
        return {key: shuffled(item) for key, item in reversed(value.items())}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def typed(value: Any) -> Any:
    """What Python's == calls equal only where JSON does: True is not 1."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value).__name__, value)


@given(METADATA, DESCRIPTIONS, METADATA, DESCRIPTIONS)
def test_contents_are_equal_exactly_if_their_values_are(
    one: Any, why: str | None, other: Any, reason: str | None
) -> None:
    def content(metadata: Any, description: str | None, **how: Any) -> bytes:
        fields = BASE | {"metadata": metadata, "description": description}
        return read_command(json.dumps(fields, **how).encode()).content

    same = (typed(one), why or None) == (typed(other), reason or None)
    assert (content(one, why) == content(other, reason)) == same
    assert content(one, why) == content(shuffled(one), why, indent=1, ensure_ascii=False)


LITERALS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2}|[eE]-[0-9]{4})?", fullmatch=True
)


@given(LITERALS, LITERALS)
@example("1.0", "10e-1")
@example("0.1", "0.10000000000000000001")
@example("-0", "0e5")
def test_canonical_numbers_are_equal_exactly_if_their_values_are(one: str, other: str) -> None:
    canonical = canonical_number(one)
    assert Decimal(canonical) == Decimal(one)
    assert canonical_number(canonical) == canonical
    assert (canonical == canonical_number(other)) == (Decimal(one) == Decimal(other))


@pytest.mark.parametrize("text", ["", "1\n", " 1", "+1", ".5", "1.", "1e", "NaN", "1_0", "٣"])
def test_only_numbers_have_a_canonical_form(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON number"):
        canonical_number(text)


def test_a_number_out_of_range_is_told_from_no_number() -> None:
    with pytest.raises(NumberOutOfRangeError):
        canonical_number("1e309")


@given(st.text())
def test_normalising_twice_is_normalising_once(user: str) -> None:
    once = normalise_user(user)
    assert normalise_user(once) == once
    assert ("@" in once) == ("@" in user)
    if "@" not in user:
        assert once == user


PART = st.none() | st.sampled_from([b"", b"a", b"ab", b"\0" * 8, b"\xff" * 8])
HEADERS = st.dictionaries(st.sampled_from(SIGNED), PART.filter(lambda part: part is not None))
PARTS = st.tuples(
    st.sampled_from(["", "t", "tu"]), PART, PART.map(lambda part: part or b""), HEADERS
)


@given(PARTS, PARTS)
def test_no_two_records_share_a_signature(one: Any, other: Any) -> None:
    assert (sign(b"s", *one) == sign(b"s", *other)) == (one == other)
