package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard/m2m"
	"github.com/logtoguard/logtoguard/revocation"
)

// settings are what the environment says. The package documentation lists them.
type settings struct {
	addr       string
	valkey     valkey.ClientOption
	key        string
	revocation revocation.Config // without its Log
}

// inEnvironment turns the names that settings have in Go into those that they have here.
var inEnvironment = strings.NewReplacer("m2m: Config: ", "", "InsecureHTTP", "LOGTO_INSECURE_HTTP",
	"Endpoint", "LOGTO_ENDPOINT", "AppID", "LOGTO_APP_ID", "AppSecret", "LOGTO_APP_SECRET")

// readSettings reports every fault at once. It repeats no value: a secret may have got
// into the wrong variable.
func readSettings(getenv func(string) string, log *slog.Logger) (settings, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	duration := func(name, byDefault string) time.Duration {
		d, err := time.ParseDuration(cmp.Or(getenv(name), byDefault))
		if err != nil || d <= 0 {
			fault("%s is not a time above 0: write it like %s", name, byDefault)
		}
		return d
	}

	set := settings{addr: cmp.Or(getenv("ADDR"), "127.0.0.1:8080"), key: getenv("VALKEY_KEY")}
	if _, _, err := net.SplitHostPort(set.addr); err != nil {
		fault("ADDR is not host:port: write it like 127.0.0.1:8080")
	}
	tenant := cmp.Or(getenv("LOGTO_TENANT_ID"), "default")
	if strings.ContainsFunc(tenant, func(r rune) bool { return !isIDCharacter(r) }) {
		fault("LOGTO_TENANT_ID is not a tenant's ID: write default for a self-hosted Logto, or the abc of https://abc.logto.app")
		tenant = "default"
	}
	insecure, err := strconv.ParseBool(cmp.Or(getenv("LOGTO_INSECURE_HTTP"), "false"))
	if err != nil {
		fault("LOGTO_INSECURE_HTTP is neither true nor false")
	}
	logto, err := m2m.New(m2m.Config{
		Endpoint:     getenv("LOGTO_ENDPOINT"),
		AppID:        getenv("LOGTO_APP_ID"),
		AppSecret:    getenv("LOGTO_APP_SECRET"),
		Resource:     m2m.ManagementResource(tenant),
		Scopes:       []string{"all"},
		Logger:       log,
		InsecureHTTP: insecure,
	})
	if err != nil {
		fault("%s", inEnvironment.Replace(err.Error()))
	}
	hook := getenv("LOGTO_HOOK_ID")
	if strings.ContainsFunc(hook, func(r rune) bool { return !isIDCharacter(r) }) || hook == "" {
		fault("LOGTO_HOOK_ID is not a webhook's ID: it is the last part of the address of the webhook's page in Logto's Console")
	}
	signingKeys, err := readKeys(getenv("LOGTO_SIGNING_KEYS"))
	if err != nil {
		faults = append(faults, err)
	}
	if set.valkey, err = readValkey(getenv("VALKEY_URL")); err != nil {
		faults = append(faults, err)
	}
	if set.key == "" {
		fault("VALKEY_KEY is empty: set it to the key that the replicas follow, such as logto:revocations")
	}
	lifetime, interval := duration("MAX_TOKEN_LIFETIME", "24h"), duration("INTERVAL", "5s")
	if len(faults) > 0 {
		return settings{}, errors.Join(faults...)
	}

	set.revocation = revocation.Config{
		SigningKeys:      signingKeys,
		Events:           &revocation.EventLog{Endpoint: getenv("LOGTO_ENDPOINT"), HookID: hook, Client: logto.HTTPClient(), Interval: interval},
		MaxTokenLifetime: lifetime,
		MaxStaleness:     10*time.Second + 2*interval, // the least that there is: no tokens are judged here, so only /healthz depends on it
		Logger:           log,
	}
	return set, nil
}

// readKeys reads keys that may have spaces around them.
func readKeys(list string) (keys []string, err error) {
	if list == "" {
		return nil, nil
	}
	for key := range strings.SplitSeq(list, ",") {
		if key = strings.TrimSpace(key); key == "" {
			return nil, errors.New("LOGTO_SIGNING_KEYS has an empty key in it: write the webhook's signing key, or two with a comma between them")
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// readValkey says nothing of what it reads: a password may be in it.
func readValkey(address string) (valkey.ClientOption, error) {
	option, err := valkey.ParseURL(address)
	if err != nil {
		return option, errors.New("VALKEY_URL is not the URL of a Valkey: write it like rediss://user:password@valkey.internal:6379, with what is special in a password percent-encoded")
	}
	option.DisableCache = true // nothing is cached here
	if option.Sentinel.MasterSet != "" {
		option.Sentinel.TopologyRefreshInterval = 5 * time.Second // or the relay may stay with a server that was replaced
	} else if len(option.InitAddress) == 1 {
		option.ForceSingleClient = true // works also where the server isn't there yet
	}
	return option, nil
}

func isIDCharacter(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}
