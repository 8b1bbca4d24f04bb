package revocation

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Config says where revocations come from. The zero value makes a List that only
// [List.Revoke] fills.
type Config struct {
	// SigningKeys are those of the Logto webhook that calls [List.ServeHTTP]; two
	// while one replaces the other. Default: none, and ServeHTTP answers 401.
	SigningKeys []string

	// Log is what the replicas of a service share. Default: none, and this process
	// is alone.
	Log Log

	// MaxTokenLifetime is the longest that the tenant's access tokens live. For that
	// long, and 5 minutes more, revocations are kept, and a token that lives longer is
	// refused. Default: 24 h.
	MaxTokenLifetime time.Duration

	// MaxStaleness is for how long Check goes on without Log: when it has been cut off
	// for longer, it answers 503. Default: 5 minutes. At least 10 s; negative: it goes
	// on with what it knows.
	MaxStaleness time.Duration

	// Logger gets each revocation that changes something at Info, and a Log that fails
	// at Warn. Default: slog.Default() at the time of New.
	Logger *slog.Logger

	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

const (
	defaultMaxTokenLifetime = 24 * time.Hour
	defaultMaxStaleness     = 5 * time.Minute
	minMaxStaleness         = 10 * time.Second
)

// validate reports every fault of the Config at once, and fills in its defaults.
func (cfg *Config) validate() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for i, key := range cfg.SigningKeys {
		if key == "" || strings.TrimSpace(key) != key { // one that is read from a file often ends in a line break
			add("SigningKeys[%d] is empty or has white space around it: write it as Logto shows it on the webhook's page", i)
		}
	}
	if cfg.MaxTokenLifetime < 0 {
		add("MaxTokenLifetime is negative: set it to the longest lifetime of the tenant's access tokens, such as 24 h")
	}
	if cfg.MaxStaleness > 0 && cfg.MaxStaleness < minMaxStaleness {
		add("MaxStaleness of %v would refuse all requests on every hiccup: give at least %v", cfg.MaxStaleness, minMaxStaleness)
	}
	if len(faults) > 0 {
		return fmt.Errorf("revocation: Config: %w", errors.Join(faults...))
	}
	cfg.MaxTokenLifetime = cmp.Or(cfg.MaxTokenLifetime, defaultMaxTokenLifetime)
	cfg.MaxStaleness = cmp.Or(cfg.MaxStaleness, defaultMaxStaleness)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	return nil
}
