package main

// catalog lists the tables and columns that the user may see, those of the database in
// use first.
const catalog = `
SELECT concat(CASE WHEN table_schema = database() THEN '' ELSE table_schema END, char(9), table_name, char(9), column_name,
         char(9), column_type, char(9), CASE column_key WHEN 'PRI' THEN 'key' WHEN 'UNI' THEN 'unique' ELSE '' END) AS dwmon_unique_key,
       0 AS dwmon_timestamp
FROM information_schema.columns
WHERE table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
ORDER BY CASE WHEN table_schema = database() THEN 0 ELSE 1 END, table_schema, table_name, ordinal_position
LIMIT 20000`
