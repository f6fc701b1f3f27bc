"""Names of topics follow from the prefix."""

from schemas.topics import Topics


def test_names_follow_from_the_prefix() -> None:
    topics = Topics("eu.segments")
    assert topics.commands == "eu.segments.commands"
    assert topics.rejected == "eu.segments.rejected"
    assert topics.memberships == "eu.segments.memberships"
    assert topics.ingest_group == "eu.segments.ingest"


def test_an_installation_has_its_name_in_group_and_transactional_id_and_in_no_topic() -> None:
    topics, own = Topics("segments"), Topics("segments", "0123456789abcdef")
    assert own.ingest_group == f"{topics.ingest_group}.0123456789abcdef"
    assert own.transactional_id == f"{topics.transactional_id}.0123456789abcdef"
    assert (own.memberships, own.owner) == (topics.memberships, "segments.owner")
