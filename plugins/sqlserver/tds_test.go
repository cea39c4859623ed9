package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/dwmon/dwmon/plugins/internal/gettertest/engine"
)

// fakeServer speaks TDS as far as this plugin needs it: prelogin without encryption,
// login, batches, attention.
type fakeServer struct {
	t        *testing.T
	engine   *engine.Engine
	password string
	encrypt  byte // the server's answer about encryption
	// canned are the two columns of certain batches.
	canned map[string][2]cell
	// refuse, where set, is the error of a login; fault that of every query.
	refuse, fault *tdsError
	// tls, where set, is the certificate that is shown.
	tls *tls.Certificate
	// breakAfter, where set, is how many packets of a query's answer arrive before the
	// connection breaks.
	breakAfter int

	mu      sync.Mutex
	batches []string
	opened  int // transactions
	undone  int // those that were rolled back
}

// cell is a type and a value, as bytes on the wire.
type cell struct{ info, value []byte }

// tdsError is an error of the server.
type tdsError struct {
	number  int32
	class   byte
	message string
}

func newFake(t *testing.T) *fakeServer {
	return &fakeServer{t: t, engine: engine.New(t), password: "ms/s3cret@:pw", encrypt: 2, canned: make(map[string][2]cell)}
}

// start returns the server's address.
func (f *fakeServer) start() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	var open sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	f.t.Cleanup(func() {
		l.Close()
		cancel()
		open.Wait()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { c.Close() })
			open.Go(func() {
				defer stop()
				defer c.Close()
				(&tdsConn{fake: f, conn: c}).serve()
			})
		}
	}()
	return l.Addr().String()
}

// Packet types, and the bit of a message's last packet.
const (
	packetBatch     = 1
	packetReply     = 4
	packetAttention = 6
	packetLogin     = 16
	packetPrelogin  = 18
	endOfMessage    = 1
)

// tdsConn is one connection of the fake.
type tdsConn struct {
	fake *fakeServer
	conn net.Conn
	out  []byte
	sent int // packets of the answer to a query

	session *sql.Conn
	inTx    bool
}

// message reads a whole message.
func (c *tdsConn) message() (kind byte, body []byte, err error) {
	for {
		var head [8]byte
		if _, err := io.ReadFull(c.conn, head[:]); err != nil {
			return 0, nil, err
		}
		part := make([]byte, int(binary.BigEndian.Uint16(head[2:]))-len(head))
		if _, err := io.ReadFull(c.conn, part); err != nil {
			return 0, nil, err
		}
		body = append(body, part...)
		if head[1]&endOfMessage != 0 {
			return head[0], body, nil
		}
	}
}

const packetSize = 4096

// flush sends what has been written, in packets; last ends the message.
func (c *tdsConn) flush(last bool) {
	for {
		n := min(len(c.out), packetSize-8)
		status := byte(0)
		if last && n == len(c.out) {
			status = endOfMessage
		}
		head := []byte{packetReply, status, 0, 0, 0, 0, 1, 0}
		binary.BigEndian.PutUint16(head[2:], uint16(n+len(head)))
		if c.sent++; c.inTx && c.fake.breakAfter > 0 && c.sent > c.fake.breakAfter {
			c.conn.Close()
		}
		c.conn.Write(append(head, c.out[:n]...))
		if c.out = c.out[n:]; len(c.out) == 0 {
			return
		}
	}
}

func (c *tdsConn) serve() {
	kind, _, err := c.message()
	if err != nil || kind != packetPrelogin {
		return
	}
	c.out = []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, c.fake.encrypt}
	c.flush(true)
	if c.fake.tls != nil {
		config := &tls.Config{Certificates: []tls.Certificate{*c.fake.tls}, MaxVersion: tls.VersionTLS12}
		wrapped := &handshake{Conn: c.conn}
		secured := tls.Server(wrapped, config)
		if err := secured.Handshake(); err != nil {
			return
		}
		wrapped.over = true
		c.conn = secured
	}
	kind, body, err := c.message()
	if err != nil || kind != packetLogin {
		return
	}
	if !c.login(body) {
		return
	}
	c.session, err = c.fake.engine.DB.Conn(context.Background())
	if err != nil {
		return
	}
	defer c.session.Close()
	defer c.rollback()
	c.batches()
}

