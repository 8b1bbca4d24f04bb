package m2m_test

import (
	"slices"
	"strings"
)

const (
	isJSON = "application/json"
	fine   = `"access_token":"aZ0-._~+/==","token_type":"Bearer"`
)

// replies are where the fuzzing starts from.
func replies() []reply {
	return slices.Concat(repliesOfLogto(), granting(), failures(), otherTypes(), sizes())
}

// repliesOfLogto: as measured, with both ways of writing the type.
func repliesOfLogto() []reply {
	list := []reply{{200, "application/json; charset=utf-8", `{"access_token":"aZ0.b-_.c","expires_in":3600,"token_type":"Bearer","scope":"read:products write:products"}`}}
	for _, failure := range []struct {
		status            int
		code, description string
	}{
		{400, "invalid_target", "both `resource` and `organization_id` are not provided"},
		{400, "invalid_target", "resource indicator is missing, or unknown"},
		{400, "invalid_target", "only a single resource indicator value is supported for this grant type"},
		{401, "invalid_client", "client authentication failed"},
		{400, "invalid_client", "invalid client manager"},
		{400, "invalid_client", "invalid client SECRET"},
		{403, "access_denied", "app has not associated with the organization"},
	} {
		list = append(list, reply{failure.status, isJSON, `{"code":"oidc.` + failure.code + `","message":"` + failure.description +
			`","error":"` + failure.code + `","error_description":"` + failure.description + `"}`})
	}
	return list
}

// granting are members that come with a token.
func granting() []reply {
	var list []reply
	for _, members := range []string{
		``, `,"expires_in":1`, `,"expires_in":86400`, `,"expires_in":86401`, `,"expires_in":null`, `,"expires_in":9223372036854775807`,
		`,"expires_in":9223372036854775808`, `,"expires_in":1e999`, `,"expires_in":1e308`, `,"expires_in":-1`, `,"expires_in":-0`, `,"expires_in":0`,
		`,"expires_in":"3600"`, `,"expires_in":""`, `,"expires_in":1e-9`, `,"expires_in":0.5`, `,"expires_in":3600.0`, `,"expires_in":36e2`,
		`,"expires_in":[3600]`, `,"expires_in":{}`, `,"expires_in":true`, `,"expires_in":"SECRET"`, `,"Expires_In":1`, `,"expires_in":1,"Expires_In":0`,
		`,"scope":null`, `,"scope":""`, `,"scope":1`, `,"scope":["read:products"]`, `,"scope":"read:products"`, `,"scope":"write:products"`,
		`,"scope":"write:products\tread:products"`, `,"scope":"read:products,write:products"`, `,"scope":"SECRET"`, `,"Scope":"read:products write:products"`,
		`,"error":""`, `,"error":null`, `,"error":"server_error"`, `,"error":"SECRET"`, `,"Error":"SECRET"`, `,"error":1`, `,"error_description":1`, `,"refresh_token":1`,
		`,"error_description":"SECRET","error_uri":"https://SECRET","refresh_token":"BASIC"`, `,"ACCE\u0053S_TOKEN":"b"`, `,"Access_Token":""`, `,"Access_Token":1`,
		`,"acce\u0073s_token":"b"`, `,"x":{"access_token":"b"}`, `,"x":{"y":1,"y":2}`, `,"x":[{"y":1,"\u0079":2}]`, `,"x":"\ud83d\ude00"`, `,"x":"\ud83d"`,
		`,"x":"` + "\xff" + `"`, `,"x":"` + "\x00" + `"`, `,"x":"\u0000"`, `,`, `,"x"`, `,"token_type":"Bearer"`, `}`, `} {}`, `}[`, `} //`,
	} {
		list = append(list, reply{200, isJSON, `{` + fine + members + `}`})
	}
	return list
}

