"""Statuses, references and expiries of a command (docs/publishers/command-format.md)."""

from typing import Any

import pytest

from schemas.command import Channel, UserStatus, read_command
from tests.schemas.test_command import encode, wrong


@pytest.mark.parametrize("status", ["add", "block", "reset", "enter", "leave"])
def test_kafka_takes_every_status_but_expire(status: str) -> None:
    command = read_command(encode(user_status=status))
    assert command.user_status is UserStatus[status.upper()]
    assert command.user_status.text == status


@pytest.mark.parametrize("status", ["expire", "ADD", " add", "remove", "1"])
def test_no_other_status_is_taken(status: str) -> None:
    assert wrong(encode(user_status=status, status_change_timestamp=1)) == ["/user_status"]


@pytest.mark.parametrize("status", ["enter", "leave", "expire"])
def test_automation_and_expiry_do_not_come_over_http(status: str) -> None:
    value = encode(user_status=status, status_change_timestamp=1)
    assert wrong(value, channel=Channel.HTTP, network_id="acme", expiry_signed=True) == [
        "/user_status"
    ]


EXPIRE: dict[str, Any] = {
    "user_status": "expire",
    "reference_id": "expire:e",
    "status_change_timestamp": 1700000000,
}


def test_a_signed_expire_is_taken() -> None:
    command = read_command(encode(**EXPIRE), expiry_signed=True)
    assert (command.user_status, command.reference_id) == (UserStatus.EXPIRE, "expire:e")


@pytest.mark.parametrize("reference", [None, "", "e", "auto:e", "EXPIRE:e"])
def test_a_signed_expire_must_name_what_expires(reference: str | None) -> None:
    value = encode(**EXPIRE | {"reference_id": reference})
    assert wrong(value, expiry_signed=True) == ["/reference_id"]


def test_a_signed_expire_must_give_its_time() -> None:
    value = encode(**EXPIRE | {"status_change_timestamp": None})
    assert wrong(value, expiry_signed=True) == ["/status_change_timestamp"]


def test_a_signature_makes_no_other_reference_right() -> None:
    assert wrong(encode(reference_id="expire:e"), expiry_signed=True) == ["/reference_id"]


@pytest.mark.parametrize("reference", ["auto", "Auto:1", " auto:1", "x" * 255, "é" * 255, "expire"])
def test_a_reference_of_255_code_points_is_taken(reference: str) -> None:
    assert read_command(encode(reference_id=reference)).reference_id == reference


@pytest.mark.parametrize("reference", ["auto:", "auto:1", "expire:1", "x" * 256, "é" * 256])
def test_a_reserved_or_longer_reference_is_refused(reference: str) -> None:
    assert wrong(encode(reference_id=reference)) == ["/reference_id"]
    assert wrong(encode(metadata={"reference_id": reference})) == ["/metadata/reference_id"]


@pytest.mark.parametrize("status", ["add", "block"])
@pytest.mark.parametrize("expires_at", [1700000001, 4102444799])
def test_an_override_may_expire_after_its_time_and_before_2100(
    status: str, expires_at: int
) -> None:
    value = encode(user_status=status, status_change_timestamp=1700000000, expires_at=expires_at)
    assert read_command(value).expires_at == expires_at


@pytest.mark.parametrize("expires_at", [1700000000, 0, -1, 4102444800, 10**30])
def test_no_other_expiry_is_taken(expires_at: int) -> None:
    value = encode(status_change_timestamp=1700000000, expires_at=expires_at)
    assert wrong(value) == ["/expires_at"]


@pytest.mark.parametrize("status", ["reset", "enter", "leave"])
def test_only_overrides_expire(status: str) -> None:
    assert wrong(encode(user_status=status, expires_at=1800000000)) == ["/expires_at"]
    assert read_command(encode(user_status=status, expires_at=None)).expires_at is None
