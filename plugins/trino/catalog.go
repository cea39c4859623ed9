package main

// catalog lists tables and columns of the catalog in use, those of the schema in use
// first. Trino knows no keys.
const catalog = `
SELECT concat(CASE WHEN table_schema = current_schema THEN '' ELSE table_schema END, chr(9), table_name, chr(9), column_name,
         chr(9), data_type, chr(9)) AS dwmon_unique_key,
       0 AS dwmon_timestamp
FROM information_schema.columns
WHERE table_schema <> 'information_schema'
ORDER BY CASE WHEN table_schema = current_schema THEN 0 ELSE 1 END, table_schema, table_name, ordinal_position
LIMIT 20000`
