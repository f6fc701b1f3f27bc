-- Every view and column of schema reporting says what it is: \d+ is the analysts' handbook.
COMMENT ON SCHEMA reporting IS 'Segments for analysts: who is in, who is overridden, since when and why. Views are the promise, the tables behind them are not.';
COMMENT ON VIEW reporting.segment IS 'The segments of each network, archived and hidden ones too.';
COMMENT ON VIEW reporting.segment_history IS 'Each change of the registry: the segment as it stood from valid_from to valid_to.';
COMMENT ON VIEW reporting.membership IS 'Who is in which segment now, and the event that began it.';
COMMENT ON VIEW reporting.override IS 'Standing overrides: who is added or blocked by a person or service, whatever automation says.';
COMMENT ON VIEW reporting.user_segment IS 'The state of every (segment, user) that ever had an event; a row never goes away. For incremental extraction take last_recorded_at below watermark.recorded_until.';
COMMENT ON VIEW reporting.automation_disagreement IS 'Members that automation last said left, and non-members that it last said entered, where no override explains it.';
COMMENT ON VIEW reporting.membership_history IS 'Each change of (is_member, override), with the interval for which it held.';
COMMENT ON VIEW reporting.event IS 'The log: every accepted command at its place.';
COMMENT ON VIEW reporting.rejected IS 'Records that were refused, with the reason.';
COMMENT ON VIEW reporting.duplicate IS 'Records that said again what an event says, and were dropped.';
COMMENT ON VIEW reporting.hole IS 'Ranges of offsets that hold no record for us: transaction markers, aborted records, compaction, retention, and what was passed by when a lane was adopted.';
COMMENT ON VIEW reporting.result IS 'What became of each command. A batch that could not be read has one row, at its first offset; view rejected says where it ends.';
COMMENT ON VIEW reporting.segment_size IS 'Members and standing overrides per segment, empty ones too.';
COMMENT ON VIEW reporting.segment_size_daily IS 'Per segment and UTC day with a change of membership: how many joined, left, and were in at its end.';
COMMENT ON VIEW reporting.lane IS 'Each partition and epoch: how far the log has come and what its offsets held. events + duplicates + rejected + holes = next_offset - first_offset.';
COMMENT ON VIEW reporting.freshness IS 'How far log and projections are behind Kafka, per projection and lane. Offsets are next offsets.';
COMMENT ON VIEW reporting.watermark IS 'One row: until when everything is in.';

