package logtotest

import (
	"fmt"
	"net/http"
)

// keyRing holds the keys that are published: at most three. Next and previous may be nil.
type keyRing struct {
	current, next, previous *Key
}

func (k keyRing) published() []*Key {
	keys := []*Key{k.current}
	for _, other := range []*Key{k.next, k.previous} {
		if other != nil {
			keys = append(keys, other)
		}
	}
	return keys
}

// Key is the key that signs at present.
func (s *Server) Key() *Key { return s.ring().current }

// Announce publishes the next key before [Server.Rotate] puts it to use, in place of one announced before.
// The empty algorithm is that of the present key.
func (s *Server) Announce(algorithm string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if algorithm == "" {
		algorithm = s.keys.current.Algorithm()
	}
	s.keys.next = NewKey(algorithm)
}

// Rotate lets the announced key sign from now on, or a new one if none is announced. The present key becomes the
// previous one and stays published; the key that was previous till now is dropped.
//
// The empty algorithm is that of the announced key, else of the present one. It panics on an algorithm that
// contradicts the announced key's.
func (s *Server) Rotate(algorithm string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.keys.next
	switch {
	case next == nil && algorithm == "":
		next = NewKey(s.keys.current.Algorithm())
	case next == nil:
		next = NewKey(algorithm)
	case algorithm != "" && algorithm != next.Algorithm():
		panic(fmt.Sprintf("logtotest: Rotate(%q), but the announced key is for %s: announce another or leave the algorithm empty", algorithm, next.Algorithm()))
	}
	s.keys = keyRing{current: next, previous: s.keys.current}
}

// DropPrevious ends the previous key, as an administrator does who deletes it: what it signed is void at once.
func (s *Server) DropPrevious() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys.previous = nil
}

func (s *Server) ring() keyRing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

func (s *Server) serveKeySet(w http.ResponseWriter, r *http.Request) {
	writeKeySet(w, r, s.ring().published())
}

func writeKeySet(w http.ResponseWriter, r *http.Request, keys []*Key) {
	jwks := make([]map[string]any, 0, len(keys)) // never null
	for _, key := range keys {
		jwks = append(jwks, key.JWK())
	}
	allowOrigin(w, r)
	if r.Method == http.MethodGet && r.URL.Path == jwksPath { // but not with a slash at the end
		w.Header().Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	}
	writeBody(w, r, http.StatusOK, "application/jwk-set+json; charset=utf-8", marshal(map[string]any{"keys": jwks}))
}
