package checkfile

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is read of one name is what the whole folder gives of it.
func TestReadNamedIsOneOfTheFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(rel, text string) {
		path := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := file(everyMinute, "")
	write("good.dwmon", good)
	write("billing/new.dwmon", good)
	write("billing/New.dwmon", good) // names that differ in case alone: an error on both
	write("bad.dwmon", "__QUERY__\n")
	write("two..dots.dwmon", good)
	write(".hidden.dwmon", good)
	write("other.txt", good)
	if err := os.Symlink(filepath.Join(dir, "billing"), filepath.Join(dir, "linked.dwmon")); err != nil {
		t.Skip("no links here:", err)
	}
	set, err := (&Loader{Dir: dir}).LoadNow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	for i := range set.Files {
		want := &set.Files[i]
		got, others, err := Parser{}.ReadNamed(dir, want.Name)
		if err != nil || got == nil {
			t.Fatalf("%s: %v, %v", want.Name, got, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-folder +alone):\n%s", want.Name, diff)
		}
		if slices.Contains(others, want.Name) {
			t.Errorf("%s is among the others: %q", want.Name, others)
		}
	}
	if len(set.Files) != 5 {
		t.Fatalf("the folder has %d files, want 5", len(set.Files))
	}
	for _, name := range []string{"none", "linked", ".hidden", "other", "billing", "../good"} {
		if got, _, err := (Parser{}).ReadNamed(dir, name); got != nil || err != nil {
			t.Errorf("%s: %+v, %v; want nothing", name, got, err)
		}
	}
	if _, others, _ := (Parser{}).ReadNamed(dir, "god"); !slices.Contains(others, "good") {
		t.Errorf("instead of god there are %q", others)
	}
	if _, _, err := (Parser{}).ReadNamed(filepath.Join(dir, "gone"), "good"); err == nil {
		t.Error("a folder that is not there was read")
	}
}

// The marker stands in each text that has options, wherever it was taken from.
func TestTextsWithoutTheMarkerHaveNoOptions(t *testing.T) {
	with, without := file(everyMinute, "__OPTIONS__\ngrace: 5m\n"), file(everyMinute, "")
	if !MayHaveOptions([]byte(with)) || MayHaveOptions([]byte(without)) {
		t.Error("the marker was not found, or where it is not")
	}
	c := mustParse(t, without)
	if diff := cmp.Diff(mustParse(t, file(everyMinute, "__OPTIONS__\n# none\n")).Options, c.Options); diff != "" {
		t.Errorf("a text without options differs from one with none (-none +without):\n%s", diff)
	}
}
