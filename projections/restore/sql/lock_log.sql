-- Keep all writers of the log and the registry, and another import, out until the end of the transaction. Readers go on.
LOCK TABLE segments.lane, segments.network, segments.person, segments.source_event, segments.analyst_event, segments.seal
IN SHARE ROW EXCLUSIVE MODE
