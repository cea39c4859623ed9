package dwmon

import "time"

const (
	// zoneStep divides the offsets of nearly all zones.
	zoneStep = 30 * time.Minute
	// zoneSlack is how old the newest row of a source may be that is not shifted.
	zoneSlack = 90 * time.Second
	// zoneFetches is how many fetches must agree.
	zoneFetches = 3
	// zoneMost is the largest offset of any zone.
	zoneMost = 14 * time.Hour
)

// ZoneShift says by how much the timestamps of a source seem to be shifted because
// they are of another zone than was assumed; 0: they do not. The newest row of
// each fetch that brought new ones is then older than now, or younger, by the same
// multiple of half an hour.
func ZoneShift(fetches []FetchRecord) time.Duration {
	var shift time.Duration
	agree := 0
	for _, f := range fetches {
		if !f.OK || f.Fresh == 0 || f.Newest == nil {
			continue
		}
		near := NearZoneShift(time.Duration(f.Started-*f.Newest) * time.Microsecond)
		if near == 0 || agree > 0 && near != shift {
			return 0
		}
		shift = near
		agree++
	}
	if agree < zoneFetches {
		return 0
	}
	return shift
}

// NearZoneShift is the offset between two zones that the age of a newest row, negative
// where it lies ahead of the clock, may be due to; 0 for none. One age alone proves
// little: each in twenty is near a multiple of half an hour by chance.
func NearZoneShift(age time.Duration) time.Duration {
	near := (age - zoneSlack/2).Round(zoneStep)
	if near > zoneMost || near < -zoneMost || age-near < 0 || age-near > zoneSlack {
		return 0
	}
	return near
}
