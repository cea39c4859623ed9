-- +goose Up

-- Units: minutes, slots, marks and zone-free times named *_minute, settled, origin
-- are seconds since the epoch; ts, first_seen, started, ended and everything else
-- that comes from a clock are microseconds since the epoch.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- The database's random id, with which idempotency keys begin.
INSERT INTO meta VALUES ('installation', lower(hex(randomblob(16))));

-- One row for each checker that was ever seen. An id is never given again: what
-- a forgotten checker leaves behind is removed little by little.
CREATE TABLE checkers (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  name          TEXT NOT NULL UNIQUE,
  origin        INTEGER NOT NULL,
  settled       INTEGER,
  recorded      INTEGER,          -- newest minute with a verdict
  revision_id   INTEGER,          -- the text in use
  purge_mark    INTEGER,          -- seconds: older rows were purged
  baseline      INTEGER,          -- first fetch of a checker with assumed timestamps
  fetched       INTEGER,          -- start and end of the last successful fetch
  fetched_end   INTEGER,
  missing_since INTEGER,          -- first slot without the file
  off_since     INTEGER,
  off_reason    TEXT,
  fail_since    INTEGER,
  fail_next     INTEGER,
  fail_count    INTEGER NOT NULL DEFAULT 0,
  fail_fault    TEXT,
  fail_cause    TEXT
);

-- Checkers that were forgotten and whose rows in the large tables still go.
CREATE TABLE forgotten (
  checker_id INTEGER PRIMARY KEY
);

-- What a fetch asks: QUERY and SOURCE. Rows say which one brought them.
CREATE TABLE queries (
  id         INTEGER PRIMARY KEY,
  checker_id INTEGER NOT NULL REFERENCES checkers (id) ON DELETE CASCADE,
  sha256     TEXT NOT NULL,
  UNIQUE (checker_id, sha256)
);

-- Every good text of a checker that was ever in use, and the zone it was judged in.
CREATE TABLE revisions (
  id         INTEGER PRIMARY KEY,
  checker_id INTEGER NOT NULL REFERENCES checkers (id) ON DELETE CASCADE,
  sha256     TEXT NOT NULL,
  time_zone  TEXT NOT NULL,
  query_id   INTEGER NOT NULL REFERENCES queries (id),
  file       TEXT NOT NULL,
  text       BLOB NOT NULL,
  source     TEXT NOT NULL,
  owner      TEXT NOT NULL,
  labels     TEXT NOT NULL,       -- JSON object
  extra      BLOB NOT NULL,
  first_minute INTEGER NOT NULL,
  UNIQUE (checker_id, sha256, time_zone)
);

-- One row for each identity that a checker's lines ever had.
CREATE TABLE lines (
  id              INTEGER PRIMARY KEY,
  checker_id      INTEGER NOT NULL REFERENCES checkers (id) ON DELETE CASCADE,
  identity        TEXT NOT NULL,
  position        INTEGER,        -- in the text in use, 0 = first; NULL: not in it
  file_line       INTEGER NOT NULL DEFAULT 0, -- where it stands in the text in use, counted from 1
  hours           INTEGER NOT NULL, -- sets: bit 0 is hour 0, minute 0, Sunday
  minutes         INTEGER NOT NULL,
  days            INTEGER NOT NULL,
  min_required    INTEGER,
  max_allowed     INTEGER,
  lookback        INTEGER NOT NULL,
  half_open       INTEGER NOT NULL,
  owes_after      INTEGER,        -- NULL: everything
  last_status     INTEGER NOT NULL DEFAULT 0,
  last_minute     INTEGER,
  since_minute    INTEGER,
  settled_status  INTEGER NOT NULL DEFAULT 0,
  consecutive_bad INTEGER NOT NULL DEFAULT 0,
  UNIQUE (checker_id, identity)
);

-- The keys seen. ts is the timestamp that counts: NULL for keys that are known
-- but count in no window, which are those purged (purged: when a fetch last
-- returned them, as far as is known) and those of a baseline (purged is NULL).
CREATE TABLE seen (
  checker_id INTEGER NOT NULL,
  key        BLOB NOT NULL,
  ts         INTEGER,
  first_seen INTEGER NOT NULL,
  query_id   INTEGER NOT NULL,
  purged     INTEGER,
  grp        BLOB,                -- room for a count per tenant or country
  PRIMARY KEY (checker_id, key)
) WITHOUT ROWID;
CREATE INDEX seen_ts ON seen (checker_id, ts) WHERE ts IS NOT NULL;
CREATE INDEX seen_purged ON seen (checker_id, purged) WHERE purged IS NOT NULL;

