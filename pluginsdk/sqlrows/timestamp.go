package sqlrows

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// maxSeconds bounds timestamps: a larger number was given in milli-, micro- or
// nanoseconds.
const maxSeconds = 100_000_000_000

// farFuture stands for every time in words from the year 5138 on. No mistaken
// unit is written as a date with four digits for the year, but 9999-12-31 often
// means "no end": such a row is not an event yet, rather than a fault.
const farFuture = maxSeconds*1_000_000 - 1

// Timestamp reads a time as a database gives it: seconds since the epoch as an
// integer, a float or a text, a native time, or a text that ParseTimestamp
// reads. micros are since the epoch: exact types are floored, floats rounded.
// null says that there is no time. zone is that of texts without one. Native times
// of the years 0 and 1 are times of day, which are refused.
func Timestamp(v any, zone *time.Location) (micros int64, null bool, err error) {
	switch v := v.(type) {
	case nil:
		return 0, true, nil
	case int64:
		micros, err = fromInt(v)
	case float64:
		micros, err = fromFloat(v)
	case float32:
		micros, err = fromFloat(float64(v))
	case time.Time:
		micros, err = fromTime(v)
	case string:
		micros, err = parse(v, zone)
	case []byte:
		micros, err = parse(v, zone)
	case bool:
		err = fmt.Errorf("its %s is %t, a boolean and no time", TimeColumn, v)
	default:
		return otherTimestamp(v, zone)
	}
	return micros, false, err
}

// otherTimestamp is for what few drivers give: values that are not driver.Value.
func otherTimestamp(v any, zone *time.Location) (int64, bool, error) {
	if plain, ok, err := unwrap(v); err != nil {
		return 0, false, fmt.Errorf("its %s cannot be read: %w", TimeColumn, err)
	} else if ok {
		if _, array := plain.([16]byte); !array {
			return Timestamp(plain, zone)
		}
	}
	if s, ok := v.(fmt.Stringer); ok {
		micros, err := parse(s.String(), zone)
		return micros, false, err
	}
	return 0, false, fmt.Errorf("its %s is of a type that is no time (%T); cast it to a number or a time in the query", TimeColumn, v)
}

func fromInt(sec int64) (int64, error) {
	if sec >= maxSeconds || sec <= -maxSeconds {
		return 0, tooLarge(fmt.Sprint(sec), math.Abs(float64(sec)))
	}
	return sec * 1e6, nil
}

// fromFloat rounds to the microsecond. The whole seconds are split off first:
// multiplying at once would round twice.
func fromFloat(sec float64) (int64, error) {
	if math.IsNaN(sec) || math.IsInf(sec, 0) {
		return 0, fmt.Errorf("its %s is %v, which is no time", TimeColumn, sec)
	}
	if math.Abs(sec) >= maxSeconds {
		return 0, tooLarge(string(appendFloat(nil, sec, 64)), math.Abs(sec))
	}
	whole := math.Floor(sec)
	return int64(whole)*1e6 + int64(math.Round((sec-whole)*1e6)), nil
}

// fromTime refuses the years 0 and 1: drivers put a time of day into the one or the
// other, and a date of zeros becomes Go's zero time. As times they would be events of
// long ago, which no window counts.
func fromTime(t time.Time) (int64, error) {
	sec := t.Unix()
	switch year := t.Year(); {
	case year == 0 || year == 1:
		return 0, fmt.Errorf("its %s lies in the year %d: a time of day is no time: add its date in the query, or give NULL where there is none",
			TimeColumn, year)
	case sec < maxSeconds && sec > -maxSeconds:
		return t.UnixMicro(), nil
	case sec > 0 && year <= 9999:
		return farFuture, nil
	}
	return 0, fmt.Errorf("its %s lies in the year %d; if it was made from milliseconds, divide by 1000 in the query", TimeColumn, t.Year())
}

// tooLarge guesses the unit from the size. A time of our days has 10 digits in
// seconds, 13, 16 and 19 in the smaller units.
func tooLarge(value string, size float64) error {
	unit, by := "milliseconds", "1000"
	switch {
	case size >= 1e17:
		unit, by = "nanoseconds", "1000000000"
	case size >= 1e14:
		unit, by = "microseconds", "1000000"
	}
	return fmt.Errorf("its %s is %s, too large for seconds since the epoch; it looks like %s: divide by %s in the query",
		TimeColumn, cut(value), unit, by)
}

func notATime(value string) error {
	return fmt.Errorf("its %s is %q, which is no time; want seconds since the epoch, or YYYY-MM-DD HH:MM:SS with or without a zone",
		TimeColumn, cut(value))
}

// cut bounds a value that is quoted in an error.
func cut(value string) string {
	const most = 80
	if len(value) <= most {
		return value
	}
	return strings.ToValidUTF8(value[:most], "") + "…"
}

