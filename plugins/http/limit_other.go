//go:build !unix || openbsd

package main

// limitAddressSpace does nothing where a process cannot limit itself.
func limitAddressSpace(int64) error { return nil }
