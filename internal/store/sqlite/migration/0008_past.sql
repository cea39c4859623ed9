-- +goose Up

-- A replay of the past reads rows in the order of their timestamps and asks of each
-- when it became known: the index says it, so that no row is looked up.
DROP INDEX seen_ts;
CREATE INDEX seen_ts ON seen (checker_id, ts, first_seen) WHERE ts IS NOT NULL;

-- What a fetch was judged by, in microseconds since the epoch: the time of its pass,
-- how far it could see, and the oldest timestamp of its new keys. NULL in older records
-- (and oldest_fresh where there was no new key): pass and reach are then taken to be
-- what started, skew and data_as_of say.
ALTER TABLE fetches ADD COLUMN pass INTEGER;
ALTER TABLE fetches ADD COLUMN reach INTEGER;
ALTER TABLE fetches ADD COLUMN oldest_fresh INTEGER;

-- What `dwmon backfill` has brought. Its rows bear started as first_seen, exactly.
-- complete_from: from this time on the result held every row that its query gives, up to
-- complete_until, from which on rows were left to the daemon's own fetches; both are
-- microseconds, and NULL where that is not known.
CREATE TABLE backfills (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  checker_id     INTEGER NOT NULL REFERENCES checkers (id) ON DELETE CASCADE,
  query_id       INTEGER NOT NULL,
  started        INTEGER NOT NULL,
  rows           INTEGER NOT NULL,
  fresh          INTEGER NOT NULL,
  oldest         INTEGER,
  newest         INTEGER,
  complete_from  INTEGER,
  complete_until INTEGER
);
CREATE INDEX backfills_checker ON backfills (checker_id, started);
