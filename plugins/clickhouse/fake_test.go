package main

import (
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/shopspring/decimal"
	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

// fakeServer speaks the native protocol as a server of our days does, as far as this
// plugin needs it: the one of the system's packages is too old for many types.
type fakeServer struct {
	t       *testing.T
	profile map[string]string
	// answer writes the answer to a query that is not about the profile.
	answer func(w *writer)

	mu   sync.Mutex
	sets []string // the SET statements
}

const fakeRevision = proto.DBMS_TCP_PROTOCOL_VERSION

// start returns the server's URL.
func (f *fakeServer) start() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
	return "clickhouse://reader:f4ke-s3cret@" + l.Addr().String() + "/default"
}

// writer writes packets.
type writer struct {
	f    *fakeServer
	conn net.Conn
	buf  chproto.Buffer
}

func (w *writer) flush() {
	w.conn.Write(w.buf.Buf)
	w.buf.Reset()
}

// block writes a block of data: the columns' names and types, and rows.
func (w *writer) block(names, types []string, rows ...[]any) {
	b := proto.NewBlock()
	b.ServerContext.Timezone = time.UTC
	for i := range names {
		if err := b.AddColumn(names[i], column.Type(types[i])); err != nil {
			w.f.t.Error(err)
		}
	}
	for _, row := range rows {
		if err := b.Append(row...); err != nil {
			w.f.t.Error(err)
		}
	}
	w.buf.PutByte(proto.ServerData)
	w.buf.PutString("")
	if len(rows) == 0 { // Encode would write what a server leaves out of an empty block
		if err := b.EncodeHeader(&w.buf, fakeRevision); err != nil {
			w.f.t.Error(err)
		}
		for i := range names {
			w.buf.PutString(names[i])
			w.buf.PutString(types[i])
			w.buf.PutBool(false)
		}
		return
	}
	if err := b.Encode(&w.buf, fakeRevision); err != nil {
		w.f.t.Error(err)
	}
}

// end ends a result.
func (w *writer) end() {
	w.buf.PutByte(proto.ServerEndOfStream)
	w.flush()
}

// exception ends a result with an error.
func (w *writer) exception(code int32, message string) {
	w.buf.PutByte(proto.ServerException)
	w.buf.PutInt32(code)
	w.buf.PutString("DB::Exception")
	w.buf.PutString("DB::Exception: " + message)
	w.buf.PutString("")
	w.buf.PutBool(false)
	w.flush()
}

func (f *fakeServer) serve(c net.Conn) {
	defer c.Close()
	r, w := chproto.NewReader(c), &writer{f: f, conn: c}
	if !f.greet(r, w) {
		return
	}
	for {
		query, err := readQuery(r)
		if err != nil {
			return
		}
		switch {
		case strings.Contains(query, "FROM system.settings"):
			var rows [][]any
			for name, value := range f.profile {
				rows = append(rows, []any{name, value})
			}
			w.block([]string{"name", "value"}, []string{"String", "String"}, rows...)
			w.end()
		case strings.HasPrefix(query, "SET "):
			f.mu.Lock()
			f.sets = append(f.sets, query)
			f.mu.Unlock()
			w.end()
		default:
			f.answer(w)
		}
	}
}

// greet answers the client's hello.
func (f *fakeServer) greet(r *chproto.Reader, w *writer) bool {
	if p, err := r.ReadByte(); err != nil || p != proto.ClientHello {
		return false
	}
	r.Str()
	for range 3 {
		r.UVarInt()
	}
	r.Str() // database
	user, _ := r.Str()
	password, err := r.Str()
	if err != nil || user != "reader" || password != "f4ke-s3cret" {
		w.exception(516, "reader: Authentication failed: password is incorrect, or there is no user with such name.")
		return false
	}
	w.buf.PutByte(proto.ServerHello)
	w.buf.PutString("ClickHouse")
	w.buf.PutUVarInt(25)
	w.buf.PutUVarInt(8)
	w.buf.PutUVarInt(fakeRevision)
	w.buf.PutString("America/New_York")
	w.buf.PutString("fake")
	w.buf.PutUVarInt(1)
	w.flush()
	_, err = r.Str() // the addendum: quota key
	return err == nil
}

