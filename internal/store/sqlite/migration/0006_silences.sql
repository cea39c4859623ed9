-- +goose Up

-- Of whose trouble nobody is told for a while. Times are microseconds; ends is 0
-- for a silence that lasts until it is ended by hand, which ended says.
CREATE TABLE silences (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  matchers TEXT NOT NULL,          -- JSON array of KEY=VALUE, KEY!=VALUE
  starts   INTEGER NOT NULL,
  ends     INTEGER NOT NULL,
  recurs   TEXT,                   -- JSON object: every, zone
  comment  TEXT NOT NULL,
  by       TEXT NOT NULL,
  created  INTEGER NOT NULL,
  ended    INTEGER
);
