// Package logtoguard protects net/http APIs with access tokens issued by Logto,
// the open-source identity provider: it lets a request through only with a valid
// access token for this API, and hands the token's claims to the handlers.
//
//	guard, err := logtoguard.New(logtoguard.Config{
//		Endpoint: "https://tenant-id.logto.app",
//		Audience: []string{"https://shopping.api"},
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer guard.Close()
//	read := logtoguard.RequireScope("read:products")
//	mux.Handle("GET /products", read(http.HandlerFunc(listProducts)))
//	log.Fatal(http.ListenAndServe(":8080", guard.Handler(mux)))
//
// # What is checked
//
// One Authorization header with one Bearer token (RFC 6750, section 2.1); a JWT
// of at most 16 KiB in strict encoding, without duplicate members, at most 32 deep
// and of at most 1,000 members; the type at+jwt, so that ID tokens don't pass (RFC
// 9068, section 4); an algorithm out of ES384, ES256, ES512 and RS256 that fits the
// key; no critical extension; issuer, audience (one of at most 16), exp, nbf and iat;
// sub and client_id; that the token is not bound to a sender's key; and the
// signature, by a key that Logto publishes now or published at most 24 hours ago,
// while it can't be reached. No setting takes one of these checks away, and a token
// that is remembered is still judged by its times, its key and [Config].Check on
// every request.
//
// # What is not checked
//
// A valid token is not a permission: every machine-to-machine application of a
// tenant gets a token for every API resource, with no scope in it. Wrap routes in
// [RequireScope]. Scopes don't say whose data is served: that is for the handler
// to judge, by [Claims.Subject]. Logto can't revoke a token before it expires, and it
// works for anyone who holds it: serve by TLS only. Neither the user's session nor
// the user's existence is asked about; [Config].Check is the place for that, and
// package revocation has one. An opaque token can't be judged without asking Logto,
// and is always refused.
//
// # Organizations
//
// A token that is bound to an organization holds no scope until somebody says
// which organization is being served: [RequireOrganization] on the route, or
// [Claims.ForOrganization]. It may be used for that organization only, and its
// audience is the same as that of a token that is not bound to one.
//
// A user's plain token, which is bound to none, carries the permissions that the
// user holds in any organization. Name those that an organization role may hold in
// [Config].OrganizationScopes, so that they count in an organization only, or give
// them a name or an API resource of their own.
//
// # Errors
//
// Every refusal is an *[Error] with the status, the challenge and a fixed text;
// errors.Is finds the sentinel, such as [ErrExpired].
//
// Package m2m gets tokens for calling other APIs; package logtotest is a Logto for
// tests.
package logtoguard
