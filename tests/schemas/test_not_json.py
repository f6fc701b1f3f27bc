"""Values that are not JSON, that are nested too deep or too long, and the time that reading them takes."""

import json
import sys
import time
from types import FrameType

import pytest

from schemas.command import read_command
from schemas.command.checks import check_size
from schemas.command.refusal import Reason, Refusal
from tests.schemas.test_command import encode, raw, refusal


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


@pytest.mark.parametrize(
    ("value", "guess"),
    [
        (b"", "is empty"),
        (b" \n", "white space"),
        (b"\x00\x00\x00\x00\x01abc", "starts with 0x00: an Avro or Protobuf serializer?"),
        (b"\xef\xbb\xbf" + encode(), "UTF-8 byte order mark"),
        (encode().decode().encode("utf-16"), "UTF-16 byte order mark"),
        (encode().decode().encode("utf-16-le"), "UTF-16"),
        (b"\x1f\x8b\x08", "gzip"),
        (b'{"user": "\xe9"}', "not UTF-8: byte 0xe9 at position 10"),
        (b'{"user": "\xed\xa0\x80"}', "not UTF-8"),
        (b"\x82\xa4", "a binary serializer?"),
        (b"<command/>", "XML?"),
        (b"{'a': 1}", "a Python dict"),
        (encode() + b"\n" + encode(), "more than one value"),
        (encode() + b"x", "not JSON"),
        (encode()[:-1], "not JSON"),
        (encode()[:-1] + b",}", "not JSON"),
        (raw(segment_id="NaN"), "contains NaN"),
        (raw(metadata='{"a":Infinity}'), "contains Infinity"),
        (raw(metadata='{"a":[-Infinity]}'), "contains -Infinity"),
        (raw(metadata='{"a":NaN},"metadata":{}'), "contains NaN"),
        (raw(segment_id="01"), "not JSON"),
        (raw(segment_id="+1"), "not JSON"),
        (raw(segment_id="1."), "not JSON"),
        (raw(segment_id=".5"), "not JSON"),
        (raw(segment_id="0x1"), "not JSON"),
        (raw(user='"a\x00"'), "not JSON"),
        (raw(user='"a\nb"'), "not JSON"),
        (raw(user='"\\x41"'), "not JSON"),
        (raw(user='"\\u00"'), "not JSON"),
        (raw(user="'a'"), "not JSON"),
        (raw(user="True"), "not JSON"),
        (b"\x0b" + encode(), "not JSON"),
        (encode() + b"\x00", "not JSON"),
        (encode() + b"\xc2\xa0", "not JSON"),
        (b"// a comment\n" + encode(), "not JSON"),
        (nested(65).encode(), "nested deeper than 64"),
        (nested(65, '{"a":', "}").replace(":}", ":1}").encode(), "nested deeper than 64"),
        (raw(metadata='{"a":' + nested(63) + "}"), "nested deeper than 64"),
        (raw(x='"\\"["', metadata='{"a":' + nested(63) + "}"), "nested deeper than 64"),
        (raw(metadata='{"a":' + nested(63) + '},"metadata":{}'), "nested deeper than 64"),
        (b"[" * 30_000, "nested deeper than 64"),
        (b"[" * 30_000 + b"]" * 30_000, "nested deeper than 64"),
        (b'{"":' * 16_000, "nested deeper than 64"),
        (b'"' + b'\\"' * 30_000 + b"[" * 100, "not JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_a_guess_at_the_cause(value: bytes, guess: str) -> None:
    begun = time.process_time()
    refused = refusal(value)
    assert time.process_time() - begun < 1
    assert refused.reason is Reason.NOT_JSON
    assert guess in refused.detail
    assert (refused.network_id, refused.user, refused.segment_id) == (None, None, None)


@pytest.mark.parametrize("depth", [1, 61, 62])
def test_64_levels_are_not_too_deep(depth: int) -> None:
    text = '{"a":' + nested(depth) + "}"
    assert read_command(raw(metadata=text)).metadata == text


def test_brackets_side_by_side_or_in_strings_are_not_deep() -> None:
    text = '{"a":[' + "[]," * 500 + '"' + "[{" * 500 + '\\"[\\\\"]}'
    assert read_command(raw(metadata=text)).metadata == text


@pytest.mark.parametrize("white", [" ", "\t", "\r\n", "\n\n"])
def test_white_space_around_is_json(white: str) -> None:
    value = white.encode() + encode() + white.encode()
    assert read_command(value) == read_command(encode())


@pytest.mark.parametrize("text", ["null", "1", "true", '""', "[]", '"{}"', "1e400", '"\\ud800"'])
def test_json_that_is_no_object_is_an_invalid_field(text: str) -> None:
    refused = refusal(text.encode(), network_id="acme")
    assert refused.reason is Reason.INVALID_FIELD
    assert [error.pointer for error in refused.errors] == [""]
    assert refused.detail.startswith("the command: must be a JSON object")


def test_a_batch_and_json_in_json_are_recognised() -> None:
    assert "a batch?" in refusal(b"[" + encode() + b"]").detail
    assert "encoded twice?" in refusal(json.dumps(encode().decode()).encode()).detail


def test_a_null_value_is_a_tombstone() -> None:
    assert refusal(None).reason is Reason.TOMBSTONE


def test_key_and_value_may_have_64_kib_together() -> None:
    check_size(None, None)
    check_size(b"k" * 36, b"v" * 65500)
    check_size(None, b"v" * 65536)
    for key, value in ((b"k" * 37, b"v" * 65500), (None, b"v" * 65537), (b"k" * 65537, None)):
        with pytest.raises(Refusal) as caught:
            check_size(key, value)
        assert caught.value.reason is Reason.TOO_LARGE
        assert "65537" in caught.value.detail


def test_not_json_comes_before_any_wrong_field() -> None:
    assert refusal(b'{"user":5,"x":NaN').reason is Reason.NOT_JSON
    assert refusal(raw(user='"\\u0000"', metadata=nested(80))).reason is Reason.NOT_JSON


@pytest.mark.parametrize(
    "value",
    [
        b"{" + b",".join(b'"k%d":1' % n for n in range(6000)) + b"}",
        raw(metadata="{" + ",".join(f'"{n}":1e308' for n in range(1300)) + "}"),
        raw(metadata="[" + "[]," * 20000 + "[]]"),
        raw(user='"' + "\\u0000" * 10000 + '"'),
        raw(description="9" * 60000),
        raw(description="0." + "9" * 60000),
        raw(description="1e" + "9" * 60000),
        b'"' * 65000,
        b'{"a":"' + b"\\" * 65000,
    ],
)
def test_no_record_of_64_kib_takes_long(value: bytes) -> None:
    begun = time.process_time()
    try:
        read_command(value)
    except Refusal as refused:
        assert len(refused.detail) <= 1000  # noqa: PT017 - some of these are accepted
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "value",
    [
        raw(metadata='{"a":[' + "1," * 30_000 + "1]}"),
        raw(x="[" + "1," * 30_000 + "1]"),
        raw(metadata='{"a":[' + "1e1," * 15_000 + "1e1]}"),
        raw(metadata="[" + "[]," * 20_000 + "[]]"),
    ],
)
def test_a_refused_record_of_thousands_of_values_takes_few_calls_for_each(value: bytes) -> None:
    called = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal called
        called += event == "call"

    sys.setprofile(count)
    try:
        with pytest.raises(Refusal):
            read_command(value)
    finally:
        sys.setprofile(None)
    assert called < 3 * (value.count(b",") + value.count(b"["))
