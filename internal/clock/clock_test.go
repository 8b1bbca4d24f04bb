package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWall(t *testing.T) {
	for name, given := range map[string]func() time.Time{"nil": nil, "time.Now": time.Now} {
		now := Wall(given)()
		assert.Equal(t, now.Round(0), now, name)
		assert.WithinDuration(t, time.Now(), now, time.Minute, name)
	}
	set := time.Date(2026, time.November, 22, 12, 0, 0, 1, time.UTC)
	assert.Equal(t, set, Wall(func() time.Time { return set })())
}
