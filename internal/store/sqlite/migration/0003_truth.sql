-- +goose Up

-- How far the last successful fetch could see, and by how much the source's clock
-- was ahead of ours then (0: not by more than two seconds, or not known).
ALTER TABLE checkers ADD COLUMN fetched_reach INTEGER;
ALTER TABLE checkers ADD COLUMN skew INTEGER NOT NULL DEFAULT 0;

-- What the last successful fetch has asked, the start of the first of those in a row
-- that asked the same, and whether there were others before.
ALTER TABLE checkers ADD COLUMN fetched_query INTEGER;
ALTER TABLE checkers ADD COLUMN query_began INTEGER;
ALTER TABLE checkers ADD COLUMN query_changed INTEGER NOT NULL DEFAULT 0;

UPDATE checkers SET
  fetched_reach = fetched,
  fetched_query = (
    SELECT r.query_id FROM fetches f JOIN revisions r ON r.id = f.revision_id
    WHERE f.checker_id = checkers.id AND f.ok = 1 ORDER BY f.slot DESC, f.id DESC LIMIT 1);
UPDATE checkers SET
  query_changed = EXISTS (
    SELECT 1 FROM fetches f JOIN revisions r ON r.id = f.revision_id
    WHERE f.checker_id = checkers.id AND f.ok = 1 AND r.query_id <> checkers.fetched_query),
  query_began = (
    SELECT min(f.started) FROM fetches f JOIN revisions r ON r.id = f.revision_id
    WHERE f.checker_id = checkers.id AND f.ok = 1 AND r.query_id = checkers.fetched_query AND f.started > coalesce((
      SELECT max(g.started) FROM fetches g JOIN revisions s ON s.id = g.revision_id
      WHERE g.checker_id = checkers.id AND g.ok = 1 AND s.query_id <> checkers.fetched_query), -9223372036854775808))
WHERE fetched_query IS NOT NULL;

ALTER TABLE fetches ADD COLUMN unordered INTEGER NOT NULL DEFAULT 0; -- not newest first
ALTER TABLE fetches ADD COLUMN skew INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fetches ADD COLUMN data_as_of INTEGER;

-- Spans of a third kind, hole (microseconds): rows may be missing.

-- BAD low verdicts that late rows have overturned, in the order of id.
CREATE TABLE corrections (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  checker_id    INTEGER NOT NULL REFERENCES checkers (id) ON DELETE CASCADE,
  minute        INTEGER NOT NULL,
  line_id       INTEGER NOT NULL,
  line_position INTEGER NOT NULL,
  count_before  INTEGER NOT NULL,
  count_after   INTEGER NOT NULL,
  status_after  INTEGER NOT NULL,
  reason_after  TEXT,
  corrected_at  INTEGER NOT NULL,  -- start of the fetch that brought the rows
  revision_id   INTEGER NOT NULL,  -- the verdict's
  UNIQUE (checker_id, minute, line_id)
);

-- The verdicts that may be corrected.
CREATE INDEX verdicts_low ON verdicts (checker_id, minute) WHERE status = 2 AND reason = 'low';
