package main

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"strconv"

	"modernc.org/sqlite"
)

// sha256Of is the SQL function sha256(x): the digest in lower-case hexadecimal of
// a text or a blob, NULL of NULL. A number is digested as its text. It makes a key
// of a text that is too long for one; other servers have such a function built in.
func sha256Of(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	var text []byte
	switch v := args[0].(type) {
	case nil:
		return nil, nil
	case string:
		text = []byte(v)
	case []byte:
		text = v
	case int64:
		text = strconv.AppendInt(nil, v, 10)
	default:
		return nil, fmt.Errorf("sha256 takes a text, a blob or an integer, not %T", v)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
