-- +goose Up

-- Checkers that were taken over from an original program's database. Their rows
-- in seen have query_id 0, for no fetch of ours has brought them, and as
-- first_seen the moment at which they were taken over.
CREATE TABLE imports (
  checker_id INTEGER PRIMARY KEY REFERENCES checkers (id) ON DELETE CASCADE,
  imported   INTEGER NOT NULL,
  file       TEXT NOT NULL,
  results    INTEGER NOT NULL,
  checks     INTEGER NOT NULL
);

-- What the original has checked, in seconds since the epoch. It kept no status:
-- these are no verdicts.
CREATE TABLE imported_checks (
  checker_id INTEGER NOT NULL,
  timestamp  INTEGER NOT NULL,
  PRIMARY KEY (checker_id, timestamp)
) WITHOUT ROWID;

DROP VIEW checks;
CREATE VIEW checks (checker, timestamp) AS
  SELECT c.name, i.timestamp FROM imported_checks i JOIN checkers c ON c.id = i.checker_id
  UNION ALL
  SELECT c.name, v.minute FROM verdicts v JOIN checkers c ON c.id = v.checker_id;
