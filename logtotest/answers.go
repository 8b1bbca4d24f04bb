package logtotest

import (
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
)

// messages are Logto's texts, one for each code; those of hooks and limits are ours. What went wrong with an OAuth
// request is in its error_description.
var messages = map[string]string{
	"oidc.access_denied":          "Access denied.",
	"oidc.invalid_grant":          "Grant request is invalid.",
	"oidc.insufficient_scope":     "Token missing scope.",
	"oidc.invalid_client":         "An OIDC error occurred: oidc.invalid_client.",
	"oidc.invalid_redirect_uri":   "`redirect_uri` did not match any of the client's registered `redirect_uris`.",
	"oidc.invalid_request":        "Request is invalid.",
	"oidc.invalid_scope":          "Invalid scope.",
	"oidc.invalid_target":         "Invalid resource indicator.",
	"oidc.invalid_token":          "Invalid token provided.",
	"oidc.unsupported_grant_type": "Unsupported `grant_type` requested.",
	"oidc.unsupported_token_type": "An OIDC error occurred: oidc.unsupported_token_type.",

	"auth.authorization_header_missing":           "Authorization header is missing.",
	"auth.authorization_token_type_not_supported": "Authorization type is not supported.",
	"auth.exceed_token_limit":                     "Token limit exceeded. Please contact your administrator.",
	"auth.forbidden":                              "Forbidden. Please check your user roles and permissions.",
	"auth.unauthorized":                           "Unauthorized. Please check credentials and its scope.",
	"entity.not_exists_with_id":                   "The hook does not exist.",
	"entity.not_found":                            "The resource does not exist.",
	"entity.relation_foreign_key_not_found":       "Cannot find one or more foreign keys. Please check the input and ensure that all referenced entities exist.",
	"guard.invalid_input":                         "The request body is invalid.",
	"guard.invalid_pagination":                    "The request pagination value is invalid.",
	"hook.endpoint_responded_with_error":          "The endpoint responded with an error.",
	"hook.send_test_payload_failed":               "The test payload could not be sent.",
	"request.invalid_input":                       "Input is invalid.",
	"subscription.limit_exceeded":                 "No more of these fit in here.",
	"user.suspended":                              "This account is suspended.",
}

// writeError answers as Logto itself refuses.
func writeError(w http.ResponseWriter, r *http.Request, status int, code string) {
	writeJSON(w, r, status, map[string]string{"code": code, "message": messages[code]})
}

// oauthError is a refusal by the OpenID provider in Logto (RFC 6749 section 5.2).
type oauthError struct {
	status      int
	code        string
	description string
}

func writeOAuthError(w http.ResponseWriter, r *http.Request, e *oauthError) {
	code := "oidc." + e.code
	writeJSON(w, r, e.status, map[string]string{
		"code":              code,
		"message":           messages[code],
		"error":             e.code,
		"error_description": e.description,
	})
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	writeBody(w, r, status, "application/json; charset=utf-8", marshal(v))
}

// writeBody answers 304 where the client holds the body already. Like Logto, it sends entity tags to GET only.
func writeBody(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	if r.Method == http.MethodGet && status == http.StatusOK {
		sum := sha256.Sum256(body)
		tag := `"` + encode(sum[:]) + `"`
		w.Header().Set("ETag", tag)
		if holds(r, tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client is gone
}

// holds compares entity tags as RFC 9110 section 13.1.2 asks: weakly, and each of a list.
func holds(r *http.Request, tag string) bool {
	if strings.Contains(r.Header.Get("Cache-Control"), "no-cache") {
		return false
	}
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if known = strings.TrimSpace(known); known == "*" || strings.TrimPrefix(known, "W/") == tag {
			return true
		}
	}
	return false
}

func writeText(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status))
}
