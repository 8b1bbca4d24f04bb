package logtoguard_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/internal/guardtest"
	"github.com/logtoguard/logtoguard/logtotest"
)

// keysUnder fetches the keys under the name that the stand-in listens on,
// whatever the endpoint is.
func keysUnder(logto *logtotest.Server) func(*logtoguard.Config) {
	return func(cfg *logtoguard.Config) { cfg.JWKSURL = logto.URL() + "/oidc/jwks" }
}

const hint = "https://tenant-id.logto.app"

var configFaults = []struct {
	name  string
	edit  func(*logtoguard.Config)
	wants []string // in the message: the field, and what to write instead
}{
	{"no endpoint", func(c *logtoguard.Config) { c.Endpoint = "" }, []string{"Endpoint is empty", hint}},
	{"a blank endpoint", func(c *logtoguard.Config) { c.Endpoint = " " }, []string{"Endpoint is empty", hint}},
	{"an endpoint without a scheme", func(c *logtoguard.Config) { c.Endpoint = "logto.example" }, []string{"Endpoint", hint}},
	{"an endpoint without a host", func(c *logtoguard.Config) { c.Endpoint = "https:///x" }, []string{"Endpoint", hint}},
	{"another scheme", func(c *logtoguard.Config) { c.Endpoint = "ftp://logto.example" }, []string{"Endpoint", hint}},
	{"no URL", func(c *logtoguard.Config) { c.Endpoint = "https://logto.example:port" }, []string{"Endpoint", hint}},
	{"an endpoint with a query", func(c *logtoguard.Config) { c.Endpoint = "https://logto.example?x=1" }, []string{"Endpoint", "query", hint}},
	{"an endpoint with a fragment", func(c *logtoguard.Config) { c.Endpoint = "https://logto.example#x" }, []string{"Endpoint", "fragment"}},
	{"an endpoint by http", func(c *logtoguard.Config) { c.Endpoint = "http://logto.example" }, []string{"Endpoint", "https://", "InsecureHTTP"}},
	{"loopback in name only", func(c *logtoguard.Config) { c.Endpoint = "http://localhost.example" }, []string{"Endpoint", "InsecureHTTP"}},
	{"an address that only begins like loopback", func(c *logtoguard.Config) { c.Endpoint = "http://127.0.0.1.example" }, []string{"Endpoint", "InsecureHTTP"}},
	{"an empty custom domain", func(c *logtoguard.Config) { c.CustomDomains = []string{"https://a.example", ""} }, []string{"CustomDomains[1] is empty", hint}},
	{"a custom domain without a scheme", func(c *logtoguard.Config) { c.CustomDomains = []string{"a.example"} }, []string{"CustomDomains[0]", hint}},
	{"a custom domain by http", func(c *logtoguard.Config) { c.CustomDomains = []string{"http://a.example"} }, []string{"CustomDomains[0]", "InsecureHTTP"}},
	{"keys without a scheme", func(c *logtoguard.Config) { c.JWKSURL = "/oidc/jwks" }, []string{"JWKSURL", hint + "/oidc/jwks"}},
	{"keys by http", func(c *logtoguard.Config) { c.JWKSURL = "http://logto/oidc/jwks" }, []string{"JWKSURL", "InsecureHTTP"}},
	{"no audience", func(c *logtoguard.Config) { c.Audience = nil }, []string{"Audience is empty", guardtest.Shopping}},
	{"an empty audience", func(c *logtoguard.Config) { c.Audience = []string{guardtest.Shopping, ""} }, []string{"Audience[1]", guardtest.Shopping}},
	{"an audience with a byte order mark", func(c *logtoguard.Config) { c.Audience = []string{"\ufeff" + guardtest.Shopping} }, []string{"Audience[0]", guardtest.Shopping}},
	{"an audience with a space", func(c *logtoguard.Config) { c.Audience = []string{guardtest.Shopping + " "} }, []string{"Audience[0]", guardtest.Shopping}},
	{"audience and organization tokens", func(c *logtoguard.Config) { c.OrganizationTokens = true }, []string{"Audience", "OrganizationTokens"}},
	{"an organization as audience", func(c *logtoguard.Config) { c.Audience = []string{"urn:logto:organization:acme"} }, []string{"Audience[0]", "OrganizationTokens"}},
	{"an empty organization scope", func(c *logtoguard.Config) { c.OrganizationScopes = []string{"read:orders", ""} }, []string{"OrganizationScopes[1]", "a string of its own"}},
	{"organization scopes that no token's scope can equal", func(c *logtoguard.Config) {
		c.OrganizationScopes = []string{"read:orders\n", "\tread:orders", "\ufeffread:orders", "read:orders\u00a0", "read:\u200borders"}
	}, []string{"OrganizationScopes[0]", "OrganizationScopes[1]", "OrganizationScopes[2]", "OrganizationScopes[3]", "OrganizationScopes[4] is empty, or has a space or a character that does not print"}},
	{"organization scopes in one string", func(c *logtoguard.Config) { c.OrganizationScopes = []string{"read:orders write:orders"} }, []string{"OrganizationScopes[0]", "a string of its own"}},
	{"organization scopes and tokens", func(c *logtoguard.Config) {
		c.Audience, c.OrganizationTokens, c.OrganizationScopes = nil, true, []string{"read:orders"}
	}, []string{"OrganizationScopes and OrganizationTokens exclude each other"}},
	{"an absurd clock skew", func(c *logtoguard.Config) { c.ClockSkew = 5*time.Minute + 1 }, []string{"ClockSkew", "5m0s"}},
	{"http and a fragment", func(c *logtoguard.Config) { c.Endpoint = "http://logto.example#x" }, []string{"fragment", "InsecureHTTP"}},
}

