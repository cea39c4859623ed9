package draft

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ErrStopped ends an interview that was broken off. Nothing was written.
var ErrStopped = errors.New("stopped: nothing was written")

// Asker asks somebody at a terminal, one line at a time. Its questions are plain
// text, so that they work over any connection.
type Asker struct {
	out   io.Writer
	lines chan string
	// echo shows the answers, as a terminal does by itself.
	echo bool
}

// NewAsker reads answers from in until it ends.
func NewAsker(in io.Reader, out io.Writer) *Asker {
	a := &Asker{out: out, lines: make(chan string)}
	// A read of a terminal cannot be broken off: whoever stops waiting for it leaves
	// the goroutine to the end of the process.
	go func() {
		defer close(a.lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			a.lines <- s.Text()
		}
	}()
	return a
}

// Say tells something.
func (a *Asker) Say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

func (a *Asker) line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-a.lines:
		if ok {
			if a.echo {
				a.Say("%s", line)
			}
			return line, nil
		}
	case <-ctx.Done():
	}
	fmt.Fprintln(a.out)
	return "", ErrStopped
}

// Text asks for a text. An empty answer is the proposal. check, where it is not nil,
// says what is wrong with an answer: it is asked for again.
func (a *Asker) Text(ctx context.Context, question, proposal string, check func(string) error) (string, error) {
	for {
		if proposal != "" {
			fmt.Fprintf(a.out, "%s [%s]: ", question, proposal)
		} else {
			fmt.Fprintf(a.out, "%s: ", question)
		}
		answer, err := a.line(ctx)
		if err != nil {
			return "", err
		}
		if answer = strings.TrimSpace(answer); answer == "" {
			answer = proposal
		}
		if check == nil {
			return answer, nil
		}
		if err := check(answer); err == nil {
			return answer, nil
		} else {
			a.Say("  %v", err)
		}
	}
}

// Choose shows a list and asks for one of it, by number or by name. other, where it is
// not nil, takes an answer that is neither, or says what is wrong with it.
func (a *Asker) Choose(ctx context.Context, question string, list []string, proposal string, other func(string) error) (string, error) {
	a.show(list)
	chosen := ""
	_, err := a.Text(ctx, question, proposal, func(answer string) error {
		if n, err := strconv.Atoi(answer); err == nil && 1 <= n && n <= len(list) {
			chosen = list[n-1]
			return nil
		}
		for _, entry := range list {
			if entry == answer {
				chosen = entry
				return nil
			}
		}
		if other == nil {
			return fmt.Errorf("answer with a number from 1 to %d, or a name of the list", len(list))
		}
		if err := other(answer); err != nil {
			return err
		}
		chosen = answer
		return nil
	})
	return chosen, err
}

// mostShown is how many entries of a list are shown: a screen of them.
const mostShown = 40

func (a *Asker) show(list []string) {
	for i, entry := range list[:min(len(list), mostShown)] {
		a.Say("  %3d  %s", i+1, entry)
	}
	if more := len(list) - mostShown; more > 0 {
		a.Say("       and %d more, which can be named", more)
	}
}

// Lines asks for several lines, ended by an empty one.
func (a *Asker) Lines(ctx context.Context, question string) (string, error) {
	a.Say("%s, and then an empty line:", question)
	var lines []string
	for {
		line, err := a.line(ctx)
		if err != nil {
			return "", err
		}
		switch line = strings.TrimRight(line, " \t\r"); {
		case line != "":
			lines = append(lines, line)
		case len(lines) > 0:
			return strings.Join(lines, "\n"), nil
		}
	}
}
