// Package valkeylog keeps revocations in a stream of Valkey, or of Redis from 6.2, so that
// the replicas of a service share them:
//
//	client, err := valkey.NewClient(valkey.ClientOption{
//		InitAddress: []string{"valkey.internal:6379"},
//		Username:    "revocations",
//		Password:    password,
//		TLSConfig:   &tls.Config{},
//
//		ForceSingleClient: true, // leave it out for a Cluster
//		DisableCache:      true, // nothing is cached here
//	})
//	list, err := revocation.New(revocation.Config{Log: valkeylog.New(client, "logto:revocations")})
//
// The caller makes the client, and closes it after the List. With ForceSingleClient,
// NewClient returns a client that works later even where it also returns an error because
// the server is down now. A Cluster works too: the key is in one slot.
//
// # The server
//
//   - appendonly yes. Without it a restart loses all revocations, and only a List that
//     is running then can restore them.
//   - maxmemory-policy noeviction. The allkeys policies may drop the key.
//   - One key for each Logto tenant, and never two tenants on one key: ids of users are
//     only unique within their tenant.
//   - replica-serve-stale-data no, where there are replicas. A former primary whose link is
//     down goes on answering reads, and a List that is still connected to it takes itself
//     for up to date.
//   - Anyone who may write the key can revoke tokens, and take revocations back. Give
//     the key to a user of its own, and use TLS.
//   - Only the server's clock decides what is old. If it jumps ahead by days, the next
//     Append drops entries that are still needed.
//
// This is all that the user needs, with the client's options above:
//
//	ACL SETUSER revocations on >password ~logto:revocations +ping +xadd +xread +xrange +xtrim
//
// The server forgets the user when it restarts, unless ACL SAVE or its configuration keeps
// it. Without DisableCache it also needs +client|tracking, and without ForceSingleClient
// +cluster|slots.
//
// # Losses
//
// A server that is restarted without its last second, or a replica that lagged behind
// and is promoted, has lost entries. A [Log] notices when the entry that it read last is
// not there any more or says something else, or one that it has appended does not come
// back. It looks every second. The Lists then append again what they hold and the stream
// does not: all of them at once, so that some of it is stored several times. All
// commands go to the primary, even if SendToReplicas sends those that only read to replicas.
//
// In a large fleet, a List that only follows may be given a client of a read replica. It
// lags behind like the replica, and what its own code revokes is not stored.
//
// Deleting an entry does not take its revocation back: append a [revocation.Lift].
package valkeylog