func goodConfig() logtoguard.Config {
	return logtoguard.Config{Endpoint: "https://logto.example", Audience: []string{guardtest.Shopping}, Logger: slog.New(slog.DiscardHandler)}
}

func TestConfigFaults(t *testing.T) {
	for _, tt := range configFaults {
		t.Run(tt.name, func(t *testing.T) {
			cfg := goodConfig()
			tt.edit(&cfg)
			guard, err := logtoguard.New(cfg)
			require.Nil(t, guard)
			require.Error(t, err)
			for _, want := range tt.wants {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestConfigFaultsAtOnce(t *testing.T) {
	_, err := logtoguard.New(logtoguard.Config{
		CustomDomains: []string{"http://a.example", "b.example"},
		JWKSURL:       "http://logto/oidc/jwks",
		ClockSkew:     time.Hour,
	})
	for _, want := range []string{"Endpoint", "CustomDomains[0]", "CustomDomains[1]", "JWKSURL", "Audience", "ClockSkew"} {
		require.ErrorContains(t, err, want)
	}
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	require.True(t, ok)
	require.Len(t, joined.Unwrap(), 6)
}

// A password in an address must not reach the log of whoever logs New's error.
func TestConfigFaultsHidePasswords(t *testing.T) {
	for _, address := range []string{
		"https://admin:s3cret@logto.example",
		"http://admin:s3cret@logto.example#x",
		"ftp://admin:s3cret@logto.example",
		"https://admin:s3cret@logto.example:port",
		"https://admin:s3cret@",
		"//admin:s3cret@logto.example",
		"admin:s3cret@logto.example", // the scheme forgotten
		"https:admin:s3cret@logto.example",
		"https:/admin:s3cret@logto.example",
	} {
		t.Run(address, func(t *testing.T) {
			cfg := goodConfig()
			cfg.Endpoint, cfg.CustomDomains, cfg.JWKSURL = address, []string{address}, address
			_, err := logtoguard.New(cfg)
			for _, field := range []string{"Endpoint", "CustomDomains[0]", "JWKSURL"} {
				require.ErrorContains(t, err, field)
			}
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestConfigHTTP(t *testing.T) {
	fields := map[string]func(*logtoguard.Config, string){
		"Endpoint":      func(c *logtoguard.Config, address string) { c.Endpoint = address },
		"CustomDomains": func(c *logtoguard.Config, address string) { c.CustomDomains = []string{address} },
		"JWKSURL":       func(c *logtoguard.Config, address string) { c.JWKSURL = address },
	}
	nothing := guardtest.RoundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("no network") })
	for field, set := range fields {
		for _, address := range []string{"http://127.0.0.1:3001", "http://127.8.9.10", "http://[::1]:3001", "http://localhost:3001", "http://LocalHost"} {
			cfg := goodConfig()
			cfg.HTTPClient = &http.Client{Transport: nothing}
			set(&cfg, address)
			guard, err := logtoguard.New(cfg)
			require.NoError(t, err, "%s: %s", field, address)
			require.NoError(t, guard.Close())
		}
		cfg := goodConfig()
		cfg.HTTPClient = &http.Client{Transport: nothing}
		set(&cfg, "http://logto:3001")
		_, err := logtoguard.New(cfg)
		require.ErrorContains(t, err, "InsecureHTTP", field)
		cfg.InsecureHTTP = true
		guard, err := logtoguard.New(cfg)
		require.NoError(t, err, field)
		require.NoError(t, guard.Close())
	}
}

// A goroutine left behind would hold the bubble, and one that fetches would be counted.
func TestNewThatFailsStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := goodConfig()
		cfg.Audience = nil
		cfg.HTTPClient = &http.Client{Transport: guardtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("asked for %s", r.URL)
			return nil, errors.New("no network")
		})}
		_, err := logtoguard.New(cfg)
		require.Error(t, err)
		synctest.Wait()
	})
}

// If New waited for the first fetch, that one would fail here.
func TestNewDoesNotWait(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	answer := make(chan struct{})
	logto.Disturb(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-answer
			next.ServeHTTP(w, r)
		})
	})
	guard := guardtest.NewGuard(t, logto, clock)
	close(answer)
	guardtest.Ready(t, guard)
	require.Zero(t, guard.Stats().KeyFetchFailures)
	require.EqualValues(t, 1, guard.Stats().KeyFetches)
}

