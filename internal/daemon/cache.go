package daemon

import (
	"context"
	"log/slog"

	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// describeCache keeps in the database what plugins said of themselves. It only
// saves time: whatever fails here is asked anew.
type describeCache struct {
	ctx context.Context
	db  *sqlite.DB
	log *slog.Logger
}

func (c describeCache) Described(sha256 string) ([]byte, bool) {
	described, ok, err := c.db.Described(c.ctx, sha256)
	if err != nil {
		c.log.Warn("what a plugin said of itself could not be read", "sha256", sha256, "error", err)
		return nil, false
	}
	return described, ok
}

func (c describeCache) SaveDescribed(sha256 string, describe []byte) {
	if err := c.db.SaveDescribed(c.ctx, sha256, describe); err != nil {
		c.log.Warn("what a plugin said of itself could not be stored", "sha256", sha256, "error", err)
	}
}