// readQuery reads a query with the empty block of data after it.
func readQuery(r *chproto.Reader) (string, error) {
	p, err := r.ReadByte()
	if err != nil || p != proto.ClientQuery {
		return "", io.ErrUnexpectedEOF
	}
	r.Str() // id
	r.ReadByte()
	for range 3 {
		r.Str()
	}
	r.Int64()
	r.ReadByte()
	for range 3 {
		r.Str()
	}
	for range 3 {
		r.UVarInt()
	}
	r.Str() // quota key
	r.UVarInt()
	r.UVarInt()
	r.ReadByte() // no trace
	for range 3 {
		r.UVarInt()
	}
	for { // settings
		name, err := r.Str()
		if err != nil {
			return "", err
		}
		if name == "" {
			break
		}
		r.UVarInt()
		r.Str()
	}
	r.Str() // of a cluster
	r.ReadByte()
	r.Bool()
	query, err := r.Str()
	if err != nil {
		return "", err
	}
	r.Str() // parameters
	r.ReadByte()
	r.Str()
	return query, proto.NewBlock().Decode(r, fakeRevision)
}

// modern is a profile as a server of our days has it.
func modern() map[string]string {
	return map[string]string{
		"readonly": "0", "max_execution_time": "0", "session_timezone": "", "extremes": "0", "skip_unavailable_shards": "1",
		"timeout_overflow_mode": "throw", "timeout_overflow_mode_leaf": "break", "read_overflow_mode": "throw",
	}
}

var both = []string{"dwmon_unique_key", "dwmon_timestamp"}

// TestNewerTypes: against a fake only.
func TestNewerTypes(t *testing.T) {
	big256, _ := new(big.Int).SetString("-57896044618658097711785492504343953926634992332820282019728792003956564819968", 10)
	big128, _ := new(big.Int).SetString("340282366920938463463374607431768211455", 10)
	at := time.Date(2024, 6, 1, 12, 0, 0, 654321987, time.UTC)
	long, _ := decimal.NewFromString("12345678901234567890123456789012345678901234567890.12345")
	const stamp = "2024-06-01T12:00:00.654321Z"
	for _, c := range []struct {
		keyType, timeType string
		key, at           any
		want              gettertest.Row
		berlin            gettertest.Row // zero: the same
	}{
		{keyType: "Int256", key: big256, timeType: "DateTime64(9, 'UTC')", at: at, want: gettertest.At(big256.String(), stamp)},
		{keyType: "UInt128", key: big128, timeType: "DateTime64(6)", at: at, want: gettertest.At(big128.String(), stamp)},
		{keyType: "Nullable(UInt128)", key: big128, timeType: "DateTime64(6, 'Asia/Tokyo')", at: at, want: gettertest.At(big128.String(), stamp)},
		{keyType: "Decimal(76, 5)", key: long, timeType: "Nullable(DateTime64(6))", at: at, want: gettertest.At(long.String(), stamp)},
		{keyType: "LowCardinality(String)", key: "low", timeType: "DateTime('Asia/Tokyo')", at: at.Truncate(time.Second), want: gettertest.At("low", "2024-06-01T12:00:00Z")},
		{keyType: "LowCardinality(Nullable(String))", key: "low", timeType: "DateTime", at: at.Truncate(time.Second), want: gettertest.At("low", "2024-06-01T12:00:00Z")},
		{
			keyType: "IPv6", key: "::ffff:10.0.0.1", timeType: "Date32", at: time.Date(2024, 1, 15, 0, 0, 0, 0, time.UTC),
			want: gettertest.At("::ffff:10.0.0.1", "2024-01-15T00:00:00Z"), berlin: gettertest.At("::ffff:10.0.0.1", "2024-01-14T23:00:00Z"),
		},
		{keyType: "IPv4", key: "10.0.0.1", timeType: "Decimal(18, 6)", at: decimal.New(1700000000123456, -6), want: gettertest.At("10.0.0.1", "2023-11-14T22:13:20.123456Z")},
		{keyType: "Bool", key: true, timeType: "Float64", at: 1700000000.5, want: gettertest.At("true", "2023-11-14T22:13:20.5Z")},
		{keyType: "UUID", key: "6f9619ff-8b86-d011-b42d-00c04fc964ff", timeType: "Int64", at: int64(1), want: gettertest.At("6f9619ff-8b86-d011-b42d-00c04fc964ff", "1970-01-01T00:00:01Z")},
		{keyType: "DateTime64(6)", key: at, timeType: "String", at: "2024-06-01 12:00:00", want: gettertest.At("2024-06-01T12:00:00.654321Z", "2024-06-01T12:00:00Z"), berlin: gettertest.At("2024-06-01T12:00:00.654321Z", "2024-06-01T10:00:00Z")},
		{keyType: "Decimal(9, 2)", key: decimal.New(150, -2), timeType: "UInt64", at: uint64(1), want: gettertest.At("1.5", "1970-01-01T00:00:01Z")},
	} {
		f := &fakeServer{t: t, profile: modern(), answer: func(w *writer) {
			w.block(both, []string{c.keyType, c.timeType})
			w.block(both, []string{c.keyType, c.timeType}, []any{c.key, c.at})
			w.end()
		}}
		dsn := f.start()
		if c.berlin == (gettertest.Row{}) {
			c.berlin = c.want
		}
		for zone, want := range map[string]gettertest.Row{"": c.want, "Europe/Berlin": c.berlin} {
			got := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "timezone": zone}).MustGet(t, one).Rows
			if len(got) != 1 || got[0] != want {
				t.Errorf("%s, %s in %q: got %v, want %v", c.keyType, c.timeType, zone, got, want)
			}
		}
	}
}

