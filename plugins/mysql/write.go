package main

// writeProbe changes no row, whoever runs it.
const writeProbe = "DELETE FROM mysql.time_zone WHERE 1 = 0"

// writable is what the account was granted beyond reading; what it has through roles is
// not listed there.
const writable = `SELECT DISTINCT g.what AS dwmon_unique_key, NOW() AS dwmon_timestamp FROM (
	SELECT GRANTEE grantee, PRIVILEGE_TYPE privilege, 'every database' AS what FROM information_schema.USER_PRIVILEGES
	UNION ALL SELECT GRANTEE, PRIVILEGE_TYPE, CONCAT('database ', TABLE_SCHEMA) FROM information_schema.SCHEMA_PRIVILEGES
	UNION ALL SELECT GRANTEE, PRIVILEGE_TYPE, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLE_PRIVILEGES
) g
WHERE g.privilege IN ('INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'ALTER', 'FILE', 'SUPER', 'TRIGGER')
	AND g.grantee = CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')
ORDER BY 1 LIMIT 1000`