-- One row for each fetch.
CREATE TABLE fetches (
  id           INTEGER PRIMARY KEY,
  checker_id   INTEGER NOT NULL,
  revision_id  INTEGER NOT NULL,
  slot         INTEGER NOT NULL,
  started      INTEGER NOT NULL,
  ended        INTEGER NOT NULL,
  plugin       TEXT NOT NULL,
  source_time  INTEGER NOT NULL,
  ok           INTEGER NOT NULL,
  baseline     INTEGER NOT NULL,
  rows         INTEGER NOT NULL,
  fresh        INTEGER NOT NULL,
  skipped_null INTEGER NOT NULL,
  skipped      INTEGER NOT NULL,  -- far future
  ignored      INTEGER NOT NULL,  -- unknown and older than the purge mark
  oldest       INTEGER,
  newest       INTEGER,
  cut          INTEGER NOT NULL,
  fault        TEXT,
  error        TEXT
);
CREATE INDEX fetches_checker ON fetches (checker_id, slot);
CREATE INDEX fetches_started ON fetches (started);

-- The verdicts: the primary key is the fence.
CREATE TABLE verdicts (
  checker_id      INTEGER NOT NULL,
  minute          INTEGER NOT NULL,
  line_id         INTEGER NOT NULL,
  grp             BLOB NOT NULL DEFAULT x'',
  line_position   INTEGER NOT NULL,
  event_count     INTEGER NOT NULL,
  status          INTEGER NOT NULL,  -- 1 GOOD, 2 BAD, 3 UNKNOWN
  reason          TEXT,
  catch_up        INTEGER NOT NULL,
  previous_status INTEGER NOT NULL,
  consecutive_bad INTEGER NOT NULL,
  evaluated_at    INTEGER NOT NULL,
  revision_id     INTEGER NOT NULL,
  fetch_id        INTEGER NOT NULL,
  PRIMARY KEY (checker_id, minute, line_id, grp)
) WITHOUT ROWID;

-- Eligible minutes that were never judged.
CREATE TABLE gaps (
  id            INTEGER PRIMARY KEY,
  checker_id    INTEGER NOT NULL REFERENCES checkers (id) ON DELETE CASCADE,
  line_id       INTEGER NOT NULL,
  line_position INTEGER NOT NULL,
  from_minute   INTEGER NOT NULL,
  to_minute     INTEGER NOT NULL,
  minutes       INTEGER NOT NULL,
  reason        TEXT NOT NULL
);
CREATE INDEX gaps_checker ON gaps (checker_id, to_minute);

-- Spans of a checker: off (minutes, reason away or disabled) and missed
-- (microseconds; rows of assumed timestamps are not to be trusted).
CREATE TABLE spans (
  id         INTEGER PRIMARY KEY,
  checker_id INTEGER NOT NULL REFERENCES checkers (id) ON DELETE CASCADE,
  kind       TEXT NOT NULL,
  from_time  INTEGER NOT NULL,
  until_time INTEGER NOT NULL,
  reason     TEXT NOT NULL
);
CREATE INDEX spans_checker ON spans (checker_id, kind, until_time);

CREATE TABLE handlers (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

-- What handlers are to be told, in the order of id. A verdict is named by
-- (checker_id, minute, line_id); a notice carries its payload.
CREATE TABLE deliveries (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  handler_id    INTEGER NOT NULL,
  checker_id    INTEGER,             -- NULL for a notice about no single checker
  minute        INTEGER,
  line_id       INTEGER,
  line_position INTEGER,
  payload       BLOB,                -- JSON of a notice
  state         INTEGER NOT NULL DEFAULT 0,  -- 0 waiting, 1 sent, 2 dead, 3 collapsed into a digest
  attempts      INTEGER NOT NULL DEFAULT 0,
  created       INTEGER NOT NULL,
  next_attempt  INTEGER NOT NULL DEFAULT 0,
  finished      INTEGER,
  last_error    TEXT
);
CREATE INDEX deliveries_waiting ON deliveries (handler_id, checker_id, id) WHERE state = 0;
CREATE INDEX deliveries_finished ON deliveries (state, finished) WHERE state <> 0;
CREATE INDEX deliveries_failed ON deliveries (state, id) WHERE state >= 2;

-- Faults of checker files as they were last read, one row for each file.
CREATE TABLE file_faults (
  file    TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  faults  TEXT NOT NULL,             -- JSON array
  since   INTEGER NOT NULL
) WITHOUT ROWID;

-- What plugins said of themselves, by the digest of their file.
CREATE TABLE plugins_described (
  sha256   TEXT PRIMARY KEY,
  describe BLOB NOT NULL,
  used     INTEGER NOT NULL
) WITHOUT ROWID;

-- The original program's tables, in whole seconds.
CREATE VIEW results (unique_id, checker, timestamp) AS
  SELECT CAST(s.key AS TEXT), c.name,
         CASE WHEN s.ts < 0 AND s.ts % 1000000 <> 0 THEN s.ts / 1000000 - 1 ELSE s.ts / 1000000 END
  FROM seen s JOIN checkers c ON c.id = s.checker_id
  WHERE s.ts IS NOT NULL;

CREATE VIEW checks (checker, timestamp) AS
  SELECT c.name, v.minute FROM verdicts v JOIN checkers c ON c.id = v.checker_id;