func TestConfigIssuers(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	tests := []struct{ endpoint, issuer string }{
		{"https://logto.example", "https://logto.example/oidc"},
		{"https://logto.example/", "https://logto.example/oidc"},
		{"https://logto.example//", "https://logto.example/oidc"},
		{"https://logto.example/oidc", "https://logto.example/oidc"},
		{"https://logto.example/oidc/", "https://logto.example/oidc"},
		{"HTTPS://Logto.Example", "https://logto.example/oidc"},
		{"https://logto.example:443", "https://logto.example/oidc"},
		{"https://logto.example:8443", "https://logto.example:8443/oidc"},
		{"http://localhost:80", "http://localhost/oidc"},
		{"http://localhost:443", "http://localhost:443/oidc"},
		{"https://logto.example/behind/proxy/", "https://logto.example/behind/proxy/oidc"},
		{"https://logto.example/oidcs", "https://logto.example/oidcs/oidc"},
	}
	for _, tt := range tests {
		t.Run(tt.endpoint, func(t *testing.T) {
			for name, guard := range map[string]*logtoguard.Guard{
				"Endpoint": guardtest.NewGuard(t, logto, clock, keysUnder(logto), func(c *logtoguard.Config) { c.Endpoint = tt.endpoint }),
				"CustomDomains": guardtest.NewGuard(t, logto, clock, keysUnder(logto), func(c *logtoguard.Config) {
					c.Endpoint, c.CustomDomains = "https://other.example", []string{"https://third.example", tt.endpoint}
				}),
			} {
				claims, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{}, guardtest.Claim("iss", tt.issuer)))
				require.NoError(t, err, name)
				require.Equal(t, tt.issuer, claims.Issuer())
				for _, issuer := range []string{tt.issuer + "/", tt.issuer[:len(tt.issuer)-len("/oidc")], logto.Endpoint() + "/oidc", "/oidc", ""} {
					_, err = guard.Verify(t.Context(), logto.Mint(logtotest.Token{}, guardtest.Claim("iss", issuer)))
					require.ErrorIs(t, err, logtoguard.ErrWrongIssuer, "%s: %s", name, issuer)
				}
			}
		})
	}
}