// TestTimesOfDayAreNoTimes: the driver gives a span, which could pass for seconds
// since the epoch.
func TestTimesOfDayAreNoTimes(t *testing.T) {
	for _, d := range []struct {
		d    time.Duration
		want string
	}{
		{0, "00:00:00"},
		{12*time.Hour + 34*time.Minute + 56*time.Second, "12:34:56"},
		{-(999*time.Hour + 59*time.Minute + 59*time.Second + 5*time.Millisecond), "-999:59:59.005"},
	} {
		if got := durationText(d.d); got != d.want {
			t.Errorf("got %s, want %s", got, d.want)
		}
	}
	f := &fakeServer{t: t, profile: modern(), answer: func(w *writer) {
		w.block(both, []string{"Time", "Time"}, []any{90 * time.Second, 90 * time.Second})
		w.end()
	}}
	_, err := gettertest.MustStart(t, plugin(), map[string]any{"dsn": f.start()}).Get(t.Context(), one)
	gettertest.WantFault(t, err, codes.InvalidArgument, "f4ke-s3cret", `"00:01:30"`)
}

// TestResultsThatBreakOff: a part of a result is never the whole.
func TestResultsThatBreakOff(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*writer)
		code codes.Code
		word string
	}{
		{"the connection is lost", func(w *writer) { w.flush(); w.conn.Close() }, codes.Unavailable, ""},
		{"in the middle of a block", func(w *writer) {
			w.block(both, []string{"String", "Int64"}, []any{"c", int64(3)})
			w.conn.Write(w.buf.Buf[:len(w.buf.Buf)-5])
			w.conn.Close()
		}, codes.Unavailable, ""},
		{"the time limit", func(w *writer) { w.exception(159, "Timeout exceeded: elapsed 1.0 seconds") }, codes.DeadlineExceeded, "Timeout exceeded"},
		{"memory", func(w *writer) { w.exception(241, "Memory limit (total) exceeded") }, codes.Unavailable, "Memory limit"},
		{"division", func(w *writer) { w.exception(153, "Division by zero") }, codes.InvalidArgument, "Division by zero"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeServer{t: t, profile: modern(), answer: func(w *writer) {
				w.block(both, []string{"String", "Int64"}, []any{"a", int64(1)}, []any{"b", int64(2)})
				c.end(w)
			}}
			g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": f.start()})
			for range 2 { // and the next query meets no rest of this one
				_, err := g.Get(t.Context(), one)
				gettertest.WantFault(t, err, c.code, "f4ke-s3cret", c.word)
			}
		})
	}
}

// TestSessionIsMadeReadOnly shows the statement that a session begins with.
func TestSessionIsMadeReadOnly(t *testing.T) {
	f := &fakeServer{t: t, profile: modern(), answer: func(w *writer) {
		w.block(both, []string{"String", "Int64"}, []any{"a", int64(1)})
		w.end()
	}}
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": f.start(), "timezone": "Europe/Berlin"})
	for range 3 {
		g.MustGet(t, one)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	const want = "SET skip_unavailable_shards = 0, timeout_overflow_mode_leaf = 'throw', session_timezone = 'Europe/Berlin', readonly = 2"
	if len(f.sets) != 1 || f.sets[0] != want {
		t.Errorf("got %q, want once %q", f.sets, want)
	}
}

// TestSilentServer: a server that takes a connection and says nothing costs no more
// than the time limit.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "clickhouse://u:s1lent@" + l.Addr().String() + "/d"})
	began := time.Now()
	ctx, cancel := timeout(t, 300*time.Millisecond)
	defer cancel()
	_, err = g.Get(ctx, one)
	gettertest.WantFault(t, err, codes.DeadlineExceeded, "s1lent")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}
