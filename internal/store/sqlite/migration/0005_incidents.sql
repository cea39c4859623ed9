-- +goose Up

-- What a line's incidents rest on: the last 64 results that were GOOD or BAD (bit
-- 0 the newest, set for BAD), the runs of GOOD and of UNKNOWN, and the open ones.
ALTER TABLE lines ADD COLUMN recent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lines ADD COLUMN good_run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lines ADD COLUMN unknown_run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lines ADD COLUMN incident_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lines ADD COLUMN unknown_incident_id INTEGER NOT NULL DEFAULT 0;

-- The start of the last failed fetch.
ALTER TABLE checkers ADD COLUMN fail_tried INTEGER;

-- Stretches of trouble. opened and closed are minutes, the times beside them
-- microseconds. finished: it is over, and nobody is left to be told.
CREATE TABLE incidents (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  subject     TEXT NOT NULL,     -- count, checker, source, dwmon
  checker_id  INTEGER REFERENCES checkers (id) ON DELETE CASCADE,
  line_id     INTEGER,
  source      TEXT NOT NULL,
  opened      INTEGER NOT NULL,
  opened_at   INTEGER NOT NULL,
  catch_up    INTEGER NOT NULL,
  cause       TEXT NOT NULL,
  checkers    INTEGER NOT NULL,
  closed      INTEGER,
  closed_at   INTEGER,
  ended       TEXT,
  finished    INTEGER NOT NULL DEFAULT 0,
  ack_by      TEXT,
  ack_comment TEXT,
  ack_at      INTEGER,
  ack_until   INTEGER            -- 0: as long as it lasts
);
CREATE INDEX incidents_live ON incidents (id) WHERE finished = 0;
CREATE INDEX incidents_checker ON incidents (checker_id, opened);
CREATE INDEX incidents_closed ON incidents (closed_at) WHERE finished = 1;

-- Which handler was told of an incident: how often, when last, and whether of its
-- end.
CREATE TABLE announcements (
  incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
  handler_id  INTEGER NOT NULL,
  told        INTEGER NOT NULL,
  told_at     INTEGER NOT NULL,
  ended       INTEGER NOT NULL,
  PRIMARY KEY (incident_id, handler_id)
) WITHOUT ROWID;

-- What passes have made up for and no handler was told of yet, where not all of it
-- was GOOD.
CREATE TABLE catch_ups (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  checker_id  INTEGER NOT NULL REFERENCES checkers (id) ON DELETE CASCADE,
  from_minute INTEGER NOT NULL,
  to_minute   INTEGER NOT NULL,
  checks      INTEGER NOT NULL,
  bad         INTEGER NOT NULL,
  unknown     INTEGER NOT NULL,
  last_bad    INTEGER NOT NULL,
  down        TEXT NOT NULL      -- what was: dwmon, or source NAME
);