// failures are bodies without a token, and each of them as a failure too.
func failures() []reply {
	var list []reply
	for _, body := range []string{
		``, ` `, `null`, `""`, `1`, `[]`, `{}`, `{`, `[{` + fine + `}]`, "\ufeff{" + fine + `}`, "\x00{" + fine + `}`, "{" + fine + "}\x00", `{"x":{` + fine + `}}`,
		`<html>SECRET`, `SECRET`, `access_token=a&token_type=Bearer`, `error=SECRET&error_description=SECRET`,
		`{"token_type":"Bearer"}`, `{"access_token":"a"}`, `{"access_token":null,"token_type":"Bearer"}`, `{"access_token":"","token_type":"Bearer"}`,
		`{"access_token":1,"token_type":"Bearer"}`, `{"access_token":"a","token_type":null}`, `{"access_token":"a","token_type":1}`,
		`{"access_token":"a","token_type":"mac"}`, `{"access_token":"a","token_type":"SECRET"}`, `{"access_token":"a","token_type":"bEARER"}`,
		`{"access_token":"a","Token_Type":"Bearer"}`, `{"Access_Token":"a","token_type":"Bearer"}`, `{"access_token":"==","token_type":"Bearer"}`,
		`{"access_token":"=a","token_type":"Bearer"}`, `{"access_token":"a=b","token_type":"Bearer"}`, `{"access_token":"a b","token_type":"Bearer"}`, `{"access_token":"a\r\nX: b","token_type":"Bearer"}`,
		`{"access_token":"a\n","token_type":"Bearer"}`, `{"access_token":"a\u0000","token_type":"Bearer"}`, `{"access_token":"é","token_type":"Bearer"}`,
		`{"access_token":"SECRET with a space","token_type":"Bearer"}`, `{"access_token":"SECRET","token_type":"Bearer"}`,
		`{"error":"a","error":"b"}`, `{"error":"SECRET"}`, `{"error":"invalid_client","Error":"SECRET"}`, `{"Error":"invalid_client"}`, `{"error":"Invalid_Client"}`,
		`{"error":1}`, `{"error":null}`, `{"error":"invalid_client","error_description":"SECRET"}`, `{"error":"invalid_client","error_description":1}`,
		`{"error":"SECRET","error_description":"client authentication failed"}`, `{"error":"BASIC","error_uri":"https://SECRET"}`,
		`{"error":"server_error"}`, `{"error":"unauthorized_client"}`, `{"error":"temporarily_unavailable"}`,
	} {
		for _, status := range []int{200, 401} {
			list = append(list, reply{status, isJSON, body})
		}
	}
	return list
}

// otherTypes are what a fine answer may come with.
func otherTypes() []reply {
	var list []reply
	for _, contentType := range []string{
		``, `;`, `text/html`, `text/plain`, `text/SECRET`, `application/x-www-form-urlencoded`, `application/jsonp`, `application/problem+json`, `APPLICATION/JSON`,
		` application/json `, `application/json;`, `application/json; charset="UTF-8"`, `application/json; charset=utf-16`, `application/json; charset`,
		`application/json; charset=a; charset=b`, `application/json, text/html`, `application/json; x=SECRET`,
	} {
		list = append(list, reply{200, contentType, "{" + fine + "}"})
	}
	for _, status := range []int{0, 100, 101, 199, 201, 202, 203, 204, 206, 299, 300, 301, 302, 303, 304, 307, 308, 400, 404, 405, 429, 500, 502, 999} {
		list = append(list, reply{status, isJSON, "{" + fine + "}"}, reply{status, isJSON, `{"error":"SECRET"}`}, reply{status, "text/html", "<html>SECRET"})
	}
	return list
}

// sizes are at the limits of length and depth.
func sizes() []reply {
	var list []reply
	for _, size := range []int{64 << 10, 64<<10 + 1, 65 << 10} {
		list = append(list, reply{200, isJSON, "{" + fine + "}" + strings.Repeat(" ", size-len(fine)-2)}, reply{500, isJSON, strings.Repeat(" ", size)})
	}
	for _, depth := range []int{100, 9999, 10000, 10001} { // with the object around them
		list = append(list, reply{200, isJSON, "{" + fine + `,"x":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"})
	}
	return list
}
