-- Say how far lanes were published. Forward, whoever comes late: what lies below was published when this was sent. Not where
-- Postgres is another one by then: what it holds below may be other events, still to be published.
-- Parameters: lane_id[], next offset[], incarnation.
INSERT INTO projections.membership_outbox AS t (lane_id, next_offset)
SELECT w.lane_id, w.next_offset FROM unnest($1::integer[], $2::bigint[]) AS w (lane_id, next_offset)
WHERE segments.incarnation() = $3 ORDER BY w.lane_id
ON CONFLICT (lane_id) DO UPDATE SET next_offset = excluded.next_offset WHERE t.next_offset < excluded.next_offset
