"""The order of the checks, and what a refusal contains (docs/publishers/command-format.md)."""

import json

import pytest

from schemas.command import Channel, read_command
from schemas.command.checks import check_time, check_times
from schemas.command.refusal import FieldError, Reason, Refusal
from tests.schemas.test_command import BASE, encode, raw, refusal

RECEIVED = 1_767_225_600_000  # 2026-01-01, in Unix milliseconds


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


def test_base_is_a_command() -> None:
    assert read_command(json.dumps(BASE).encode()).segment_id == 7
