-- What operators asked for that takes long, which a process of `segments project` does; one at a time. A row says who asked,
-- who cancelled it, and how far it is; only the latter changes.
CREATE TABLE segments.task (
    task_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT task_pkey PRIMARY KEY,
    kind text NOT NULL CONSTRAINT task_kind_is_known CHECK (kind IN ('verify', 'rebuild')),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    requested_by text NOT NULL,
    cancelled_at timestamptz,
    cancelled_by text,
    started_at timestamptz,
    -- The step that runs, those that are done, and how many there are.
    step text,
    steps_done integer NOT NULL DEFAULT 0,
    steps integer,
    ended_at timestamptz,
    outcome text CONSTRAINT task_outcome_is_known
    CHECK (outcome IN ('done', 'differences', 'cancelled', 'failed', 'interrupted')),
    result jsonb,
    CONSTRAINT task_has_an_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX task_one_at_a_time ON segments.task ((ended_at IS NULL)) WHERE ended_at IS NULL;
GRANT SELECT, INSERT, UPDATE (cancelled_at, cancelled_by, started_at, step, steps_done, steps, ended_at, outcome, result)
ON segments.task TO segments_operate;
GRANT SELECT ON segments.task TO segments_api;
