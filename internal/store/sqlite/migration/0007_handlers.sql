-- +goose Up

-- What the plugin of a handler was last known to want, as JSON: what is told of
-- while the plugin is not there hangs on it.
ALTER TABLE handlers ADD COLUMN wants TEXT;
