package main

// catalog lists tables and columns, those of the database in use first. A primary key
// of ClickHouse is not unique, so none is named. Columns come as the server lists them:
// older servers do not number them.
const catalog = `
SELECT concat(if(database = currentDatabase(), '', database), '\t', table, '\t', name, '\t', type, '\t') AS dwmon_unique_key,
       0 AS dwmon_timestamp
FROM system.columns
WHERE database NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA')
ORDER BY database != currentDatabase(), database, table, rowNumberInAllBlocks()
LIMIT 20000`
