"""Names of topics follow from the prefix."""

from schemas.topics import Topics


def test_names_follow_from_the_prefix() -> None:
    topics = Topics("eu.segments")
    assert topics.commands == "eu.segments.commands"
    assert topics.rejected == "eu.segments.rejected"
    assert topics.memberships == "eu.segments.memberships"
    assert topics.ingest_group == "eu.segments.ingest"
