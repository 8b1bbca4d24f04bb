package logtotest_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/logtoguard/logtoguard/logtotest"
	"github.com/stretchr/testify/require"
)

func TestMembers(t *testing.T) {
	const users, applications = "/organizations/acme/users", "/organizations/acme/applications"
	const notFound, unknown, invalid = "entity.not_found", "entity.relation_foreign_key_not_found", "guard.invalid_input"
	declared := members("alice", "bob", "carol")
	declared.Applications = append(declared.Applications, logtotest.Application{ID: "spa", Type: "SPA"})
	s := start(t, declared)
	for i, step := range []struct {
		method, path, body string
		status             int
		code               string   // of a refusal
		users              []string // afterwards
		applications       []string
	}{
		{"GET", users, "", 200, "", []string{"alice"}, []string{"no-role"}},
		{"POST", users, `{"userIds":["bob","carol","bob"]}`, 201, "", []string{"alice", "bob", "carol"}, []string{"no-role"}},
		{"POST", users, `{"userIds":["bob"]}`, 201, "", []string{"alice", "bob", "carol"}, []string{"no-role"}},
		{"DELETE", users + "/bob", "", 204, "", []string{"alice", "carol"}, []string{"no-role"}},
		{"DELETE", users + "/bob", "", 404, notFound, []string{"alice", "carol"}, []string{"no-role"}},
		{"DELETE", users + "/no-role", "", 404, notFound, []string{"alice", "carol"}, []string{"no-role"}},
		{"DELETE", applications + "/alice", "", 404, notFound, []string{"alice", "carol"}, []string{"no-role"}},
		{"POST", users, `{"userIds":["bob","nobody"]}`, 422, unknown, []string{"alice", "carol"}, []string{"no-role"}},
		{"POST", users, `{"userIds":["shop"]}`, 422, unknown, []string{"alice", "carol"}, []string{"no-role"}},
		{"POST", applications, `{"applicationIds":["alice"]}`, 422, unknown, []string{"alice", "carol"}, []string{"no-role"}},
		{"POST", applications, `{"applicationIds":["spa"]}`, 422, unknown, []string{"alice", "carol"}, []string{"no-role"}},
		{"POST", users, `{"userIds":[]}`, 400, invalid, []string{"alice", "carol"}, []string{"no-role"}},
		{"POST", users, `{"userIds":[""]}`, 400, invalid, []string{"alice", "carol"}, []string{"no-role"}},
		{"POST", users, `{"userIds":"bob"}`, 400, invalid, []string{"alice", "carol"}, []string{"no-role"}},
		{"POST", users, `{"applicationIds":["shop"]}`, 400, invalid, []string{"alice", "carol"}, []string{"no-role"}},
		{"PUT", users, `{}`, 400, invalid, []string{"alice", "carol"}, []string{"no-role"}},
		{"PUT", users, `{"userIds":null}`, 400, invalid, []string{"alice", "carol"}, []string{"no-role"}},
		{"PUT", users, ``, 400, invalid, []string{"alice", "carol"}, []string{"no-role"}},
		{"PUT", users, `{"userIds":["nobody"]}`, 422, unknown, []string{"alice", "carol"}, []string{"no-role"}},
		{"PUT", users, `{"userIds":["bob","carol"]}`, 204, "", []string{"bob", "carol"}, []string{"no-role"}},
		{"PUT", applications, `{"applicationIds":["shop","reader"]}`, 204, "", []string{"bob", "carol"}, []string{"reader", "shop"}},
		{"POST", applications, `{"applicationIds":["no-role"]}`, 201, "", []string{"bob", "carol"}, []string{"no-role", "reader", "shop"}},
		{"DELETE", applications + "/reader", "", 204, "", []string{"bob", "carol"}, []string{"no-role", "shop"}},
		{"DELETE", "/users/bob", "", 204, "", []string{"carol"}, []string{"no-role", "shop"}},
		{"PUT", users, `{"userIds":[]}`, 204, "", nil, []string{"no-role", "shop"}},
		{"POST", "/organizations/other/users", `{"userIds":["carol"]}`, 422, unknown, nil, []string{"no-role", "shop"}},
		{"DELETE", "/organizations/other/users/carol", "", 404, notFound, nil, []string{"no-role", "shop"}},
		{"GET", "/organizations/other/users", "", 404, notFound, nil, []string{"no-role", "shop"}},
		{"DELETE", "/organizations/other", "", 404, notFound, nil, []string{"no-role", "shop"}},
	} {
		t.Run(fmt.Sprint(i, " ", step.method, step.path), func(t *testing.T) {
			resp := manage(t, s, step.method, step.path, step.body)
			require.Equal(t, step.status, resp.StatusCode, resp.body)
			if step.code != "" {
				requireError(t, resp, step.status, step.code)
			}
			if step.status == 201 {
				require.JSONEq(t, step.body, resp.body)
			}
			require.Equal(t, step.users, idsOf(t, manage(t, s, "GET", users, "")))
			require.Equal(t, step.applications, idsOf(t, manage(t, s, "GET", applications, "")))
		})
	}
	resp := manage(t, s, "GET", applications+"?page_size=1", "")
	require.JSONEq(t, `[{"id":"no-role","name":"no-role","type":"MachineToMachine"}]`, resp.body)
	require.Equal(t, "2", resp.Header.Get("Total-Number"))

	require.Equal(t, 204, manage(t, s, "DELETE", "/organizations/acme", "").StatusCode)
	requireError(t, manage(t, s, "GET", users, ""), 404, notFound)
	requireError(t, manage(t, s, "DELETE", "/organizations/acme", ""), 404, notFound)
}

