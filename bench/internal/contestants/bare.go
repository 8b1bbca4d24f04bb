package contestants

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// Bare checks the signature and nothing else: the yardstick for new tokens. It is
// not one of All, as it would let expired tokens in.
var Bare = Contestant{Name: "the signature check alone", New: newBare}

var errSignature = errors.New("no signature of the issuer's key")

func newBare(issuer rig.Issuer, next http.Handler) (http.Handler, func(), error) {
	ctx, stop := context.WithCancel(context.Background())
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{issuer.KeySet})
	if err != nil {
		stop()
		return nil, nil, err
	}
	set, err := keys.VerificationKeySet(ctx)
	if err != nil {
		stop()
		return nil, nil, err
	}
	// Its Verify is a hash and a call of crypto/ecdsa or crypto/rsa.
	method := jwt.GetSigningMethod(issuer.Algorithm)
	return guard(next, func(_ context.Context, token string) (*claims, error) {
		dot := strings.LastIndexByte(token, '.')
		if dot < 0 {
			return nil, errSignature
		}
		signature, err := jwt.NewParser().DecodeSegment(token[dot+1:])
		if err != nil {
			return nil, err
		}
		return &claims{scope: rig.Scope}, method.Verify(token[:dot], signature, set.Keys[0])
	}), stop, nil
}
