"""Metadata: what may be in it, what is lifted from it, how its numbers are kept."""

import json
from typing import Any

import pytest

from schemas.command import read_command
from tests.schemas.test_command import encode, raw, refusal, wrong


def test_metadata_is_kept_as_it_was_sent() -> None:
    text = '{ "b": 1.10,"a":[1E2, 12345678901234567890123, 0.10000000000000000001, -0] }'
    assert read_command(raw(metadata=text)).metadata == text


def test_metadata_may_have_16_kib_as_sent() -> None:
    text = '{"a":"' + "é" * ((16384 - 8) // 2) + '"}'
    assert len(text.encode()) == 16384
    assert read_command(raw(metadata=text)).metadata == text
    assert wrong(raw(metadata=text.replace(":", ": ", 1))) == ["/metadata"]


def test_escapes_and_white_space_count_as_sent() -> None:
    escaped = json.dumps({"a": "é" * 3000})
    assert len(escaped) > 16384
    assert wrong(raw(metadata=escaped)) == ["/metadata"]
    assert wrong(raw(metadata="{" + " " * 16383 + "}")) == ["/metadata"]


@pytest.mark.parametrize("text", ["{}", "{ }", '{"reference_id":null}', '{"description":""}'])
def test_metadata_left_or_sent_empty_is_absent(text: str) -> None:
    assert read_command(raw(metadata=text)) == read_command(encode())


LIFTED: list[tuple[str, Any, Any]] = [
    ("reference_id", "r", "s"),
    ("status_change_timestamp", 1700000000, 1700000001),
    ("status_change_timestamp", 0, 1),
    ("status_change_timestamp", 1, 0),
    ("description", "d", "e"),
]


@pytest.mark.parametrize(("field", "one", "_other"), LIFTED)
def test_a_field_in_metadata_moves_to_the_top(field: str, one: Any, _other: Any) -> None:
    top = read_command(encode(**{field: one}, metadata={"kept": 1.5}))
    inner = read_command(encode(metadata={field: one, "kept": 1.5}))
    assert getattr(inner, field) == one
    assert inner.metadata == '{"kept":1.5}'
    assert inner.content == top.content
    assert read_command(encode(metadata={field: one})) == read_command(encode(**{field: one}))


@pytest.mark.parametrize(("field", "one", "other"), LIFTED)
def test_a_field_said_twice_must_be_said_alike(field: str, one: Any, other: Any) -> None:
    twice = encode(**{field: one}, metadata={field: one})
    assert read_command(twice) == read_command(encode(**{field: one}))
    assert wrong(encode(**{field: one}, metadata={field: other})) == [f"/metadata/{field}"]


@pytest.mark.parametrize(("field", "one", "_other"), LIFTED)
@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_field_differs_from_none(field: str, one: Any, _other: Any, blank: Any) -> None:
    expected = read_command(encode(**{field: one}))
    assert read_command(encode(**{field: one}, metadata={field: blank})) == expected
    assert read_command(encode(**{field: blank}, metadata={field: one})) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference_id", 5),
        ("reference_id", "x" * 256),
        ("status_change_timestamp", "1700000000"),
        ("status_change_timestamp", 1.0),
        ("status_change_timestamp", True),
        ("description", []),
        ("description", "x" * 4097),
    ],
)
def test_the_same_rules_hold_in_metadata(field: str, value: Any) -> None:
    assert wrong(encode(metadata={field: value})) == [f"/metadata/{field}"]


def test_lifting_keeps_every_digit_of_what_is_left() -> None:
    text = '{"a": 1.10, "reference_id": "r", "b": [1E2, 0.10000000000000000001], "c": {"d": -0.0}}'
    left = '{"a":1.10,"b":[1E2,0.10000000000000000001],"c":{"d":-0.0}}'
    assert read_command(raw(metadata=text)).metadata == left


def test_an_expires_at_in_metadata_stays_there() -> None:
    command = read_command(encode(metadata={"expires_at": "whenever"}))
    assert (command.expires_at, command.metadata) == (None, '{"expires_at": "whenever"}')