// members is a tenant with these users, of whom the first is a member of acme.
func members(ids ...string) logtotest.Tenant {
	declared := users(ids...)
	declared.Organizations[0].Members = append(declared.Organizations[0].Members, logtotest.Member{
		UserID: ids[0], Scopes: []string{"invite:member"}, ResourceScopes: map[string][]string{shoppingAPI: {"read:products"}},
	})
	return declared
}

// An application that is removed, or comes back, holds nothing in the organization any more.
func TestMembershipEnds(t *testing.T) {
	inAcme := form("organization_id", "acme", "resource", shoppingAPI, "scope", "read:products")
	for name, end := range map[string]string{"removed": "DELETE /organizations/acme/applications/no-role", "organization deleted": "DELETE /organizations/acme"} {
		t.Run(name, func(t *testing.T) {
			s := start(t, tenant())
			require.Equal(t, "read:products", askToken(t, s, "no-role", "no-role-secret", inAcme).decode(t)["scope"])
			require.Equal(t, 204, manage(t, s, "DELETE", end[len("DELETE "):], "").StatusCode)
			requireRefusal(t, askToken(t, s, "no-role", "no-role-secret", inAcme), 403, "access_denied", "app has not associated with the organization")
			if name == "removed" {
				require.Equal(t, 201, manage(t, s, "POST", "/organizations/acme/applications", `{"applicationIds":["no-role","shop"]}`).StatusCode)
				for id, secret := range map[string]string{"no-role": "no-role-secret", "shop": shopSecret} {
					got := askToken(t, s, id, secret, inAcme).decode(t)
					require.Nil(t, got["scope"])
					require.Equal(t, "acme", claims(t, s, got["access_token"].(string))["organization_id"])
				}
			}
		})
	}
}

// Logto cuts the lists of an event at 5,000, without a mark.
func TestLongListsAreCut(t *testing.T) {
	address, got := receiver(t, 200)
	var ids []string
	for i := range 5001 {
		ids = append(ids, fmt.Sprint("user-", i))
	}
	declared := users(ids...)
	declared.Hooks = []logtotest.Hook{{ID: "hook", URL: address, SigningKey: "key"}}
	s := start(t, declared)
	for _, n := range []int{5000, 0, 5001, 0} {
		body, err := json.Marshal(map[string]any{"userIds": append([]string{}, ids[:n]...)})
		require.NoError(t, err)
		require.Equal(t, 204, manage(t, s, "PUT", "/organizations/acme/users", string(body)).StatusCode)
		var event struct{ AddedUserIDs, RemovedUserIDs []string }
		select {
		case delivered := <-got:
			require.NoError(t, json.Unmarshal([]byte(delivered.body), &event))
		case <-time.After(10 * time.Second):
			t.Fatal("no event")
		}
		if n > 0 {
			require.Len(t, event.AddedUserIDs, 5000)
			require.Nil(t, event.RemovedUserIDs)
		} else {
			require.Len(t, event.RemovedUserIDs, 5000)
			require.Nil(t, event.AddedUserIDs)
		}
	}
}
