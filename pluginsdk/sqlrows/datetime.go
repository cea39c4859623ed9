package sqlrows

import "time"

// dateTime reads YYYY-MM-DD, then a time of day, then a zone; the last two may be
// missing.
func (s *scanner[T]) dateTime(zone *time.Location) (int64, bool) {
	if zone == nil {
		zone = time.UTC
	}
	year, ok1 := s.digits(4)
	ok1 = ok1 && s.take("-")
	month, ok2 := s.digits(2)
	ok2 = ok2 && s.take("-")
	day, ok3 := s.digits(2)
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	if s.at == s.end {
		return min(time.Date(year, time.Month(month), day, 0, 0, 0, 0, zone).UnixMicro(), farFuture), true
	}
	if !s.take("Tt ") {
		return 0, false
	}
	hour, minute, sec, micros, ok := s.timeOfDay()
	if !ok {
		return 0, false
	}
	offset, given, ok := s.zone()
	if !ok {
		return 0, false
	}
	if given {
		zone = time.UTC
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, micros*1000, zone)
	return min(t.UnixMicro()-int64(offset)*1e6, farFuture), true
}

// digits reads exactly n digits.
func (s *scanner[T]) digits(n int) (value int, ok bool) {
	if s.end-s.at < n {
		return 0, false
	}
	for range n {
		c := s.text[s.at]
		if !isDigit(c) {
			return 0, false
		}
		value = value*10 + int(c-'0')
		s.at++
	}
	return value, true
}

// timeOfDay reads HH:MM:SS[.f]. Second 60, a leap second, is the next minute's
// first. What lies below a microsecond is dropped, which floors: the fraction
// adds to the second at all times.
func (s *scanner[T]) timeOfDay() (hour, minute, sec, micros int, ok bool) {
	hour, ok1 := s.digits(2)
	ok1 = ok1 && s.take(":")
	minute, ok2 := s.digits(2)
	ok2 = ok2 && s.take(":")
	sec, ok3 := s.digits(2)
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || sec > 60 {
		return 0, 0, 0, 0, false
	}
	if s.take(".") {
		start := s.at
		for unit := 100_000; isDigit(s.peek()); unit /= 10 {
			micros += int(s.text[s.at]-'0') * unit
			s.at++
		}
		if s.at == start {
			return 0, 0, 0, 0, false
		}
	}
	return hour, minute, sec, micros, true
}

// zone reads what is left: nothing, Z, UTC, GMT, or an offset in seconds east of
// Greenwich, which may be followed by UTC or GMT as Go prints times.
func (s *scanner[T]) zone() (offset int, given, ok bool) {
	s.take(" ")
	if s.at == s.end {
		return 0, false, true
	}
	if c := s.peek(); c == '+' || c == '-' {
		if offset, ok = s.offset(); !ok {
			return 0, false, false
		}
		if s.take(" ") && !s.greenwich() {
			return 0, false, false
		}
		return offset, true, s.at == s.end
	}
	return 0, true, s.greenwich() && s.at == s.end
}

// greenwich steps over Z, UTC or GMT.
func (s *scanner[T]) greenwich() bool {
	if s.take("Zz") {
		return true
	}
	if s.end-s.at == 3 {
		if name := string(s.text[s.at:s.end]); name == "UTC" || name == "GMT" {
			s.at = s.end
			return true
		}
	}
	return false
}

// offset reads ±HH, ±HHMM, ±HH:MM or ±HH:MM:SS (PostgreSQL, for local mean times
// of old).
func (s *scanner[T]) offset() (seconds int, ok bool) {
	sign := 1
	if s.peek() == '-' {
		sign = -1
	}
	s.at++
	hours, ok := s.digits(2)
	if !ok || hours > 23 {
		return 0, false
	}
	seconds = hours * 3600
	for unit := 60; unit > 0 && (s.peek() == ':' || isDigit(s.peek())); unit /= 60 {
		s.take(":")
		n, ok := s.digits(2)
		if !ok || n > 59 {
			return 0, false
		}
		seconds += n * unit
	}
	return sign * seconds, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
