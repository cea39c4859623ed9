package pluginhost

// Ignored is something in the plugins folder that is no plugin and belongs to none,
// and why.
type Ignored struct {
	Name string
	Path string
	Why  string
}

// IgnoredIn lists what Discover does not look at, by name.
func IgnoredIn(dir string) ([]Ignored, error) {
	_, ignored, err := Folder{Dir: dir}.scan()
	return ignored, err
}
