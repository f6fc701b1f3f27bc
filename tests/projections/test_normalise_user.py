"""SQL and Python agree on who is who (hazard 19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.command import normalise_user
from tests.support.database import connected

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# What case folding and trimming of other kinds would change: Turkish dotted and dotless i, sharp s, full-width
# letters, ligatures, a no-break space, an ideographic one, the separators that str.strip() takes, a Kelvin sign.
ODD = "İıẞßﬁ\uff21\uff41\u00a0\u3000\u2028\x1c\x1d\x1e\x1f\x85ΣςÄä\u212a\u200b\ufeff"
EXAMPLES = [
    ("\v\f\r\n\t Anna@Example.COM ", "anna@example.com"),
    ("Victor@x", "victor@x"),
    (" Anna ", " Anna "),
    ("İ@X", "İ@x"),
    ("Straße@x", "straße@x"),
    ("\uff21@x", "\uff21@x"),
    ("\u00a0a@x\u00a0", "\u00a0a@x\u00a0"),
]
PLAIN = st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")
TEXT = st.text(st.one_of(st.sampled_from(ODD + "@ \t\n\r\f\vAZaz.+"), PLAIN), max_size=20)
_ASK = "SELECT array_agg(reporting.normalise_user(u) ORDER BY n) FROM unnest($1::text[]) WITH ORDINALITY AS w (u, n)"


async def test_sql_and_python_normalise_thousands_of_strings_alike(database: Settings) -> None:
    users = [f"{c}A{c}@{c}B{c}" for c in [*ODD, *map(chr, range(1, 256))]]
    users += [*ODD, *(user for user, _ in EXAMPLES), "", "@", " @ ", "STRASSE@x"]

    @given(more=st.lists(TEXT, min_size=20, max_size=60))
    @settings(
        max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    def collect(more: list[str]) -> None:
        users.extend(more)

    collect()
    assert len(users) > 2000
    async with connected(database, "segments_report") as connection:
        found = await connection.fetchval(_ASK, users)
    assert [
        (user, from_sql, normalise_user(user))
        for user, from_sql in zip(users, found, strict=True)
        if from_sql != normalise_user(user)
    ] == []


async def test_only_ascii_is_trimmed_and_lowered_and_only_of_emails(database: Settings) -> None:
    async with connected(database, "segments_report") as connection:
        for user, normal in EXAMPLES:
            assert normalise_user(user) == normal
            assert await connection.fetchval("SELECT reporting.normalise_user($1)", user) == normal