def test_a_lifted_time_counts_for_the_expiry() -> None:
    value = encode(expires_at=1700000000, metadata={"status_change_timestamp": 1700000000})
    assert wrong(value) == ["/expires_at"]


EQUAL_NUMBERS = [
    ["1", "1.0", "1e0", "10e-1", "1E+0", "0.1e1", "1.000", "100e-2"],
    ["0", "-0", "0.0", "-0.0", "0e99999", "0e-10", "0e-99999", "0e999999999999"],
    ["100", "1e2", "1E2", "1.0e2", "10e1", "100.0"],
    ["0.1", "1e-1", "0.10", "10e-2", "0.01E1"],
    ["-1.5", "-15e-1", "-1.50", "-0.15e1"],
    ["0.10000000000000000001"],
    ["12345678901234567890123", "12345678901234567890123.0"],
    ["12345678901234567890124"],
    ["1e-400", "10e-401"],
    ["2e-400"],
    ["1e-16383", "10e-16384"],
    ["1" + "0" * 300, "1e300"],
]


def content(number: str) -> bytes:
    return read_command(raw(metadata=f'{{"a":[{number}]}}')).content


@pytest.mark.parametrize("numbers", EQUAL_NUMBERS, ids=lambda numbers: numbers[0][:30])
def test_numbers_of_one_value_are_one_content(numbers: list[str]) -> None:
    assert len({content(number) for number in numbers}) == 1


def test_numbers_of_different_values_are_different_contents() -> None:
    assert len({content(numbers[0]) for numbers in EQUAL_NUMBERS}) == len(EQUAL_NUMBERS)


@pytest.mark.parametrize(
    "number",
    ["1e400", "-1e400", "1.8e308", "9" * 310, "1e99999999999999999999", "9" * 5000, "1e1073741823"],
)
def test_a_number_beyond_a_double_is_refused_wherever_it_stands(number: str) -> None:
    assert wrong(raw(metadata=f'{{"a":[{{"b":{number}}}]}}')) == ["/metadata/a/0/b"]
    assert set(wrong(raw(nonsense=number))) == {"/nonsense"}
    overridden = raw(metadata=f'{{"a":{number}}},"metadata":{{}}')
    assert wrong(overridden) == ["/metadata/a"]
    assert wrong(raw(segment_id=f'{number},"segment_id":7')) == ["/segment_id"]


FINE = ["1e-16384", "1.5e-16383", "1e-20000", "-1e-999999999999", "12e-16385"]


@pytest.mark.parametrize("number", FINE)
def test_a_number_with_more_decimals_than_postgres_holds_is_refused_for_that(number: str) -> None:
    """A double rounds it to zero, so it is not beyond its range; and as zero it would be another number."""
    refused = refusal(raw(metadata=f'{{"a":{number}}}'))
    assert [error.pointer for error in refused.errors] == ["/metadata/a"]
    assert refused.detail == "/metadata/a: has more than 16,383 decimals, which can't be stored"


UNREAD = {
    "0e-16384": "0", "0e1073741823": "0", "0e999999999999": "0", "-0.00E-99999999999999999999": "0",
    "10e-16384": "1e-16383", "1.500e-16382": "15e-16383",
}  # fmt: skip


@pytest.mark.parametrize("number", UNREAD)
def test_a_number_that_postgres_does_not_read_as_it_is_written_is_kept_by_its_value(
    number: str,
) -> None:
    kept = read_command(raw(metadata=f'{{"b":{number},"c":[1.50,{{"d":{number}}}]}}'))
    assert kept.metadata == f'{{"b":{UNREAD[number]},"c":[1.50,{{"d":{UNREAD[number]}}}]}}'
    assert content(number) == content(UNREAD[number])
    # Of equal keys the last counts, and Postgres reads the others too.
    assert read_command(raw(metadata=f'{{"b":{number},"b":1.0}}')).metadata == '{"b":1.0}'
    lifted = read_command(raw(metadata=f'{{"b":{number},"reference_id":"r"}}'))
    assert (lifted.metadata, lifted.reference_id) == (f'{{"b":{UNREAD[number]}}}', "r")


