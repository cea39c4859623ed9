package main

// catalog lists the tables and columns that the role may read, those of the schema
// in use first.
const catalog = `
SELECT CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname END || chr(9) || c.relname || chr(9) || a.attname
         || chr(9) || format_type(a.atttypid, a.atttypmod) || chr(9) || coalesce((
           SELECT CASE WHEN i.indisprimary THEN 'key' ELSE 'unique' END
           FROM pg_index i
           WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey) AND i.indisvalid AND i.indisunique AND i.indpred IS NULL
             AND (i.indisprimary OR i.indnatts = 1)
           ORDER BY i.indisprimary DESC
           LIMIT 1), '') AS dwmon_unique_key,
       0 AS dwmon_timestamp
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
  AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY n.nspname IS DISTINCT FROM current_schema(), n.nspname, c.relname, a.attnum
LIMIT 20000`