// ParseTimestamp reads a time from text: a decimal number of seconds since the
// epoch, floored to the microsecond; RFC 3339; YYYY-MM-DD HH:MM:SS with or
// without a fraction and a zone (Z, UTC, GMT, +HH, +HHMM, +HH:MM); or a date,
// which is its midnight. White space around it is ignored. zone is that of texts
// without one; nil: UTC. A date that is too far away for a number of seconds, such
// as 9999-12-31, becomes the last microsecond that is allowed.
func ParseTimestamp(text string, zone *time.Location) (micros int64, err error) {
	return parse(text, zone)
}

// parse works on text and bytes alike, so that a driver's buffer need not be
// copied.
func parse[T string | []byte](text T, zone *time.Location) (int64, error) {
	s := scanner[T]{text: text}
	s.trim()
	if s.looksNumeric() {
		micros, err := s.number()
		if errors.Is(err, errTooLarge) {
			return 0, tooLarge(string(text), s.size)
		}
		if err == nil {
			return micros, nil
		}
		return 0, notATime(string(text))
	}
	if micros, ok := s.dateTime(zone); ok {
		return micros, nil
	}
	return 0, notATime(string(text))
}

var (
	errTooLarge = errors.New("too large")
	errSyntax   = errors.New("no number")
)

// scanner reads text[at:end].
type scanner[T string | []byte] struct {
	text    T
	at, end int
	size    float64 // of a number that is too large
}

func (s *scanner[T]) trim() {
	s.end = len(s.text)
	for s.at < s.end && isSpace(s.text[s.at]) {
		s.at++
	}
	for s.at < s.end && isSpace(s.text[s.end-1]) {
		s.end--
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// peek is the next byte, 0 at the end.
func (s *scanner[T]) peek() byte {
	if s.at < s.end {
		return s.text[s.at]
	}
	return 0
}

// take steps over one of the bytes.
func (s *scanner[T]) take(any string) bool {
	if s.at < s.end && strings.IndexByte(any, s.text[s.at]) >= 0 {
		s.at++
		return true
	}
	return false
}

// looksNumeric says that there is nothing but what a decimal number is made of.
// A date has a hyphen after a digit.
func (s *scanner[T]) looksNumeric() bool {
	for i := s.at; i < s.end; i++ {
		switch c := s.text[i]; {
		case isDigit(c), c == '.', c == 'e', c == 'E':
		case c == '+', c == '-':
			if i > s.at && s.text[i-1] != 'e' && s.text[i-1] != 'E' {
				return false
			}
		default:
			return false
		}
	}
	return s.at < s.end
}

// number reads a decimal number as microseconds, floored, without going through
// a float.
func (s *scanner[T]) number() (int64, error) {
	negative := false
	if c := s.peek(); c == '-' || c == '+' {
		negative = c == '-'
		s.at++
	}
	from := s.at
	for isDigit(s.peek()) {
		s.at++
	}
	whole := s.at - from // digits before the point
	to, digits := s.at, whole
	if s.take(".") {
		for isDigit(s.peek()) {
			s.at++
			digits++
		}
		to = s.at
	}
	exp, ok := s.exponent()
	if digits == 0 || !ok || s.at != s.end {
		return 0, errSyntax
	}
	return s.scaled(from, to, whole+exp, negative)
}

// exponent reads e±n, clamped to what could ever matter.
func (s *scanner[T]) exponent() (int, bool) {
	if !s.take("eE") {
		return 0, true
	}
	sign := 1
	if c := s.peek(); c == '-' || c == '+' {
		if c == '-' {
			sign = -1
		}
		s.at++
	}
	start, n := s.at, 0
	for isDigit(s.peek()) {
		n = min(n*10+int(s.text[s.at]-'0'), 1_000_000)
		s.at++
	}
	return sign * n, s.at > start
}

// scaled turns the digits of text[from:to], of which point come before the
// decimal point, into microseconds.
func (s *scanner[T]) scaled(from, to, point int, negative bool) (int64, error) {
	const most = maxSeconds * 1_000_000
	var micros int64
	rest := false // digits below a microsecond that are not 0
	place := 0
	for i := from; i < to; i++ {
		c := s.text[i]
		if c == '.' {
			continue
		}
		if place < point+6 {
			if micros = micros*10 + int64(c-'0'); micros >= most {
				s.size = sizeOf(micros, point+6-place-1)
				return 0, errTooLarge
			}
		} else if c != '0' {
			rest = true
		}
		place++
	}
	for ; place < point+6 && micros != 0; place++ {
		if micros *= 10; micros >= most {
			s.size = sizeOf(micros, point+6-place-1)
			return 0, errTooLarge
		}
	}
	if negative {
		micros = -micros
		if rest {
			micros--
		}
	}
	if micros <= -most {
		s.size = maxSeconds
		return 0, errTooLarge
	}
	return micros, nil
}

// sizeOf is the size in seconds of a number of microseconds with digits to come.
func sizeOf(micros int64, more int) float64 {
	return float64(micros) / 1e6 * math.Pow10(min(more, 300))
}
