package revocation

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Config says where revocations come from. The zero value makes a List that only
// [List.Revoke] fills. It doesn't show SigningKeys when it is printed or logged, except
// where package fmt calls no methods, as in an unexported field of another struct.
type Config struct {
	// SigningKeys are those of the Logto webhook that calls [List.ServeHTTP]; two
	// while one replaces the other. Default: none, and ServeHTTP answers 401.
	SigningKeys []string

	// Log is what the replicas of a service share. Default: none, and this process
	// is alone.
	Log Log

	// Events is a webhook's log at Logto, which is read besides. Default: none, and an
	// event that no webhook delivers is lost.
	Events *EventLog

	// MaxTokenLifetime is the longest that the tenant's access tokens live. For that
	// long, and 5 minutes more, revocations are kept, and a token that lives longer is
	// refused. Default: 24 h.
	MaxTokenLifetime time.Duration

	// MaxStaleness is for how long Check goes on without Log or Events: when it has been
	// cut off for longer, it answers 503. Default: 5 minutes. At least 10 s, and with
	// Events twice its Interval more; negative: it goes on with what it knows.
	MaxStaleness time.Duration

	// Logger gets each revocation that changes something at Info, a Log or Events that
	// fail at Warn, and at Error what waiting does not mend. Default: slog.Default() at
	// the time of New.
	Logger *slog.Logger

	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Format shows the Config without SigningKeys, whatever the verb.
func (cfg Config) Format(to fmt.State, _ rune) { _, _ = io.WriteString(to, cfg.String()) }

// String shows the Config without SigningKeys.
func (cfg Config) String() string { return "revocation.Config" + cfg.LogValue().String() }

// LogValue is for [log/slog]: the Config without SigningKeys.
func (cfg Config) LogValue() slog.Value {
	attributes := []slog.Attr{
		slog.Int("signing_keys", len(cfg.SigningKeys)),
		slog.Bool("log", cfg.Log != nil),
		slog.Duration("max_token_lifetime", cfg.MaxTokenLifetime),
		slog.Duration("max_staleness", cfg.MaxStaleness),
	}
	if cfg.Events != nil {
		attributes = append(attributes, slog.String("endpoint", cfg.Events.Endpoint), slog.String("hook_id", cfg.Events.HookID))
	}
	return slog.GroupValue(attributes...)
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
	cfg.MaxTokenLifetime = cmp.Or(cfg.MaxTokenLifetime, defaultMaxTokenLifetime)
	if limited, ok := cfg.Log.(interface{ Keeps() time.Duration }); ok && cfg.MaxTokenLifetime > limited.Keeps() {
		add("MaxTokenLifetime of %v is longer than Log keeps an entry, which is %v: revocations would be forgotten before their tokens end", cfg.MaxTokenLifetime, limited.Keeps())
	}
	cfg.MaxStaleness = cmp.Or(cfg.MaxStaleness, defaultMaxStaleness)
	least := minMaxStaleness
	if cfg.Events != nil {
		events := *cfg.Events
		cfg.Events = &events
		faults = append(faults, events.validate()...)
		least += 2 * max(0, events.Interval)
	}
	if cfg.MaxStaleness > 0 && cfg.MaxStaleness < least {
		add("MaxStaleness of %v would refuse all requests on every hiccup: give at least %v", cfg.MaxStaleness, least)
	}
	if len(faults) > 0 {
		return fmt.Errorf("revocation: Config: %w", errors.Join(faults...))
	}
	cfg.SigningKeys = slices.Clone(cfg.SigningKeys)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	return nil
}
