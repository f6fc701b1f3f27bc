"""The oracle: commands, the fold and the views in the plainest Python, the referee of all else.

It knows neither Kafka nor Postgres and imports nothing of ours. Records go in, in the order the
log appended them; rows named like the reporting views come out, folded from scratch each time.

    model = Model({("acme", 1): False})              # (network, segment) -> archived
    model.append(record, recorded_at)                # Outcome: event, duplicate or rejected
    model.user_segment()                             # a list of plain dicts

Rows: times are aware datetimes in UTC; metadata is parsed JSON (int, Decimal); `position` is
(topic, partition, epoch, offset) and stands beside `event_id`, which is what the function given
as `event_id` makes of it. `segment_name` is left out. `AUTO` ("auto:*") stands for the reference
of a command with a time and no reference: a digest that the service salts. `UNSPECIFIED` stands for
what the contract leaves open. `compare` understands both.

Choices where the contract is silent
 1. No override is null, in every view.
 2. Two positions that differ in the epoch alone, received and happening at once: the epoch
    decides last, both in the fold's order and in the order of arrival.
 3. `received_at` never steps back over an adopted epoch either: a lane is a partition.
 4. changed_override means the override's value; an expires_at restated with another value is
    `applied` with both changed_* false (`last_change_at` names "override or its expires_at"
    apart). Its `last_change_at` moves.
 5. An enter or leave that changes nothing but `automation_says` is `no_change`.
 6. `last_recorded_at` of a membership_history row is the key's, as section 6 defines it.
 7. `restated_at` looks at all events of the segment that day, whatever they did; expiries too.
 8. Of a header sent twice the last counts, as of a JSON key. A null idempotency-key is odd
    (`invalid_field`), for it is not 1-255 characters.
 9. A lifted field that is null or "" inside metadata is absent, and taken out all the same;
    values at both places are equal only if each is of the right type.
10. Depth: each array or object is one level, the command itself the first; 65 is too deep.
11. A number is beyond a double's range when a double would be infinite; one that underflows
    stays exact.
12. A rejected record shows what was read of it. Its reference and time, when they were blank,
    and all of a record with an invalid field, are UNSPECIFIED; nothing is read of tombstones and
    of what is not JSON: null.
13. `expires_at` of a command without a time is measured against its receipt cut to the second
    (of a retry: its first receipt). The bounds of a given time use the record's own receipt.
14. An idempotency-key is remembered for ever (the contract: at least 7 days), within its
    network, and never because of a refused record.
15. An expire takes no expires_at; it needs a time, `segments-source: expiry`, an accepted
    signature and a reference `expire:...`. That its time is the expires_at is not checked.
16. An honoured `segments-origin` asks for the same value bytes in the rejected row.
17. An expire for a segment that does not exist is `unknown_segment`.
18. `not_allowed` is said of networks alone, where the model is told which ones a topic may speak for; such a
    record is nobody's: its network and user are null.

Not modelled: metadata's 16 KiB as sent, numbers of more than 16,383 decimals, holes, erasure, the
registry's past (change `model.segments` between appends), records stamped by their producer (give `timestamp_ms` as
what the service takes for the receipt).
"""

from tests.oracle.compare import compare
from tests.oracle.follow import Reported, follow
from tests.oracle.model import Model
from tests.oracle.words import AUTO, UNSPECIFIED, Outcome, Position, Record, Row

__all__ = [
    "AUTO",
    "UNSPECIFIED",
    "Model",
    "Outcome",
    "Position",
    "Record",
    "Reported",
    "Row",
    "compare",
    "follow",
]
