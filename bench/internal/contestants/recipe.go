package contestants

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// recipe is the method of Logto's documentation for Go, in our own words: the keys
// are fetched once, at the start. With the keys as Logto sends them it would refuse
// every RS256 token.
var recipe = Contestant{Name: "Logto's recipe (jwx v3)", New: newRecipe, Subject: subject}

var errOrigin = errors.New("another issuer or audience")

func newRecipe(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	keys, err := jwk.Fetch(ctx, issuer.NamedKeySet)
	if err != nil {
		return nil, nil, err
	}
	return guard(next, func(_ context.Context, token string) (*claims, error) {
		t, err := jwt.Parse([]byte(token), jwt.WithKeySet(keys))
		if err != nil {
			return nil, err
		}
		name, _ := t.Issuer()
		audience, _ := t.Audience()
		if name != issuer.Name || !slices.Contains(audience, issuer.Audience) {
			return nil, errOrigin
		}
		c := &claims{}
		c.subject, _ = t.Subject()
		if t.Has("scope") {
			err = t.Get("scope", &c.scope)
		}
		return c, err
	}), nothing, nil
}