// Logto behind two names: clients know the public one, this server the other.
func TestConfigJWKSURL(t *testing.T) {
	clock := logtotest.NewClock(guardtest.Now)
	logto := logtotest.NewServer(logtotest.Tenant{
		Resources: []logtotest.Resource{{Indicator: guardtest.Shopping}}, Endpoint: "https://logto.example", Now: clock.Now,
	})
	t.Cleanup(logto.Close)
	guard := guardtest.NewGuard(t, logto, clock, keysUnder(logto))
	claims, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{}))
	require.NoError(t, err)
	require.Equal(t, "https://logto.example/oidc", claims.Issuer())
	require.Equal(t, 1, logto.Requests("/oidc/jwks"))

	plain, clock := guardtest.NewLogto(t, "")
	guardtest.Ready(t, guardtest.NewGuard(t, plain, clock, func(c *logtoguard.Config) { c.Endpoint += "/oidc/" }))
	require.Equal(t, 1, plain.Requests("/oidc/jwks"))
}

func TestConfigWarnings(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	inPath := func(c *logtoguard.Config) { c.Audience = []string{guardtest.Shopping + "/v1", guardtest.Shopping} }
	tests := []struct {
		name  string
		edit  func(*logtoguard.Config)
		wants []string // nothing is warned of if empty
	}{
		{"nothing", func(*logtoguard.Config) {}, nil},
		{"a trailing slash", func(c *logtoguard.Config) { c.Endpoint += "/" }, nil},
		{"an audience with a slash", func(c *logtoguard.Config) { c.Audience = []string{guardtest.Shopping, guardtest.Shopping + "/"} }, []string{"WARN", "Audience", guardtest.Shopping + "/"}},
		{"an organization scope that Metadata lacks", func(c *logtoguard.Config) {
			c.OrganizationScopes, c.Metadata = []string{"read:orders", "write:orders"}, &logtoguard.Metadata{Scopes: []string{"read:orders"}}
		}, []string{"WARN", "Metadata.Scopes", "scope=write:orders"}},
		{"organization scopes that Metadata has", func(c *logtoguard.Config) {
			inPath(c)
			c.OrganizationScopes, c.Metadata = []string{"read:orders"}, &logtoguard.Metadata{Scopes: []string{"read:products", "read:orders"}}
		}, nil},
		{"organization scopes, and Metadata without any", func(c *logtoguard.Config) {
			inPath(c)
			c.OrganizationScopes, c.Metadata = []string{"read:orders"}, &logtoguard.Metadata{}
		}, nil},
		{"Metadata of an origin", func(c *logtoguard.Config) { c.Metadata = &logtoguard.Metadata{} }, []string{"WARN", "a path", "audience=" + guardtest.Shopping}},
		{"Metadata of an origin among others", func(c *logtoguard.Config) { inPath(c); c.Metadata = &logtoguard.Metadata{} }, nil},
		{"Metadata of an origin with a query", func(c *logtoguard.Config) {
			c.Audience, c.Metadata = []string{guardtest.Shopping + "?x", guardtest.Shopping}, &logtoguard.Metadata{}
		}, nil},
		{"an endpoint with /oidc", func(c *logtoguard.Config) { c.Endpoint += "/oidc" }, []string{"WARN", "/oidc"}},
		{"a custom domain with /oidc/", func(c *logtoguard.Config) { c.CustomDomains = []string{"https://a.example/oidc/"} }, []string{"WARN", "https://a.example/oidc/"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log guardtest.Journal
			guard := guardtest.NewGuard(t, logto, clock, tt.edit, func(c *logtoguard.Config) { c.Logger = log.Logger(slog.LevelWarn) })
			for _, want := range tt.wants {
				require.Contains(t, log.String(), want)
			}
			if len(tt.wants) == 0 {
				require.Empty(t, log.String())
			}
			_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{}))
			require.NoError(t, err)
		})
	}
}

func TestConfigIsCopied(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	audience, domains, inOrganizations := []string{guardtest.Shopping}, []string{"https://a.example"}, []string{"read:orders"}
	client := &http.Client{}
	guard := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) {
		c.Audience, c.CustomDomains, c.OrganizationScopes, c.HTTPClient = audience, domains, inOrganizations, client
	})
	audience[0], domains[0], inOrganizations[0] = "https://other.api", "https://b.example", "write:orders"
	require.Equal(t, &http.Client{}, client)

	_, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{}, guardtest.Claim("iss", "https://a.example/oidc")))
	require.NoError(t, err)
	_, err = guard.Verify(t.Context(), logto.Mint(logtotest.Token{Audience: "https://other.api"}))
	require.ErrorIs(t, err, logtoguard.ErrWrongAudience)
	_, err = guard.Verify(t.Context(), logto.Mint(logtotest.Token{}, guardtest.Claim("iss", "https://b.example/oidc")))
	require.ErrorIs(t, err, logtoguard.ErrWrongIssuer)
	claims, err := guard.Verify(t.Context(), logto.Mint(logtotest.Token{Scopes: []string{"read:orders", "write:orders"}}))
	require.NoError(t, err)
	require.Equal(t, []string{"write:orders"}, claims.Scopes())
}

