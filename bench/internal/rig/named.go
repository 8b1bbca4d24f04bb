package rig

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
)

// nameAlgorithm serves the key set again, with alg in every key: Logto's RSA keys
// lack it, and two contestants refuse every token of such a key.
func nameAlgorithm(keySet, algorithm string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		response, err := http.Get(keySet)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		for _, key := range set.Keys {
			key["alg"] = algorithm
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(set) // a client that left notices
	}))
}
