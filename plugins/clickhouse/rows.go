package main

import (
	"database/sql/driver"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// driverRows is what the driver's rows can do.
type driverRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// rows are the driver's, with every value as the server prints it.
type rows struct {
	driverRows
	conn *conn
	days []int // columns of Date and Date32
}

func newRows(raw driverRows, c *conn) *rows {
	r := &rows{driverRows: raw, conn: c}
	for i := range raw.Columns() {
		if slices.Contains(dayTypes, raw.ColumnTypeDatabaseTypeName(i)) {
			r.days = append(r.days, i)
		}
	}
	return r
}

// dayTypes are the types of days, which have no zone.
var dayTypes = []string{
	"Date", "Nullable(Date)", "LowCardinality(Date)", "LowCardinality(Nullable(Date))",
	"Date32", "Nullable(Date32)", "LowCardinality(Date32)", "LowCardinality(Nullable(Date32))",
}

// Next reads a row.
func (r *rows) Next(dest []driver.Value) error {
	if err := r.driverRows.Next(dest); err != nil {
		r.conn.ended(err)
		return err
	}
	for i, v := range dest {
		switch v := v.(type) {
		case big.Int: // Int128 and beyond
			dest[i] = v.String()
		case net.IP:
			dest[i] = addressText(v, strings.Contains(r.ColumnTypeDatabaseTypeName(i), "IPv6"))
		case []uint8: // an array of numbers, not bytes
			dest[i] = []any{v}
		case time.Duration: // Time, Time64
			dest[i] = durationText(v)
		}
	}
	// The driver begins a day in the server's zone.
	for _, i := range r.days {
		if t, ok := dest[i].(time.Time); ok {
			dest[i] = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
		}
	}
	return nil
}

// HasNextResultSet is false: what the driver calls one is the line WITH TOTALS,
// which is no row.
func (r *rows) HasNextResultSet() bool { return false }

// addressText writes an address of a column of that type. The same bytes are
// another text in each: 127.0.0.1, ::ffff:127.0.0.1.
func addressText(ip net.IP, six bool) string {
	if six {
		if b := ip.To16(); b != nil {
			return netip.AddrFrom16([16]byte(b)).String()
		}
	}
	return ip.String()
}

// durationText writes a time of day, or a longer span, as the server does.
func durationText(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	text := fmt.Sprintf("%s%02d:%02d:%02d", sign, int64(d.Hours()), int64(d.Minutes())%60, int64(d.Seconds())%60)
	if rest := d % time.Second; rest != 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", int64(rest)), "0")
	}
	return text
}
