package main

// catalog lists tables and views, the one schema left out.
const catalog = `
SELECT '' || char(9) || m.name || char(9) || c.name || char(9) || c.type || char(9) || CASE
         WHEN c.pk > 0 THEN 'key'
         WHEN EXISTS (
           SELECT 1 FROM pragma_index_list(m.name) i
           WHERE i."unique" AND NOT i.partial
             AND (SELECT count(*) FROM pragma_index_info(i.name)) = 1
             AND (SELECT name FROM pragma_index_info(i.name)) = c.name
         ) THEN 'unique'
         ELSE '' END AS dwmon_unique_key,
       0 AS dwmon_timestamp
FROM sqlite_schema m JOIN pragma_table_info(m.name) c
WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
ORDER BY m.name, c.cid
LIMIT 20000`
