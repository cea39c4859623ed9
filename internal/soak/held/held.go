// Package held is what the daemon that is soaked says of itself.
package held

// Now is what a process holds after a garbage collection.
type Now struct {
	Goroutines int
	// Heap is in bytes.
	Heap uint64
}
