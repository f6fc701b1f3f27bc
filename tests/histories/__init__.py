"""Histories to try the service with: what publishers might send, at their worst.

`history(seed, now)` makes a long one, the same for the same seed; `small_histories(now)` is a
Hypothesis strategy of up to eight commands of one or two keys. Both give what is to be published
(`Sent`), over the segments of `registry(...)`. A real broker turns it into records; without one,
`delivered` does. The broker stamps records with its own clock, so times are told from `now`,
Unix seconds, at or before the clock of the broker when the first record is published.

What two records are to each other (duplicate, conflict) depends on the order of arrival and is
the oracle's to say; `label` tells only what is wrong with a record by itself.
"""

from tests.histories.delivery import Sent, delivered
from tests.histories.generator import history
from tests.histories.names import registry
from tests.histories.small import small_histories
from tests.oracle.compare import compare

__all__ = ["Sent", "compare", "delivered", "history", "registry", "small_histories"]
