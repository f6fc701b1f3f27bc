-- Files that are imported on the dashboard: what was uploaded, how it is read, and how far it is. content is emptied once all
-- is sent, and a row deleted when it is older than a day.
CREATE TABLE segments.import (
    import_id text COLLATE "C" CONSTRAINT import_pkey PRIMARY KEY,
    network_id text COLLATE "C" NOT NULL,
    key_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    file_name text NOT NULL,
    content bytea NOT NULL,
    options jsonb NOT NULL,
    -- What the lines would do; null until they are checked.
    summary jsonb,
    is_started boolean NOT NULL DEFAULT false,
    sent_until bigint NOT NULL DEFAULT 0, -- the last line that is sent
    finished_at timestamptz
);
CREATE INDEX import_of_network ON segments.import (network_id, created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON segments.import TO segments_api;

-- What became of a line: refused, or the position that the broker gave its command.
CREATE TABLE segments.import_line (
    import_id text COLLATE "C" NOT NULL CONSTRAINT import_line_import REFERENCES segments.import ON DELETE CASCADE,
    line bigint NOT NULL,
    fault text,
    topic text COLLATE "C",
    partition integer,
    epoch integer, -- of the lane that was open when it was sent
    kafka_offset bigint,
    CONSTRAINT import_line_pkey PRIMARY KEY (import_id, line)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON segments.import_line TO segments_api;
