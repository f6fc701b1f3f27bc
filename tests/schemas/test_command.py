"""Statuses, references and expiries of a command (docs/publishers/command-format.md)."""

import json
import re
from typing import Any

import pytest

from schemas.command import (
    Channel,
    Command,
    UserStatus,
    normalise_user,
    read_command,
    read_command_strictly,
)
from schemas.command.refusal import Reason, Refusal
from schemas.command.rules import NOT_BLANK_PATTERN

BASE: dict[str, Any] = {
    "network_id": "acme",
    "user": "ana@example.com",
    "segment_id": 7,
    "user_status": "add",
}


def encode(**fields: Any) -> bytes:
    return json.dumps(BASE | fields).encode()


def raw(**fields: str) -> bytes:
    """A command with fields as JSON text, to say what json.dumps would not."""
    texts = {name: json.dumps(value) for name, value in BASE.items()} | fields
    return ("{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}").encode()


def refusal(value: bytes | None, **options: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read_command(value, **options)
    return caught.value


def wrong(value: bytes, **options: Any) -> list[str]:
    """The pointers of the fields for which a value is refused as invalid_field."""
    refused = refusal(value, **options)
    assert refused.reason is Reason.INVALID_FIELD
    assert refused.detail
    return [error.pointer for error in refused.errors]


def test_a_command_is_read_field_by_field() -> None:
    command = read_command(
        encode(
            user=" Ana@Example.com\n",
            metadata={"a": [1, {"b": None}]},
            reference_id="r",
            status_change_timestamp=1700000000,
            description="why",
            expires_at=1700000001,
        )
    )
    assert command == Command(
        network_id="acme",
        user="ana@example.com",
        user_sent=" Ana@Example.com\n",
        segment_id=7,
        user_status=UserStatus.ADD,
        metadata='{"a": [1, {"b": null}]}',
        reference_id="r",
        status_change_timestamp=1700000000,
        description="why",
        expires_at=1700000001,
        content=b'add 1700000001\n{"a":[1,{"b":null}]}\nwhy',
    )


def test_the_smallest_command_leaves_all_else_absent() -> None:
    command = read_command(encode())
    assert command.content == b"add\n\n"
    assert (command.metadata, command.reference_id, command.description) == (None, None, None)
    assert (command.status_change_timestamp, command.expires_at) == (None, None)


@pytest.mark.parametrize("field", ["network_id", "user", "segment_id", "user_status"])
@pytest.mark.parametrize("text", [None, "null", '""', "[]", "{}", "true"])
def test_a_required_field_may_not_be_missing_blank_or_of_another_type(
    field: str, text: str | None
) -> None:
    value = raw(**{field: text}) if text else raw()
    if text is None:
        value = json.dumps({k: v for k, v in BASE.items() if k != field}).encode()
    assert wrong(value) == [f"/{field}"]


@pytest.mark.parametrize(
    "field", ["metadata", "reference_id", "status_change_timestamp", "description", "expires_at"]
)
@pytest.mark.parametrize("blank", ["null", '""'])
def test_null_and_the_empty_text_are_absent_in_optional_fields(field: str, blank: str) -> None:
    assert read_command(raw(**{field: blank})) == read_command(raw())


@pytest.mark.parametrize("network", ["a", "A-z_0.9", "x" * 64])
def test_a_network_id_is_made_of_its_64_characters(network: str) -> None:
    assert read_command(encode(network_id=network)).network_id == network


@pytest.mark.parametrize("network", ["a b", "é", "x" * 65, "acme\n", "\nacme", "a/b", "٣"])
def test_no_other_network_id_is_taken(network: str) -> None:
    assert wrong(encode(network_id=network)) == ["/network_id"]


@pytest.mark.parametrize(
    ("sent", "normalised"),
    [
        (" \t\n\r\v\fAna@Example.COM\f\v\r\n\t ", "ana@example.com"),
        ("ÀÉ@X.İ", "ÀÉ@x.İ"),
        ("straße@x", "straße@x"),
        ("\u00a0a@x\u2003", "\u00a0a@x\u2003"),
        ("\x1ca@x\x1f", "\x1ca@x\x1f"),
        ("\u212a@x", "\u212a@x"),  # KELVIN SIGN, which lower() makes a k
        (" Ana ", " Ana "),
        (" \t\u00a0x ", " \t\u00a0x "),
        ("ABC", "ABC"),
        (" @ ", "@"),
    ],
)
def test_only_emails_are_normalised_and_only_in_ascii(sent: str, normalised: str) -> None:
    assert normalise_user(sent) == normalised
    assert normalise_user(normalised) == normalised
    command = read_command(encode(user=sent))
    assert (command.user, command.user_sent) == (normalised, sent)


@pytest.mark.parametrize(
    "user", ["x" * 320, "😀" * 320, " " * 400 + "@" + "x" * 319, " " * 319 + "x"]
)
def test_a_user_of_320_code_points_once_normalised_is_taken(user: str) -> None:
    assert read_command(encode(user=user)).user_sent == user


def test_a_user_of_white_space_alone_is_refused_on_both_routes_and_by_the_schema() -> None:
    white = [chr(c) for c in range(0x110000) if chr(c).isspace()]
    assert len(white) == 29
    for user in (*white, " \t\u3000", "".join(white)):
        assert wrong(encode(user=user)) == ["/user"]
        assert wrong(encode(user=user), channel=Channel.HTTP) == ["/user"]
        with pytest.raises(Refusal, match="only white space"):
            read_command_strictly(encode(user=user))
    for user in (" x", "@", " @ ", "\u200b", "\ufeff"):
        assert read_command(encode(user=user)) == read_command_strictly(encode(user=user))
    matched = [c for c in map(chr, range(0x110000)) if not re.search(NOT_BLANK_PATTERN, c)]
    assert matched == white


@pytest.mark.parametrize("user", ["x" * 321, "😀" * 321, "@" + "x" * 320, " " * 321])
def test_a_longer_user_is_refused(user: str) -> None:
    assert wrong(encode(user=user)) == ["/user"]


@pytest.mark.parametrize("segment_id", [1, 2**31 - 1])
def test_a_segment_id_may_be_1_to_2_to_the_31_minus_1(segment_id: int) -> None:
    assert read_command(encode(segment_id=segment_id)).segment_id == segment_id


@pytest.mark.parametrize(
    "text",
    ["0", "-0", "-1", "2147483648", "1.0", "1e0", "10E-1", '"1"', "true", "1" * 30, "9" * 5000],
)
def test_no_other_segment_id_is_taken(text: str) -> None:
    assert set(wrong(raw(segment_id=text))) == {"/segment_id"}


@pytest.mark.parametrize("field", ["status_change_timestamp", "expires_at"])
@pytest.mark.parametrize("text", ["1700000000.0", "17e8", '"1700000000"', "true", "false", "[]"])
def test_a_time_is_an_integer_without_fraction_and_exponent(field: str, text: str) -> None:
    assert wrong(raw(**{field: text})) == [f"/{field}"]


@pytest.mark.parametrize("field", ["reference_id", "description"])
@pytest.mark.parametrize("text", ["1", "false", "[]", "{}", "1.5"])
def test_texts_are_strings(field: str, text: str) -> None:
    assert wrong(raw(**{field: text})) == [f"/{field}"]


@pytest.mark.parametrize("text", ["1", "false", "[]", '"{}"', '"x"', "0"])
def test_metadata_is_an_object(text: str) -> None:
    assert wrong(raw(metadata=text)) == ["/metadata"]


@pytest.mark.parametrize("field", ["usr", "", "user ", "User", "status_change_timestmap", "@"])
def test_an_unknown_field_is_refused(field: str) -> None:
    assert wrong(encode(**{field: None})) == [f"/{field}"]


def test_a_misspelt_field_is_recognised() -> None:
    detail = refusal(encode(status_change_timestmap=1)).detail
    assert "status_change_timestamp misspelt?" in detail


def test_a_description_may_have_4096_code_points() -> None:
    assert read_command(encode(description="😀" * 4096)).description == "😀" * 4096
    assert wrong(encode(description="x" * 4097)) == ["/description"]


def test_over_http_the_network_comes_from_the_path() -> None:
    body = {name: value for name, value in BASE.items() if name != "network_id"}
    for sent in (body, body | {"network_id": "acme"}, body | {"network_id": ""}):
        value = json.dumps(sent).encode()
        assert read_command(value, channel=Channel.HTTP, network_id="acme").network_id == "acme"
    assert wrong(encode(), channel=Channel.HTTP, network_id="other") == ["/network_id"]
    assert wrong(json.dumps(body).encode(), channel=Channel.HTTP, network_id="a b") == [
        "/network_id"
    ]
    assert wrong(raw(network_id="5"), channel=Channel.HTTP, network_id="acme") == ["/network_id"]


def test_of_duplicate_keys_the_last_counts() -> None:
    value = b'{"user":5,"user_status":"x","segment_id":"y",' + encode()[1:]
    assert read_command(value) == read_command(encode())
    assert wrong(encode()[:-1] + b',"user":5}') == ["/user"]
    nested = raw(metadata='{"a":1,"\\u0061":2}')
    assert read_command(nested).content == read_command(encode(metadata={"a": 2})).content
    twice = raw(metadata='{"a":1},"metadata":{"b":1}')
    assert read_command(twice) == read_command(raw(metadata='{"b":1}'))


def test_a_key_may_be_escaped() -> None:
    assert read_command(encode().replace(b'"user"', b'"\\u0075ser"')) == read_command(encode())


def test_every_wrong_field_is_named_at_once() -> None:
    value = encode(network_id="", user=1, segment_id=0, user_status="x", nonsense=1)
    assert sorted(wrong(value)) == [
        "/network_id",
        "/nonsense",
        "/segment_id",
        "/user",
        "/user_status",
    ]


def test_a_thousand_wrong_fields_are_told_briefly() -> None:
    refused = refusal(json.dumps({f"field{n}": 1 for n in range(1000)}).encode())
    assert len(refused.detail) <= 1000
    assert len(refused.errors) <= 50
