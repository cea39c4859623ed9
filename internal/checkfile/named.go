package checkfile

import (
	"errors"
	"path/filepath"
	"strings"
)

// ReadNamed reads the file of one checker in a folder, and no other file: in a folder
// of ten thousand that is what takes time. It is what Loader.LoadNow gives of a file
// that nobody writes meanwhile: this reads it once. file is nil where the folder has
// none of that name; others are the names that it has instead, unsorted. The error is
// a Fault and says that the folder cannot be read.
func (p Parser) ReadNamed(dir, name string) (file *File, others []string, err error) {
	w := walk{root: dir}
	if err := w.folder(""); err != nil {
		return nil, nil, err
	}
	for _, rel := range w.files {
		there := strings.TrimSuffix(rel, Ending)
		if there != name {
			others = append(others, there)
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(rel))
		if _, err := statRegular(path); errors.Is(err, errFolder) {
			continue // a link to a folder
		}
		f := p.ReadFile(path, name)
		file = &f
	}
	if file == nil {
		return nil, others, nil
	}
	for _, other := range others {
		if foldName(other) == foldName(name) {
			file.refuseTwin(filepath.Join(dir, filepath.FromSlash(other+Ending)))
			break
		}
	}
	return file, others, nil
}
