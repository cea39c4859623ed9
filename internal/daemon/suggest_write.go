package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// ErrFileChanged says that a file is not what it was when its lines were made.
var ErrFileChanged = errors.New("it was changed meanwhile; nothing was written, suggest again")

// Write puts the proposed lines into the checker's file, whole or not at all. What is
// outside of its REQUIREMENTS stays byte for byte, and so do mode and owner. The
// error is ErrFileChanged where the file is not the text that the lines were made for,
// and an *EnvironmentError where it cannot be written.
func (s *Suggestion) Write() error {
	path := s.Checker.File
	now, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &EnvironmentError{fmt.Errorf("there is no file %s to write to: the checker's text is known from the database only", path)}
	case err != nil:
		return &EnvironmentError{err}
	case !bytes.Equal(now, s.Checker.Text):
		return fmt.Errorf("%s: %w", path, ErrFileChanged)
	}
	text := checkfile.WithRequirements(now, s.Text)
	if err := s.check(text); err != nil {
		return err
	}
	if err := replaceFile(path, text); err != nil {
		return &EnvironmentError{fmt.Errorf("%s is left as it was: %w", path, err)}
	}
	return nil
}

// check makes sure that the new text says what was proposed, and nothing else.
func (s *Suggestion) check(text []byte) error {
	c, faults := checkerFiles.Parse(s.Checker.File, s.Checker.Name, text)
	if c == nil {
		return fmt.Errorf("%s is left as it was: with the proposed lines it would be faulty: %w", s.Checker.File, dwmon.FileFaults(faults))
	}
	proposed := s.Requirements()
	same := len(c.Lines) == len(proposed) && c.QueryRevision() == s.Checker.QueryRevision() && bytes.Equal(c.Extra, s.Checker.Extra)
	for i := range c.Lines {
		same = same && c.Lines[i].Identity() == proposed[i].Identity()
	}
	if !same {
		return fmt.Errorf("%s is left as it was: with the proposed lines it would not say what is proposed", s.Checker.File)
	}
	return nil
}
