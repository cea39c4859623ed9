package main

// catalog lists the tables and columns that the user may see, those of the default
// schema first.
const catalog = `
SELECT TOP 20000 concat(CASE WHEN s.name = schema_name() THEN N'' ELSE s.name END, nchar(9), o.name, nchar(9), c.name,
         nchar(9), t.name, nchar(9), CASE
           WHEN EXISTS (
             SELECT 1 FROM sys.indexes i JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id
             WHERE i.object_id = c.object_id AND k.column_id = c.column_id AND k.is_included_column = 0 AND i.is_primary_key = 1
           ) THEN N'key'
           WHEN EXISTS (
             SELECT 1 FROM sys.indexes i JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id
             WHERE i.object_id = c.object_id AND k.column_id = c.column_id AND k.is_included_column = 0 AND i.is_unique = 1
               AND i.has_filter = 0 AND (
                 SELECT count(*) FROM sys.index_columns x
                 WHERE x.object_id = i.object_id AND x.index_id = i.index_id AND x.is_included_column = 0) = 1
           ) THEN N'unique'
           ELSE N'' END) AS dwmon_unique_key,
       0 AS dwmon_timestamp
FROM sys.columns c
JOIN sys.objects o ON o.object_id = c.object_id AND o.type IN ('U', 'V')
JOIN sys.schemas s ON s.schema_id = o.schema_id
JOIN sys.types t ON t.user_type_id = c.user_type_id
ORDER BY CASE WHEN s.name = schema_name() THEN 0 ELSE 1 END, s.name, o.name, c.column_id`
