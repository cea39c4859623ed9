// Command watch prints its time, microseconds since the epoch, how long it took to let
// five seconds go by in three ways, and its time again.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	a, b, err := pair()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer a.Close()
	defer b.Close()
	fmt.Println(time.Now().UnixMicro())
	for _, wait := range []func(time.Duration){
		time.Sleep,
		func(d time.Duration) { <-time.After(d) },
		func(d time.Duration) {
			_ = a.SetReadDeadline(time.Now().Add(d))
			_, _ = a.Read(make([]byte, 1))
		},
	} {
		began := time.Now()
		wait(5 * time.Second)
		fmt.Println(time.Since(began).Microseconds())
	}
	fmt.Println(time.Now().UnixMicro())
}

// pair is a connection between two sockets, for which the system does the waiting.
func pair() (a, b net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	b, err = l.Accept()
	return a, b, err
}
