package main

// writeProbe changes no row, whoever runs it. PostgreSQL refuses it in a read-only
// transaction before it looks at privileges.
const writeProbe = "DELETE FROM pg_catalog.pg_description WHERE false"

// writable are the tables that the account may change, of all schemas but the server's
// own.
const writable = `SELECT format('%I.%I', n.nspname, c.relname) AS dwmon_unique_key, now() AS dwmon_timestamp
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
	AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
UNION ALL SELECT 'schema ' || quote_ident(n.nspname) || ', where it may create tables', now()
FROM pg_catalog.pg_namespace n
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%' AND has_schema_privilege(n.oid, 'CREATE')
ORDER BY 1 LIMIT 1000`
