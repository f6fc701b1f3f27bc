"""What is not JSON, the order of the checks, and what a refusal tells (docs/publishers/command-format.md)."""

import json
import sys
import time
from types import FrameType

import pytest

from schemas.command import Channel, read_command
from schemas.command.checks import check_size, check_time, check_times
from schemas.command.refusal import FieldError, Reason, Refusal
from tests.schemas.test_command import BASE, encode, raw, refusal

RECEIVED = 1_767_225_600_000  # 2026-01-01, in Unix milliseconds


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


def time_refusal(at: int) -> Refusal | None:
    try:
        check_time(at, RECEIVED)
    except Refusal as refused:
        return refused
    return None


@pytest.mark.parametrize("at", [631_152_000, 1_700_000_000, RECEIVED // 1000 + 300])
def test_a_time_from_1990_to_5_minutes_after_the_receipt_is_taken(at: int) -> None:
    assert time_refusal(at) is None


def test_5_minutes_are_counted_in_milliseconds() -> None:
    check_time(RECEIVED // 1000 + 300, RECEIVED)
    with pytest.raises(Refusal):
        check_time(RECEIVED // 1000 + 300, RECEIVED - 1)


@pytest.mark.parametrize("at", [631_151_999, 0, -1, -(10**40)])
def test_an_earlier_time_is_too_old(at: int) -> None:
    refused = time_refusal(at)
    assert refused is not None
    assert refused.reason is Reason.TIMESTAMP_TOO_OLD
    assert [error.pointer for error in refused.errors] == ["/status_change_timestamp"]


@pytest.mark.parametrize(
    ("at", "guess"),
    [
        (RECEIVED // 1000 + 301, ""),
        (1_700_000_000_000, "milliseconds"),
        (1_700_000_000_000_000, "microseconds"),
        (1_700_000_000_000_000_000, "nanoseconds"),
        (10**40, ""),
    ],
)
def test_a_later_time_is_in_the_future(at: int, guess: str) -> None:
    refused = time_refusal(at)
    assert refused is not None
    assert refused.reason is Reason.TIMESTAMP_IN_FUTURE
    assert ("seconds, and must be Unix" in refused.detail, guess in refused.detail) == (
        bool(guess),
        True,
    )


@pytest.mark.parametrize(
    ("sent", "effective", "reason"),
    [
        ({}, 1_700_000_000, None),
        ({"expires_at": 1_700_000_001}, 1_700_000_000, None),
        ({"expires_at": 1_700_000_000}, 1_700_000_000, Reason.INVALID_FIELD),
        ({"expires_at": -5}, 1_700_000_000, Reason.INVALID_FIELD),
        ({"expires_at": 5}, 6, Reason.INVALID_FIELD),
        ({"expires_at": 7}, 6, Reason.TIMESTAMP_TOO_OLD),
        ({"expires_at": 4_000_000_001}, 4_000_000_000, Reason.TIMESTAMP_IN_FUTURE),
    ],
)
def test_times_are_checked_at_the_receipt_the_expiry_first(
    sent: dict[str, int], effective: int, reason: Reason | None
) -> None:
    command = read_command(encode(reference_id="r", **sent))
    if reason is None:
        check_times(command, effective, RECEIVED)
        return
    with pytest.raises(Refusal) as caught:
        check_times(command, effective, RECEIVED)
    refused = caught.value
    assert refused.reason is reason
    assert (refused.network_id, refused.user) == ("acme", "ana@example.com")
    assert (refused.reference_id, refused.segment_id, refused.user_status) == ("r", 7, "add")
    assert len(refused.errors) == 1


def test_a_wrong_field_comes_before_a_wrong_time() -> None:
    value = encode(status_change_timestamp=5, expires_at=5)
    assert refusal(value).reason is Reason.INVALID_FIELD


def test_a_refusal_keeps_what_could_be_read() -> None:
    refused = refusal(encode(user=" ANA@x", reference_id="r", status_change_timestamp=5, x=1))
    assert (refused.network_id, refused.user, refused.reference_id) == ("acme", "ana@x", "r")
    assert (refused.segment_id, refused.user_status) == (7, "add")
    assert refused.status_change_timestamp == 5


def test_a_refusal_keeps_nothing_that_is_itself_wrong() -> None:
    refused = refusal(
        raw(
            network_id='"a b"',
            user='"a\\u0000"',
            segment_id="0",
            user_status='"ADD"',
            reference_id='"auto:1"',
            status_change_timestamp="1.5",
        )
    )
    read = (refused.network_id, refused.user, refused.segment_id, refused.user_status)
    assert read == (None, None, None, None)
    assert (refused.reference_id, refused.status_change_timestamp) == (None, None)


@pytest.mark.parametrize("at", [10**12, -(10**12), 10**40])
def test_a_time_that_no_calendar_shows_is_not_kept(at: int) -> None:
    assert refusal(encode(status_change_timestamp=at, x=1)).status_change_timestamp is None


def test_of_fields_that_differ_neither_is_kept() -> None:
    refused = refusal(encode(reference_id="r", metadata={"reference_id": "s"}))
    assert refused.reference_id is None


def test_over_http_the_network_of_the_path_is_kept() -> None:
    refused = refusal(encode(network_id="b"), channel=Channel.HTTP, network_id="acme")
    assert refused.network_id == "acme"


PERSONAL = "p3rs0nal"


@pytest.mark.parametrize(
    "value",
    [
        encode(user=PERSONAL * 60),
        encode(user=[PERSONAL]),
        encode(description=PERSONAL * 1000),
        encode(description={PERSONAL: PERSONAL}),
        encode(metadata=PERSONAL),
        encode(metadata={PERSONAL: PERSONAL * 3000}),
        encode(reference_id="auto:" + PERSONAL),
        encode(metadata={"reference_id": "auto:" + PERSONAL}),
        encode(user_status=PERSONAL),
        encode(network_id=PERSONAL + "@"),
        encode(**{PERSONAL + "@example.com": 1}),
        encode(**{"a/" + PERSONAL: 1}),
        raw(metadata=f'{{"{PERSONAL}@x.com":{{"{PERSONAL} b":"\\u0000"}}}}'),
        raw(metadata=f'{{"é{PERSONAL}":[{{"+{PERSONAL}":1e400}}]}}'),
        raw(user=f'"{PERSONAL}'),
        raw(user=f"{PERSONAL}"),
        raw(user=f'"{PERSONAL}\\x"'),
        raw(user=f'"{PERSONAL}\x00"'),
    ],
)
def test_a_detail_quotes_nothing_personal(value: bytes) -> None:
    refused = refusal(value)
    assert refused.detail
    assert PERSONAL not in refused.detail
    assert PERSONAL not in "".join(error.message for error in refused.errors)


def test_a_detail_names_field_and_fault() -> None:
    refused = refusal(encode(segment_id="7"))
    assert refused.errors == (FieldError("/segment_id", "must be an integer; a string was sent"),)
    assert refused.detail == "/segment_id: must be an integer; a string was sent"
    assert str(refused) == f"invalid_field: {refused.detail}"


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ('{"a":1e400,"a":2}', "/metadata/a"),
        ('{"a":[0,{"b.c":["\\u0000"]}]}', "/metadata/a/1/b.c/0"),
        ('{"a":{"jo@x.com":{"b":"\\ud800"}}}', "/metadata/a/…/b"),
        ('{"a/b":{"":1e400}}', "/metadata/…/…"),
    ],
)
def test_a_detail_points_into_metadata_by_every_plain_name(metadata: str, pointer: str) -> None:
    assert refusal(raw(metadata=metadata)).detail.startswith(f"{pointer}: ")


def test_a_detail_can_be_stored_as_postgres_text() -> None:
    for bad in ("\\u0000", "\\ud800"):
        refused = refusal(raw(**{f"x{bad}": "1", "metadata": f'{{"{bad}":"{bad}"}}'}))
        texts = [refused.detail, *(error.pointer for error in refused.errors)]
        assert all(text.encode() and "\x00" not in text for text in texts)


def test_pointers_are_escaped_as_rfc_6901_says() -> None:
    refused = refusal(raw(metadata='{"a/b~c":[0,{"":1e400}]}'))
    assert [error.pointer for error in refused.errors] == ["/metadata/a~1b~0c/1/"]


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


def test_base_is_a_command() -> None:
    assert read_command(json.dumps(BASE).encode()).segment_id == 7