@pytest.mark.parametrize(
    "number", ["1e-16383", "1.5e-16382", "0e1073741822", "1.7976931348623157e308", "1e-400"]
)
def test_a_number_that_postgres_can_hold_is_taken(number: str) -> None:
    assert read_command(raw(metadata=f'{{"a":{number}}}')).metadata == f'{{"a":{number}}}'


@pytest.mark.parametrize(
    "bad", ["\\u0000", "\\ud800", "\\udfff", "\\ud800\\ud800", "\\udc00\\ud800"]
)
def test_nul_and_lone_surrogates_are_refused_wherever_they_stand(bad: str) -> None:
    assert wrong(raw(user=f'"a{bad}"')) == ["/user"]
    assert wrong(raw(description=f'"{bad}"')) == ["/description"]
    assert wrong(raw(metadata=f'{{"a":[["{bad}"]]}}')) == ["/metadata/a/0/0"]
    in_a_key = refusal(raw(metadata=f'{{"k{bad}":1}}'))
    assert [error.pointer[:11] for error in in_a_key.errors] == ["/metadata/k"]
    assert "\x00" not in in_a_key.errors[0].pointer
    assert in_a_key.errors[0].pointer.encode()
    assert wrong(raw(metadata=f'{{"a":"{bad}"}},"metadata":{{}}')) == ["/metadata/a"]
    assert wrong(raw(metadata=f'{{"a":"{bad}","a":1}}')) == ["/metadata/a"]
    assert "/x" in wrong(raw(x=f'"{bad}"'))


def test_what_only_looks_like_nul_or_a_surrogate_is_taken() -> None:
    assert read_command(raw(description='"\\\\u0000 \\\\ud800"')).description == "\\u0000 \\ud800"
    assert read_command(raw(description='"\\ud83d\\ude00"')).description == "😀"
    assert read_command(encode(description="\ufffe\uffff\x7f")).description == "\ufffe\uffff\x7f"


def test_contents_are_equal_whatever_the_order_of_keys_white_space_and_escapes() -> None:
    one = raw(metadata='{"a":{"x":"é","y":[1,2]},"b":"/"}', description='"\\u00e9"')
    same = raw(description='"é"', metadata='{ "b" : "\\/", "\\u0061": {"y":[1, 2],"x":"\\u00E9"} }')
    assert read_command(one).content == read_command(same).content


@pytest.mark.parametrize(
    "fields",
    [
        {"user_status": "block"},
        {"expires_at": 1800000000},
        {"expires_at": 1800000001},
        {"description": "d"},
        {"description": '{"a":1}'},
        {"metadata": {"a": 1}},
        {"metadata": {"a": "1"}},
        {"metadata": {"a": None}},
        {"metadata": {"a": [1, 2]}},
        {"metadata": {"a": [2, 1]}},
        {"metadata": {"a": True}},
        {"metadata": {"a": "x\ny"}},
        {"metadata": {"a": "x"}, "description": "y"},
        {"metadata": {"a": "x\ny"}, "description": ""},
        {"description": "\n"},
        {"description": "\n\n"},
    ],
)
def test_different_contents_have_different_bytes(fields: dict[str, Any]) -> None:
    assert read_command(encode(**fields)).content != read_command(encode()).content


def test_who_and_when_is_not_content() -> None:
    other = encode(
        network_id="n", user="u", segment_id=1, reference_id="r", status_change_timestamp=5
    )
    assert read_command(other).content == read_command(encode()).content


def test_the_bytes_of_a_content_do_not_change_from_release_to_release() -> None:
    value = encode(
        metadata={"b": [1.50, -2e-7, 1e3, 'é\n\u2028\x7f"/'], "a": {"z": None, "😀": False}},
        expires_at=1800000000,
        description="a\nb",
    )
    assert (
        read_command(value).content
        == (
            'add 1800000000\n{"a":{"z":null,"😀":false},"b":[15e-1,-2e-7,1000,"é\\n\u2028\x7f\\"/"]}\na\nb'
        ).encode()
    )
