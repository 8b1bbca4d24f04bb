// Package revocation ends access tokens before they expire. Logto can't revoke a JWT:
// the token of a suspended user works until its exp, an hour by default. A [List]
// holds what has been revoked, and a guard asks it on every request:
//
//	list, err := revocation.New(revocation.Config{SigningKeys: []string{webhookKey}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer list.Close()
//	guard, err := logtoguard.New(logtoguard.Config{
//		Endpoint: "https://tenant-id.logto.app",
//		Audience: []string{"https://shopping.api"},
//		Check:    list.Check,
//	})
//	mux.Handle("POST /webhooks/logto", list) // Logto's webhook; not behind the guard
//	err = list.Revoke(ctx, revocation.Revocation{Subject: userID}) // "sign out everywhere"
//
// # What is promised
//
// A revocation is in force in this process when Revoke returns or the webhook is
// answered, whatever became of the network. A request never waits for the list. In
// whatever order, and however often, the revocations reach the replicas of a service,
// the replicas come to the same verdicts. A replica refuses all tokens (503) until it
// has read Config.Log once, and when it has been cut off from it for too long.
//
// # What is not
//
// Without a Config.Log, a List is that of one process, and a restart forgets every
// revocation. Logto sends a webhook at most once, and none at all when a role is taken
// from somebody, or an application or its secret is deleted. When a membership ends, the
// user's tokens that are bound to the organization end; plain tokens don't, see
// OrganizationScopes in [logtoguard.Config]. A token that was issued later in the
// second of its revocation is refused too, until the client asks for another: an
// application that calls by package m2m gets no error from that, unless the clock of the
// process that revoked is ahead of Logto's.
package revocation