DO $$
DECLARE
    said text[] := ARRAY[
        -- view (* for every view that has the column), column, comment
        '*', 'network_id', 'The tenant.',
        '*', 'segment_id', 'The segment''s number within its network.',
        '*', 'segment_name', 'The segment''s name, as the registry has it now.',
        '*', 'user_id', 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.',
        '*', 'description', 'Why, as the publisher said.',
        '*', 'metadata', 'The publisher''s own data; null where there was none.',
        '*', 'reference_id', 'The publisher''s own id; may repeat. auto:… where none was given.',
        '*', 'override', 'add or block while one stands; null without.',
        '*', 'is_member', 'Whether the user is in the segment.',
        '*', 'automation_says', 'The last enter or leave, whatever the override; null when automation never spoke.',
        '*', 'last_recorded_at', 'The newest recorded_at among the events of this segment and user.',
        '*', 'kafka_topic', 'Topic of the record.',
        '*', 'kafka_partition', 'Partition of the record.',
        '*', 'kafka_epoch', '0, one up each time a remade topic was adopted.',
        '*', 'kafka_offset', 'Offset of the record.',
        '*', 'received_at', 'The record''s timestamp (the broker''s clock), never falling within a lane.',
        '*', 'recorded_at', 'When it was appended to the log (the database''s clock).',
        '*', 'user_status', 'add, block, reset, enter, leave or expire.',
        '*', 'status_change_timestamp', 'When it happened, as the publisher said; the second of receipt where it did not.',
        '*', 'event_id', 'The event''s id, derived from its position; null for a rejected record.',
        '*', 'cause', 'user_status of the event that began it.',
        '*', 'expires_at', 'When the override is to lapse; null for never. It stands until an expire takes its place.',
        '*', 'actor', 'Who did it, as signed; null where it was not.',
        '*', 'is_visible', 'False for a hidden segment.',
        '*', 'reason', 'Why it was rejected: the first check that failed.',
        '*', 'first_offset', 'The first offset of the range.',
        '*', 'next_offset', 'The offset after the range.',
        'segment', 'description', 'What the segment is for.',
        'segment', 'created_at', 'When it was created.',
        'segment', 'created_by', 'Who created it.',
        'segment', 'archived_at', 'Since when it refuses commands; null while it takes them.',
        'segment_history', 'segment_name', 'The name after this change.',
        'segment_history', 'description', 'The description after this change.',
        'segment_history', 'is_visible', 'The visibility after this change.',
        'segment_history', 'archived', 'Whether it refused commands after this change.',
        'segment_history', 'valid_from', 'When the change was made.',
        'segment_history', 'valid_to', 'When the next one was made; null for the latest.',
        'membership', 'since', 'The time of the event that began the present membership.',
        'membership', 'override', 'add where the member is pinned; null where a rule alone keeps them in.',
        'override', 'since', 'The time of the event that began the present override value.',
        'user_segment', 'member_since', 'The time of the event that began the present membership; null for a non-member.',
        'user_segment', 'override_since', 'The time of the event that began the present override value; null without one.',
        'user_segment', 'last_change_at', 'The time of the last event, in order, that changed membership, override or its expires_at.',
        'membership_history', 'valid_from', 'The time of the event that made the change.',
        'membership_history', 'valid_to', 'The time of the next change; null for the present state.',
        'membership_history', 'is_current', 'True for the present state.',
        'event', 'user_sent', 'The identifier as sent, before normalisation.',
        'event', 'time_given', 'Whether the publisher gave status_change_timestamp.',
        'event', 'source', 'kafka, http, cli, import, dashboard, retry or expiry, as signed.',
        'rejected', 'detail', 'What was wrong and where, with a guess at the cause; null once erased.',
        'rejected', 'network_id', 'The tenant, where it could be read.',
        'rejected', 'reference_id', 'The publisher''s id, where it could be read.',
        'rejected', 'payload', 'The record''s value, byte for byte; null for a tombstone or once erased.',
        'rejected', 'payload_text', 'The same as text, invalid bytes and NUL as U+FFFD.',
        'rejected', 'retried_at', 'When it was last published again; null if never.',
        'rejected', 'next_offset', 'Where what the row stands for ends: one more than kafka_offset, but for a batch that could not be read, which has one row.',
        'duplicate', 'duplicate_of_event_id', 'The event that it repeats.',
        'hole', 'cause', 'What the range held, as far as it is known; or why an operator passed it by.',
        'result', 'outcome', 'rejected, duplicate, queued, superseded, ineffective, no_change or applied.',
        'result', 'changed_membership', 'Whether the event changed membership at its place in the fold.',
        'result', 'changed_override', 'Whether the event changed the override at its place in the fold.',
        'segment_size', 'members', 'Users in the segment.',
        'segment_size', 'added', 'Standing overrides that keep a user in.',
        'segment_size', 'blocked', 'Standing overrides that keep a user out.',
        'segment_size_daily', 'day', 'The UTC day of status_change_timestamp.',
        'segment_size_daily', 'members', 'Users in the segment at the end of that day.',
        'segment_size_daily', 'members_joined', 'Changes to member on that day, cancelled ones too.',
        'segment_size_daily', 'members_left', 'Changes to non-member on that day, cancelled ones too.',
        'segment_size_daily', 'restated_at', 'The newest recorded_at among the segment''s events of that day.',
        'lane', 'first_offset', 'Where the lane begins.',
        'lane', 'next_offset', 'The first offset that is not in the log yet.',
        'lane', 'events', 'Accepted commands.',
        'lane', 'duplicates', 'Dropped repeats.',
        'lane', 'rejected', 'Refused records.',
        'lane', 'holes', 'Offsets that held no record for us.',
        'lane', 'stopped_because', 'Why the lane stands still and how to go on; null while it runs, and of an epoch that another one follows.',
        'freshness', 'projection', 'The projection.',
        'freshness', 'kafka_end_offset', 'The partition''s last stable offset, as last seen.',
        'freshness', 'kafka_end_seen_at', 'When it was last asked for.',
        'freshness', 'log_offset', 'How far the log has come.',
        'freshness', 'projected_offset', 'How far the projection has come.',
        'freshness', 'ingest_behind', 'Records in Kafka that are not in the log.',
        'freshness', 'projection_behind', 'Records in the log that are not in the projection.',
        'watermark', 'complete_until', 'Every record received before this is in every projection.',
        'watermark', 'recorded_until', 'Nothing with an earlier recorded_at will still appear, in log or projections.',
        'watermark', 'ingest_behind', 'Records in Kafka that are not in the log, over all lanes.',
        'watermark', 'projection_behind', 'Records in the log that are not in the slowest projection, over all lanes.',
        'watermark', 'stopped_lanes', 'Lanes that stand still and wait for an operator.'
    ];
    place integer;
    view_name text;
BEGIN
    FOR place IN 1 .. array_length(said, 1) BY 3 LOOP
        FOR view_name IN
            SELECT c.table_name FROM information_schema.columns AS c
            WHERE c.table_schema = 'reporting' AND c.column_name = said[place + 1]
              AND said[place] IN ('*', c.table_name)
        LOOP
            EXECUTE format('COMMENT ON COLUMN reporting.%I.%I IS %L', view_name, said[place + 1], said[place + 2]);
        END LOOP;
    END LOOP;
END $$;

COMMENT ON FUNCTION reporting.normalise_user(text) IS
'An identifier as the log has it: an email (with @) trimmed of ASCII white space and A-Z made a-z, any other as it stands.';
COMMENT ON FUNCTION reporting.membership_as_of(timestamptz, timestamptz, text, bigint, text) IS
'The state of each key after all its events with status_change_timestamp <= at and recorded_at <= known_at, from the log. Final for known_at below watermark.recorded_until.';
COMMENT ON TYPE reporting.membership_state IS 'A row of membership_as_of().';