// login looks at user and password.
func (c *tdsConn) login(body []byte) bool {
	field := func(at int) []byte {
		from, n := binary.LittleEndian.Uint16(body[at:]), binary.LittleEndian.Uint16(body[at+2:])
		return body[from : int(from)+2*int(n)]
	}
	hidden := field(44)
	password := make([]byte, len(hidden))
	for i, b := range hidden {
		b ^= 0xa5
		password[i] = b<<4 | b>>4
	}
	refused := c.fake.refuse
	if text(field(40)) != "reader" || text(password) != c.fake.password {
		refused = &tdsError{18456, 14, "Login failed for user '" + text(field(40)) + "'."}
	}
	if refused != nil {
		c.fail(*refused)
		c.flush(true)
		return false
	}
	name := ucs2("Microsoft SQL Server")
	ack := append([]byte{1, 0x74, 0, 0, 4, byte(len(name) / 2)}, name...)
	ack = append(ack, 16, 0, 0, 0)
	c.out = append(binary.LittleEndian.AppendUint16([]byte{0xad}, uint16(len(ack))), ack...)
	c.done(0, 0)
	c.flush(true)
	return true
}

// batches serves batches one after the other, each until its end or attention.
func (c *tdsConn) batches() {
	messages := make(chan string) // batches; attention is an empty one
	go func() {
		defer close(messages)
		for {
			kind, body, err := c.message()
			if err != nil {
				return
			}
			switch kind {
			case packetBatch:
				messages <- text(body[binary.LittleEndian.Uint32(body):])
			case packetAttention:
				messages <- ""
			}
		}
	}()
	for batch := range messages {
		if batch == "" { // attention that came too late
			c.done(0x20, 0)
			c.flush(true)
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.run(ctx, batch)
		}()
		attention, gone := false, false
		select {
		case <-ended:
		case _, ok := <-messages:
			attention, gone = ok, !ok
		}
		cancel()
		<-ended
		if gone {
			return
		}
		if attention {
			c.done(0x20, 0)
		}
		c.flush(true)
	}
}

func (c *tdsConn) rollback() {
	if c.inTx {
		c.session.ExecContext(context.Background(), "ROLLBACK")
		c.inTx = false
		c.fake.count(&c.fake.undone)
	}
}

func (f *fakeServer) count(n *int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*n++
}

// run answers one batch, up to the end of its message.
func (c *tdsConn) run(ctx context.Context, batch string) {
	c.fake.mu.Lock()
	c.fake.batches = append(c.fake.batches, batch)
	canned, isCanned := c.fake.canned[batch]
	c.fake.mu.Unlock()
	switch {
	case strings.HasPrefix(batch, "SET LOCK_TIMEOUT"):
		c.session.ExecContext(context.Background(), "BEGIN")
		c.inTx = true
		c.fake.count(&c.fake.opened)
		c.out = append(c.out, 0xe3, 11, 0, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0)
		now := stamp(time.Now(), time.FixedZone("", 2*3600))
		c.columns([]string{""}, [][]byte{now.info})
		c.out = append(append(c.out, 0xd1), now.value...)
		c.done(0x10, 1)
	case strings.HasPrefix(batch, "IF @@TRANCOUNT"):
		c.rollback()
		c.out = append(c.out, 0xe3, 11, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8)
		c.done(0, 0)
	case isCanned:
		c.columns([]string{"dwmon_unique_key", "dwmon_timestamp"}, [][]byte{canned[0].info, canned[1].info})
		c.out = append(c.out, 0xd1)
		c.out = append(append(c.out, canned[0].value...), canned[1].value...)
		c.done(0x10, 1)
	case c.fake.fault != nil:
		c.fail(*c.fake.fault)
	default:
		c.sent = 0
		c.query(ctx, batch)
	}
}

