package main

import (
	"errors"
	"slices"
	"strings"

	"modernc.org/sqlite"
)

// guard lets a connection read and do nothing else. mode=ro protects the file
// itself; ATTACH and VACUUM INTO would still write others, and a PRAGMA could undo
// query_only.
func guard(conn sqlite.ExecQuerierContext, _ string) error {
	r, ok := conn.(sqlite.AuthorizerRegisterer)
	if !ok {
		return errors.New("this version of the SQLite driver cannot refuse statements")
	}
	return r.RegisterAuthorizer(authorize)
}

// pragmas only tell. Full-text and spatial indexes ask some of them for their own
// work.
var pragmas = []string{
	"application_id", "collation_list", "compile_options", "data_version", "database_list", "encoding",
	"foreign_key_list", "freelist_count", "function_list", "index_info", "index_list", "index_xinfo",
	"module_list", "page_count", "page_size", "pragma_list", "schema_version", "table_info", "table_list",
	"table_xinfo", "user_version",
}

// taking are the pragmas whose argument is a name to look at; the argument of the
// others would be a new value.
var taking = []string{"foreign_key_list", "index_info", "index_list", "index_xinfo", "table_info", "table_list", "table_xinfo"}

// authorize is asked when a statement is prepared.
func authorize(action sqlite.AuthorizerActionCode, arg1, arg2, _, _ string) sqlite.AuthorizerReturnCode {
	allowed := false
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthRecursive:
		allowed = true
	case sqlite.AuthInsert, sqlite.AuthUpdate, sqlite.AuthDelete:
		// A spatial index prepares these when it is opened. They are refused when
		// they run: the file is read only, and there is no other.
		allowed = true
	case sqlite.AuthFunction:
		allowed = !strings.EqualFold(arg2, "load_extension")
	case sqlite.AuthPragma:
		name := strings.ToLower(arg1)
		allowed = slices.Contains(pragmas, name) && (arg2 == "" || slices.Contains(taking, name))
	}
	if !allowed {
		return sqlite.AuthorizerDeny
	}
	return sqlite.AuthorizerOK
}
