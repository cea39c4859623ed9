package checkfile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/textfile"
)

// Settle is how far apart two reads of a changed file must be, and agree, before
// its text is taken over: editors and copies write in pieces.
const Settle = 250 * time.Millisecond

// Loader reads a folder of checker files again and again. It remembers each file
// and reads only those that changed, so that thousands cost little. The zero
// value with Dir set is ready. It must not be used by two goroutines at once.
//
// It never sleeps and never reads the clock:
//
//	set, err := loader.Load(time.Now())
//	if err != nil {
//		// The folder cannot be read: everything goes on as it was.
//	}
//	// Take over set.Files that are Settled; keep the others as they were;
//	// what is in no File and not set.Hides(name) is gone.
//	if set.Again > 0 {
//		// Call Look, or Load, after that time.
//	}
type Loader struct {
	// Dir is the folder. It may be a link; links to folders below it are not
	// followed.
	Dir string
	// Parser reads the files.
	Parser Parser

	files map[string]*entry
	// listing is how the folder looked when it was last walked through, with what Look
	// has seen since; nil where nothing is known of it.
	listing *walk
}

// File is one checker file of a Set.
type File struct {
	// Name is the checker's name; CheckName may have found fault with it.
	Name string
	// Path is the file's path, beginning with the loader's Dir.
	Path string
	// Checker is the file's last settled text, nil where it has errors or was
	// never settled.
	Checker *dwmon.Checker
	// Faults are those of the last settled text, or why the file cannot be read
	// or used; warnings may stand beside a Checker.
	Faults []Fault
	// Settled is false while a new text waits for a second read that agrees. The
	// file is there, and is to be kept as it was last.
	Settled bool
}

// Set is what a folder held at one moment.
type Set struct {
	// Files are all checker files, by name; none may mean that a mount is gone.
	Files []File
	// Faults are those of folders below Dir that cannot be read.
	Faults []Fault
	// Unsettled counts the files that wait for a second read.
	Unsettled int
	// Again is when Look can settle one of them, from the time given to this
	// look; 0 where none waits.
	Again time.Duration
	// Read and Parsed count the files whose text was read and parsed this time.
	Read, Parsed int

	// hidden are folders, as prefixes of names, that could not be looked into.
	hidden []string
}

// Hides says whether a checker that is in no File may still be there, in a
// folder that could not be read.
func (s *Set) Hides(name string) bool {
	return slices.ContainsFunc(s.hidden, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// AllFaults gives the faults of folders and files, sorted.
func (s *Set) AllFaults() []Fault {
	all := slices.Clone(s.Faults)
	for i := range s.Files {
		all = append(all, s.Files[i].Faults...)
	}
	dwmon.SortFaults(all)
	return all
}

// Load looks at the folder. now orders the reads; it should carry a monotonic
// reading. The error is a Fault and says that the folder itself cannot be read:
// nothing is known of any checker then.
func (l *Loader) Load(now time.Time) (*Set, error) {
	return l.load(now, Settle)
}

// Look looks only at the files of the paths, which somebody says have changed, and at
// those that wait for a second read; of all others it says what was last seen. A path
// begins with Dir. Where one may stand for more than a file (a folder, a link that
// others lead through, something that is gone), where a folder could not be read the
// last time, and before the first Load, it looks at everything, as Load does.
//
// It is a shorter way to the same: what nobody has said is found by the next Load.
func (l *Loader) Look(now time.Time, paths ...string) (*Set, error) {
	named := map[string]bool{}
	for _, path := range paths {
		rel, reach := l.reach(path)
		switch reach {
		case everything:
			return l.Load(now)
		case oneFile:
			named[rel] = true
		}
	}
	if l.listing == nil || len(l.listing.hidden) > 0 {
		return l.Load(now)
	}
	for rel := range named {
		if l.files[rel] == nil {
			l.listing.files = append(l.listing.files, rel)
		}
	}
	return l.gather(now, Settle, func(rel string, e *entry) bool { return named[rel] || e.pending != nil }), nil
}

// reach is how much may have changed with what lies at a path.
type reach int

const (
	nothing reach = iota
	oneFile
	everything
)

// reach says what has to be looked at when something at a path has changed; rel is the
// path below Dir, with "/" between, where that is one file.
func (l *Loader) reach(path string) (rel string, _ reach) {
	rel, err := filepath.Rel(l.Dir, path)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return "", everything
	}
	rel = filepath.ToSlash(rel)
	info, err := os.Lstat(path)
	switch {
	case err == nil && (info.IsDir() || info.Mode()&fs.ModeSymlink != 0):
		return "", everything
	case slices.ContainsFunc(strings.Split(rel, "/"), overlooked):
		return "", nothing
	case strings.HasSuffix(rel, Ending) && (err == nil || l.files[rel] != nil):
		return rel, oneFile
	case err == nil:
		return "", nothing
	}
	return "", everything
}

// overlooked says whether a file or folder of a name is none of a checks folder's.
func overlooked(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~")
}

// LoadNow looks at the folder for those who cannot come again: validate, once,
// and the first start. Two reads in a row that agree settle a file; one that
// changes under them is a fault. Every File is settled.
func (l *Loader) LoadNow(now time.Time) (*Set, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		set, err := l.load(now, 0)
		if err != nil || set.Unsettled == 0 {
			return set, err
		}
		if attempt < attempts {
			continue
		}
		for i := range set.Files {
			if f := &set.Files[i]; !f.Settled {
				*f = File{
					Name: f.Name, Path: f.Path, Settled: true,
					Faults: []Fault{fileFault(f.Path, "the file changes while it is read", "try again when it is written")},
				}
			}
		}
		set.Unsettled, set.Again = 0, 0
		return set, nil
	}
}

