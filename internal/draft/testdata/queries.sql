-- sqlite
SELECT id         AS dwmon_unique_key,
       created_at AS dwmon_timestamp
FROM orders
ORDER BY created_at DESC
LIMIT 10000;
SELECT "a""b" || '|' || "c`]d" AS dwmon_unique_key,
       "timestamp"             AS dwmon_timestamp
FROM billing."Order"
ORDER BY "timestamp" DESC
LIMIT 10000;
-- postgres
SELECT id         AS dwmon_unique_key,
       created_at AS dwmon_timestamp
FROM orders
ORDER BY created_at DESC
LIMIT 10000;
SELECT concat_ws('|', "a""b", "c`]d") AS dwmon_unique_key,
       "timestamp"                    AS dwmon_timestamp
FROM billing."Order"
ORDER BY "timestamp" DESC
LIMIT 10000;
-- mysql
SELECT id         AS dwmon_unique_key,
       created_at AS dwmon_timestamp
FROM orders
ORDER BY created_at DESC
LIMIT 10000;
SELECT concat_ws('|', `a"b`, `c``]d`) AS dwmon_unique_key,
       `timestamp`                    AS dwmon_timestamp
FROM billing.`Order`
ORDER BY `timestamp` DESC
LIMIT 10000;
-- sqlserver
SELECT TOP 10000 id         AS dwmon_unique_key,
                 created_at AS dwmon_timestamp
FROM orders
ORDER BY created_at DESC;
SELECT TOP 10000 concat_ws('|', [a"b], [c`]]d]) AS dwmon_unique_key,
                 [timestamp]                    AS dwmon_timestamp
FROM billing.[Order]
ORDER BY [timestamp] DESC;
-- clickhouse
SELECT id         AS dwmon_unique_key,
       created_at AS dwmon_timestamp
FROM orders
ORDER BY created_at DESC
LIMIT 10000;
SELECT concat(toString(`a"b`), '|', toString(`c``]d`)) AS dwmon_unique_key,
       `timestamp`                                     AS dwmon_timestamp
FROM billing.`Order`
ORDER BY `timestamp` DESC
LIMIT 10000;
-- trino
SELECT id         AS dwmon_unique_key,
       created_at AS dwmon_timestamp
FROM orders
ORDER BY created_at DESC
LIMIT 10000;
SELECT CAST("a""b" AS varchar) || '|' || CAST("c`]d" AS varchar) AS dwmon_unique_key,
       "timestamp"                                               AS dwmon_timestamp
FROM billing."Order"
ORDER BY "timestamp" DESC
LIMIT 10000;
-- of-somebody
SELECT id         AS dwmon_unique_key,
       created_at AS dwmon_timestamp
FROM orders
ORDER BY created_at DESC
LIMIT 10000;
SELECT CAST("a""b" AS varchar(200)) || '|' || CAST("c`]d" AS varchar(200)) AS dwmon_unique_key,
       "timestamp"                                                         AS dwmon_timestamp
FROM billing."Order"
ORDER BY "timestamp" DESC
LIMIT 10000;
