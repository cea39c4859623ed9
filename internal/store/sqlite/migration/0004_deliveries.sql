-- +goose Up

-- Since when a handler is not configured any more, in microseconds since the
-- epoch; NULL while it is. What waits for it is orphaned.
ALTER TABLE handlers ADD COLUMN missing_since INTEGER;

-- When somebody last made a dead delivery wait again, in microseconds since the
-- epoch; NULL: never. It is given up so long after that.
ALTER TABLE deliveries ADD COLUMN revived INTEGER;