// ReadFile is Parser.ReadFile of the zero Parser.
func ReadFile(path, name string) File { return Parser{}.ReadFile(path, name) }

// ReadFile reads one checker file that need not lie in a folder of checkers. An
// empty name stands for the file's own, without its ending.
func (p Parser) ReadFile(path, name string) File {
	if name == "" {
		base := filepath.Base(path)
		name = strings.TrimSuffix(base, filepath.Ext(base))
	}
	f := File{Name: name, Path: path, Settled: true}
	if _, err := statRegular(path); err != nil {
		f.Faults = []Fault{unreadable(path, err)}
	} else if text, err := textfile.Start(path, MaxBytes+1); err != nil {
		f.Faults = []Fault{unreadable(path, err)}
	} else {
		f.Checker, f.Faults = p.Parse(path, name, text)
	}
	f.checkName()
	return f
}

func (l *Loader) load(now time.Time, apart time.Duration) (*Set, error) {
	w := &walk{root: l.Dir}
	l.listing = nil
	if err := w.folder(""); err != nil {
		return nil, err
	}
	l.listing = w
	return l.gather(now, apart, func(string, *entry) bool { return true }), nil
}

// gather makes the set of what is listed. Of a file that is not to be examined it takes
// what was last seen.
func (l *Loader) gather(now time.Time, apart time.Duration, examine func(rel string, e *entry) bool) *Set {
	w := l.listing
	set := &Set{Faults: w.faults, hidden: w.hidden, Files: make([]File, 0, len(w.files))}
	files := make(map[string]*entry, len(w.files))
	w.files = slices.DeleteFunc(w.files, func(rel string) bool {
		e := l.files[rel]
		if e == nil {
			e = &entry{name: strings.TrimSuffix(rel, Ending), path: filepath.Join(l.Dir, filepath.FromSlash(rel)), parser: l.Parser}
		}
		if examine(rel, e) {
			e.seen, e.there = e.look(now, apart, set)
			e.seen.checkName()
		}
		if !e.there {
			return true
		}
		files[rel] = e
		set.Files = append(set.Files, e.seen)
		return false
	})
	for rel, e := range l.files {
		if files[rel] == nil && set.Hides(e.name) {
			files[rel] = e
		}
	}
	l.files = files
	set.sort()
	return set
}

// sort orders the files by name and reports names that differ in case alone:
// some file systems and many people do not tell them apart.
func (s *Set) sort() {
	slices.SortFunc(s.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	first := make(map[string]int, len(s.Files))
	var twins map[string][]int // hardly ever are there any
	for i := range s.Files {
		key := foldName(s.Files[i].Name)
		before, there := first[key]
		if !there {
			first[key] = i
			continue
		}
		if twins == nil {
			twins = map[string][]int{}
		}
		if twins[key] == nil {
			twins[key] = []int{before}
		}
		twins[key] = append(twins[key], i)
	}
	for _, same := range twins {
		for n, i := range same {
			other := &s.Files[same[(n+1)%len(same)]]
			s.Files[i].refuseTwin(other.Path)
		}
	}
}

// foldName is the same for names that differ in case alone.
func foldName(name string) string { return strings.ToLower(name) }

// refuseTwin says that another file's name differs in case alone.
func (f *File) refuseTwin(other string) {
	f.refuse(fmt.Sprintf("the name %s differs from that of %s only in case", word(f.Name), word(other)), "rename one of the files")
}

// refuse adds a fault of the file as a whole. Faults may be shared with the
// loader's memory and are not appended to in place.
func (f *File) refuse(message, hint string) {
	f.Checker = nil
	f.Faults = append([]Fault{fileFault(f.Path, message, hint)}, f.Faults...)
}

func (f *File) checkName() {
	if err := CheckName(f.Name); err != nil {
		f.refuse(err.Error(), "rename the file")
	}
}

func fileFault(path, message, hint string) Fault {
	return Fault{File: path, Severity: dwmon.SeverityError, Message: message, Hint: hint, Code: dwmon.CodeFile}
}

// unreadable is the fault of a file or folder that cannot be read. The path is
// named once.
func unreadable(path string, err error) Fault {
	err = textfile.Cause(err)
	hint := ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = "let the user that dwmon runs as read it"
	case errors.Is(err, fs.ErrNotExist):
		hint = "create it, or look at the path"
	}
	return fileFault(path, "cannot be read: "+err.Error(), hint)
}