func TestConfigClockSkew(t *testing.T) {
	logto, clock := guardtest.NewLogto(t, "")
	const at = "1800000000"
	base := time.Unix(1800000000, 0)
	tests := []struct {
		name  string
		skew  time.Duration
		claim string
		value string
		first time.Duration // after base: the first moment of the other judgement
		err   error         // before first for nbf and iat, from first on for exp
	}{
		{"default", 0, "exp", at, 5 * time.Second, logtoguard.ErrExpired},
		{"none", -1, "exp", at, 0, logtoguard.ErrExpired},
		{"none, by much", -time.Hour, "exp", at, 0, logtoguard.ErrExpired},
		{"small", 1, "exp", at, 1, logtoguard.ErrExpired},
		{"most", 5 * time.Minute, "exp", at, 5 * time.Minute, logtoguard.ErrExpired},
		{"fraction", -1, "exp", at + ".5", 500 * time.Millisecond, logtoguard.ErrExpired},
		{"exponent", -1, "exp", "1.8e9", 0, logtoguard.ErrExpired},
		{"fraction and default", 0, "exp", at + ".25", 5250 * time.Millisecond, logtoguard.ErrExpired},
		{"default", 0, "nbf", at, -5 * time.Second, logtoguard.ErrNotYetValid},
		{"none", -1, "nbf", at, 0, logtoguard.ErrNotYetValid},
		{"fraction", -1, "nbf", at + ".5", 500 * time.Millisecond, logtoguard.ErrNotYetValid},
		{"most", 5 * time.Minute, "nbf", at, -5 * time.Minute, logtoguard.ErrNotYetValid},
		{"default", 0, "iat", at, -time.Minute, logtoguard.ErrNotYetValid},
		{"none", -1, "iat", at, -time.Minute, logtoguard.ErrNotYetValid},
		{"fraction", 0, "iat", at + ".5", -59500 * time.Millisecond, logtoguard.ErrNotYetValid},
		{"most", 5 * time.Minute, "iat", at, -5 * time.Minute, logtoguard.ErrNotYetValid},
	}
	for _, tt := range tests {
		t.Run(tt.claim+" "+tt.name, func(t *testing.T) {
			guard := guardtest.NewGuard(t, logto, clock, func(c *logtoguard.Config) { c.ClockSkew = tt.skew })
			clock.Set(base)
			token := logto.Mint(logtotest.Token{}, guardtest.Claim("iat", base.Add(-time.Hour).Unix()), guardtest.Claim(tt.claim, json.RawMessage(tt.value)))
			before, after := error(nil), tt.err
			if tt.claim != "exp" {
				before, after = after, before
			}
			clock.Set(base.Add(tt.first - 1))
			_, err := guard.Verify(t.Context(), token)
			require.ErrorIs(t, err, before)
			clock.Set(base.Add(tt.first))
			_, err = guard.Verify(t.Context(), token)
			require.ErrorIs(t, err, after)
		})
	}
}

// A query may be a secret: nothing repeats that of JWKSURL.
func TestQueryOfJWKSURLIsNotLogged(t *testing.T) {
	var sink guardtest.Journal
	guard, err := logtoguard.New(logtoguard.Config{
		Endpoint: "https://logto.example", Audience: []string{guardtest.Shopping},
		JWKSURL: "http://127.0.0.1:1/oidc/jwks?key=hush", Logger: sink.Logger(slog.LevelDebug),
	})
	require.NoError(t, err)
	why := guardtest.WhyNotReadyYet(t, guard)
	require.NoError(t, guard.Close())
	require.Contains(t, sink.String(), "/oidc/jwks")
	require.NotContains(t, sink.String()+why, "hush")
}
