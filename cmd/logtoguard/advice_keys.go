package main

// Advice on keys and signatures.

// publishedKey is the one that the token names, usable or not; nil: Logto does not
// publish it.
func (q *inquiry) publishedKey() *key {
	for _, k := range q.watch.published() {
		if k.id != "" && k.id == q.token.header.text("kid") {
			return &k
		}
	}
	return nil
}

func adviseUnknownKey(q *inquiry) []string {
	kid := showValue(q.token.header.get("kid"))
	if q.publishedKey() != nil {
		return one("Logto publishes its key %s, but logtoguard can't use it: logtoguard keys says why", kid)
	}
	lines := one("signed by a key that Logto no longer publishes, or never did (kid %s): get a new token", kid)
	if published := q.watch.published(); len(published) > 0 {
		var ids []string
		for _, k := range published {
			ids = append(ids, k.id)
		}
		lines = append(lines, "published are: "+showAll(ids))
	}
	if q.keys.file != "" || q.keys.jwksURL != "" {
		lines = append(lines, "or else "+show(q.keys.where())+" has the keys of another Logto, or old ones")
	}
	return lines
}

func adviseSignature(q *inquiry) []string {
	lines := one("its content or its signature was changed, or cut, after Logto signed it, or somebody else made it: copy it again, or get a new one")
	if q.keys.file != "" {
		lines = append(lines, "or else "+show(q.keys.file)+" has another key under this kid than Logto")
	}
	return lines
}

func adviseNoKeys(q *inquiry) []string {
	lines := one("no keys: %s", q.watch.whyNoKeys())
	switch {
	case q.keys.file != "" && len(q.watch.published()) == 0:
		return append(lines, "-keys takes the whole answer of Logto's /oidc/jwks, in a file")
	case q.keys.file != "":
		return append(lines, "logtoguard keys -keys "+show(q.keys.file)+" says what is in the file")
	case q.keys.jwksURL == "":
		return append(lines, "is -endpoint right? Where this machine reaches Logto under another name, set -jwks-url; offline, use -keys")
	}
	return lines
}