// walk lists the checker files below a folder.
type walk struct {
	root   string
	files  []string
	faults []Fault
	hidden []string
}

// folder looks into a folder, named by its path below the root with "/" between
// and at the end, "" for the root. Only the root's own failure is an error.
func (w *walk) folder(rel string) error {
	full := filepath.Join(w.root, filepath.FromSlash(rel))
	entries, err := os.ReadDir(full)
	switch {
	case err == nil:
	case rel == "":
		return unreadable(w.root, err)
	case errors.Is(err, fs.ErrNotExist): // gone since its parent was listed
		return nil
	default:
		w.faults = append(w.faults, unreadable(full, err))
		w.hidden = append(w.hidden, rel)
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case overlooked(name):
		case e.IsDir():
			if err := w.folder(rel + name + "/"); err != nil {
				return err
			}
		case strings.HasSuffix(name, Ending):
			w.files = append(w.files, path.Join(rel, name))
		}
	}
	return nil
}

// entry is what a Loader remembers of one file.
type entry struct {
	name, path string
	parser     Parser

	// stamp, hash and since tell of the last text read: since is the first read
	// that found it. pending is that text while it waits to be settled.
	stamp   stamp
	hash    [sha256.Size]byte
	since   time.Time
	pending []byte
	// quiet says that the file had rested so long when it was read that a later
	// write must show in its stamp.
	quiet bool

	// settled says that taken, checker and faults tell of a text taken over.
	settled bool
	taken   [sha256.Size]byte
	checker *dwmon.Checker
	faults  []Fault

	// seen is what the last look gave, with its name looked at; there is false where it
	// found no file.
	seen  File
	there bool
}

// rest is how long a file must have rested before a read for its stamp to prove
// that it is unchanged: the coarsest clock of the file systems in use.
const rest = 2 * time.Second

// look brings the entry up to date; there is false where the file is gone, or is
// a link to a folder.
func (e *entry) look(now time.Time, apart time.Duration, set *Set) (f File, there bool) {
	info, err := statRegular(e.path)
	switch {
	case errors.Is(err, errFolder):
		return File{}, false
	case errors.Is(err, fs.ErrNotExist) && !isLink(e.path):
		return File{}, false
	case err != nil:
		return e.broken(err), true
	}
	st := stampOf(info)
	if e.pending == nil && e.settled && e.quiet && e.stamp == st {
		return e.file(true), true
	}
	text, err := textfile.Start(e.path, MaxBytes+1)
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, false
	}
	if err != nil {
		return e.broken(err), true
	}
	set.Read++
	e.stamp, e.quiet = st, now.Sub(st.changed()) > rest
	return e.saw(text, now, apart, set), true
}

// saw takes note of a text that was read.
func (e *entry) saw(text []byte, now time.Time, apart time.Duration, set *Set) File {
	hash := sha256.Sum256(text)
	switch {
	case e.settled && hash == e.taken:
		e.hash, e.pending = hash, nil
		return e.file(true)
	case e.pending == nil || hash != e.hash:
		e.hash, e.since, e.pending = hash, now, text
		set.wait(apart)
		return e.file(false)
	case now.Sub(e.since) < apart:
		set.wait(apart - now.Sub(e.since))
		return e.file(false)
	}
	e.settled, e.taken, e.pending = true, hash, nil
	e.checker, e.faults = e.parser.Parse(e.path, e.name, text)
	set.Parsed++
	return e.file(true)
}

func (s *Set) wait(d time.Duration) {
	if s.Unsettled++; s.Again == 0 || d < s.Again {
		s.Again = max(d, 1)
	}
}

func (e *entry) file(settled bool) File {
	return File{Name: e.name, Path: e.path, Checker: e.checker, Faults: e.faults, Settled: settled}
}

// broken is the file while it cannot be read. What was read of it before is kept
// in memory, and is read again before it counts.
func (e *entry) broken(err error) File {
	e.quiet, e.pending = false, nil
	return File{Name: e.name, Path: e.path, Faults: []Fault{unreadable(e.path, err)}, Settled: true}
}

var errFolder = errors.New("is a folder")

// statRegular follows links and refuses whatever a read could hang on.
func statRegular(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errFolder
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	return info, nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
