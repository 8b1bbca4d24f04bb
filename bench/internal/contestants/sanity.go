package contestants

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
)

// Sane reports where a contestant does not do the job: what is fast because it
// lets every request in, or none, is not measured.
func (c Contestant) Sane(r *rig.Rig) error {
	seen := ""
	guarded, stop, err := c.New(r.Issuer, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		seen = c.Subject(req.Context())
	}))
	if err != nil {
		return err
	}
	defer stop()
	var errs []error
	expect := func(what, token string, accepted bool) {
		seen = ""
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, Request(token))
		if (w.Code == http.StatusOK) != accepted || (seen != "") != accepted {
			errs = append(errs, fmt.Errorf("%s, %s: a token that is %s: answer %d, subject %q in the context", c.Name, r.Algorithm, what, w.Code, seen))
		}
	}
	for _, bad := range rig.Bad {
		expect(bad.Kind, bad.Make(r), false)
	}
	expect("good", r.Good(), true)
	expect("without the scope", r.Scopeless(), false)
	good := r.Good()
	expect("good again", good, true)
	expect("forged from a good one", rig.Forge(good), false)
	expect("missing", "", false)
	return errors.Join(errs...)
}

// Request is a request with the token.
func Request(token string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/products", nil)
	if err != nil {
		panic(err) // the address is constant
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// An Answer is a ResponseWriter that remembers the status, and costs nothing else.
type Answer struct {
	Status int
	header http.Header
}

// NewAnswer makes one without a status.
func NewAnswer() *Answer { return &Answer{header: make(http.Header)} }

func (a *Answer) Header() http.Header    { return a.header }
func (a *Answer) WriteHeader(status int) { a.Status = status }

func (a *Answer) Write(b []byte) (int, error) {
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	return len(b), nil
}