// handshake carries the messages of a TLS handshake in packets, until it is over.
type handshake struct {
	net.Conn
	over bool
	left []byte
}

func (h *handshake) Read(b []byte) (int, error) {
	if h.over {
		return h.Conn.Read(b)
	}
	if len(h.left) == 0 {
		_, body, err := (&tdsConn{conn: h.Conn}).message()
		if err != nil {
			return 0, err
		}
		h.left = body
	}
	n := copy(b, h.left)
	h.left = h.left[n:]
	return n, nil
}

func (h *handshake) Write(b []byte) (int, error) {
	if h.over {
		return h.Conn.Write(b)
	}
	head := []byte{packetPrelogin, endOfMessage, 0, 0, 0, 0, 1, 0}
	binary.BigEndian.PutUint16(head[2:], uint16(len(b)+len(head)))
	_, err := h.Conn.Write(append(head, b...))
	return len(b), err
}

// selfSigned makes a certificate that nobody knows.
func selfSigned(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// query answers with the engine.
func (c *tdsConn) query(ctx context.Context, batch string) {
	fail := func(err error) {
		if errors.Is(err, context.Canceled) {
			return
		}
		e := tdsError{102, 15, "Incorrect syntax: " + err.Error()}
		if strings.Contains(err.Error(), "no such") {
			e = tdsError{208, 16, "Invalid object or column name: " + err.Error()}
		}
		c.fail(e)
	}
	result, err := c.fake.engine.Query(ctx, c.session, batch)
	if err != nil {
		fail(err)
		return
	}
	defer result.Close()
	var rows uint64
	hang := strings.Contains(batch, engine.Hang)
	for {
		row, err := result.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fail(err)
			return
		}
		if rows == 0 {
			c.columns(result.Columns, infos(row))
		}
		c.out = append(c.out, 0xd1)
		for _, v := range row {
			c.out = append(c.out, valueOf(v)...)
		}
		if rows++; len(c.out) > packetSize || hang {
			c.flush(false)
		}
		if ctx.Err() != nil {
			return
		}
	}
	if rows == 0 {
		c.columns(result.Columns, infos(make([]any, len(result.Columns))))
	}
	c.done(0x10, rows)
}

// columns writes the metadata of a result.
func (c *tdsConn) columns(names []string, infos [][]byte) {
	c.out = binary.LittleEndian.AppendUint16(append(c.out, 0x81), uint16(len(names)))
	for i, name := range names {
		c.out = append(c.out, 0, 0, 0, 0, 1, 0)
		c.out = append(c.out, infos[i]...)
		c.out = append(append(c.out, byte(len(utf16.Encode([]rune(name))))), ucs2(name)...)
	}
}

func (c *tdsConn) done(status uint16, rows uint64) {
	c.out = binary.LittleEndian.AppendUint16(append(c.out, 0xfd), status)
	c.out = binary.LittleEndian.AppendUint16(c.out, 0xc1)
	c.out = binary.LittleEndian.AppendUint64(c.out, rows)
}

func (c *tdsConn) fail(e tdsError) {
	body := binary.LittleEndian.AppendUint32(nil, uint32(e.number))
	body = append(body, 1, e.class)
	body = binary.LittleEndian.AppendUint16(body, uint16(len(utf16.Encode([]rune(e.message)))))
	body = append(append(body, ucs2(e.message)...), 0, 0)
	body = binary.LittleEndian.AppendUint32(body, 1)
	c.out = binary.LittleEndian.AppendUint16(append(c.out, 0xaa), uint16(len(body)))
	c.out = append(c.out, body...)
	c.done(2, 0)
}
