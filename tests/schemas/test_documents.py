"""The published documents: as the code has them, valid, and at one with the parser."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.command import read_command
from schemas.command.checks import check_times
from schemas.command.refusal import Reason, Refusal
from schemas.command.rules import MAX_RECORD_BYTES
from schemas.documents import PUBLISHED, asyncapi, command_schema, drifted, main, render
from schemas.headers import READ
from segments.openapi.render import NAME as OPENAPI
from segments.openapi.render import main as openapi_main

EXAMPLES = PUBLISHED.parent / "examples"
ACCEPTED = sorted((EXAMPLES / "accepted").glob("*.json"))
REFUSED = sorted((EXAMPLES / "refused").glob("*.json"))
RECEIVED = 1_767_225_600_000  # 2026-01-01, in Unix milliseconds

# What the contract forbids and JSON Schema can't say, or leaves to whom it is read by.
BEYOND_SCHEMA = {
    "segment_with_fraction",  # to JSON Schema 7.0 is an integer
    "metadata_too_large",
    "fields_that_differ",
    "expires_before_its_time",
    "nul",
    "lone_surrogate_in_a_key",
    "number_beyond_a_double",
}


def receive(path: Path) -> None:
    """Read an example as the ingest would."""
    value = path.read_bytes()
    assert len(value) < MAX_RECORD_BYTES
    command = read_command(value)
    check_times(command, command.status_change_timestamp or RECEIVED // 1000, RECEIVED)


def is_valid(path: Path) -> bool:
    validator = jsonschema.Draft202012Validator(command_schema())
    return validator.is_valid(json.loads(path.read_bytes()))


def test_there_are_examples() -> None:
    assert len(ACCEPTED) >= 9
    assert {Reason(path.name.partition(".")[0]) for path in REFUSED} == {
        Reason.NOT_JSON,
        Reason.INVALID_FIELD,
        Reason.TIMESTAMP_TOO_OLD,
        Reason.TIMESTAMP_IN_FUTURE,
    }


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_an_accepted_example_is_accepted_by_parser_and_schema(path: Path) -> None:
    receive(path)
    # Of duplicate keys json.loads keeps the last, as the contract has it.
    assert is_valid(path)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_a_refused_example_is_refused_for_the_reason_in_its_name(path: Path) -> None:
    reason, name, _ = path.name.split(".")
    with pytest.raises(Refusal) as caught:
        receive(path)
    assert caught.value.reason == reason
    if reason == Reason.INVALID_FIELD:
        assert is_valid(path) == (name in BEYOND_SCHEMA)


def test_the_published_documents_are_as_the_code_has_them() -> None:
    assert drifted() == []
    assert openapi_main(["--check"]) == 0
    assert sorted(path.name for path in PUBLISHED.iterdir()) == sorted([*render(), OPENAPI])


def test_a_document_that_drifted_is_named_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--to", str(tmp_path / "published")]
    assert main(["--check", *folder]) == 1
    assert main(folder) == 0
    assert main(["--check", *folder]) == 0
    capsys.readouterr()
    (tmp_path / "published" / "asyncapi.json").write_text("{}")
    assert main(["--check", *folder]) == 1
    assert capsys.readouterr().err.startswith("asyncapi.json ")


def test_the_schema_of_a_command_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(command_schema())


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in references(item)]
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for item in node.values() for found in references(item)]
    return []


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    found = references(document)
    assert len(found) == 6
    for reference in found:
        node: Any = document
        for token in reference.removeprefix("#/").split("/"):
            node = node[token]
        assert node


def test_the_asyncapi_document_has_the_three_topics_and_all_headers() -> None:
    document = asyncapi()
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert addresses == ["{prefix}.commands", "{prefix}.rejected", "{prefix}.memberships"]
    messages = document["components"]["messages"]
    assert set(messages["command"]["headers"]["properties"]) == READ
    for message in messages.values():
        jsonschema.Draft7Validator.check_schema(message["payload"]["schema"])


def test_the_reasons_of_a_rejected_record_are_the_contract_s() -> None:
    schema = asyncapi()["components"]["messages"]["rejected"]["payload"]["schema"]
    assert schema["properties"]["reason"]["enum"] == [str(reason) for reason in Reason]


def calls() -> dict[str, dict[str, Any]]:
    """Give what each call of the HTTP API answers with, by status."""
    document = json.loads((PUBLISHED / OPENAPI).read_text("utf-8"))
    return {
        f"{method.upper()} {path.removeprefix('/networks/{network_id}')}": operation["responses"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/networks/")
    }


WRITES = {
    "POST /segments", "POST /segments/batch", "POST /admin/segments", "PATCH /admin/segments/{segment_id}",
    "POST /admin/erasures", "POST /rejected/{position}/retry",
}  # fmt: skip
WITH_A_BODY = WRITES - {"POST /rejected/{position}/retry"}


def test_a_problem_is_listed_where_it_can_happen_and_nowhere_else() -> None:
    found = calls()
    listing: dict[str, set[str]] = {}
    for call, responses in found.items():
        for status in responses:
            listing.setdefault(status, set()).add(call)
    assert {call for call in found if not call.startswith("GET ")} == WRITES
    assert listing["408"] == listing["413"] == listing["415"] == WITH_A_BODY
    # In a batch it is in the items; an erasure conflicts with nothing.
    assert listing["409"] == WRITES - {"POST /segments/batch", "POST /admin/erasures"}
    assert listing["406"] == set(found) - WRITES
    assert listing["400"] == set(found) - {"GET /sizes", "GET /admin/segments"}
    assert listing["404"].isdisjoint({"POST /segments/batch", "GET /sizes", "GET /admin/segments"})
    for status in ("401", "403", "429", "503"):
        assert listing[status] == set(found)


def test_only_where_something_is_published_a_problem_says_what_was() -> None:
    told = {
        (call, status)
        for call, responses in calls().items()
        for status, answer in responses.items()
        if "published" in answer["content"].get("application/problem+json", {}).get("example", {})
    }
    assert told == {
        (f"POST /segments{one}", status)
        for one in ("", "/batch")
        for status in ("408", "429", "503")
    }
