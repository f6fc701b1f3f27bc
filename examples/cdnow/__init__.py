"""An example upstream, outside the product: CDNOW's purchases turned into segment commands.

It imports nothing of ours and speaks only what any publisher speaks: Kafka records of JSON. Use::

    purchases = load()  # fetched once, kept in the user's cache folder
    for key, value in records(purchases):
        ...  # publish to <prefix>.commands, in this order
    expected(purchases)  # what the tables must then say

`SEGMENTS` must be defined in network `NETWORK` first, with those ids.
"""

from examples.cdnow.by_hand import BLOCKED, PINNED, RETURNED, UNPINNED
from examples.cdnow.commands import Record, records
from examples.cdnow.data import DataUnavailableError, Purchase, load
from examples.cdnow.expected import Expected, expected
from examples.cdnow.vocabulary import NETWORK, SEGMENTS, normalised, user_of

__all__ = [
    "BLOCKED",
    "NETWORK",
    "PINNED",
    "RETURNED",
    "SEGMENTS",
    "UNPINNED",
    "DataUnavailableError",
    "Expected",
    "Purchase",
    "Record",
    "expected",
    "load",
    "normalised",
    "records",
    "user_of",
]
