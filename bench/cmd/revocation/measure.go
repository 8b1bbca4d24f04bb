package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/bench/internal/stat"
	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

const replicas = 3

func threeProcesses(ctx context.Context, db *database) error {
	r := rig.New("ES384")
	defer r.Close()
	var children []*process
	for range replicas {
		c, err := startChild(replicaArgument, db.address, r.Endpoint)
		if err != nil {
			return err
		}
		defer c.stop()
		children = append(children, c)
	}
	if err := oneByOne(ctx, db, r, children); err != nil {
		return err
	}
	return atOnce(r, children)
}

// webhook posts a user's suspension, as Logto does.
func webhook(client *http.Client, child *process, user string) error {
	now := time.Now()
	body := fmt.Appendf(nil, `{"event":"User.SuspensionStatus.Updated","createdAt":%q,"data":{"id":%q,"isSuspended":true,"updatedAt":%d}}`,
		now.UTC().Format("2006-01-02T15:04:05.000Z"), user, now.UnixMilli())
	mac := hmac.New(sha256.New, []byte(signingKey))
	mac.Write(body)
	r, err := http.NewRequest(http.MethodPost, child.address+"/webhook", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Logto-Signature-Sha-256", hex.EncodeToString(mac.Sum(nil)))
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("webhook: %s", resp.Status)
	}
	return nil
}

// oneByOne revokes by webhook to one replica, and looks when the last of all refuses. In
// between, bare entries do no more than go through the server.
func oneByOne(ctx context.Context, db *database, r *rig.Rig, children []*process) error {
	var users, tokens []string
	for range *rounds {
		users = append(users, rand.Text()[:12])
		tokens = append(tokens, r.Of(users[len(users)-1]))
	}
	for _, c := range children {
		if err := c.call("/await", tokens, nil); err != nil {
			return err
		}
	}
	const pause = 10 * time.Millisecond
	var revoked, sent []int64
	for i, user := range users {
		time.Sleep(pause)
		sent = append(sent, time.Now().UnixNano())
		if err := db.Do(ctx, db.B().Xadd().Key(bareKey).Id("*").FieldValue().FieldValue("sent", strconv.FormatInt(sent[i], 10)).Build()).Error(); err != nil {
			return err
		}
		time.Sleep(pause)
		revoked = append(revoked, time.Now().UnixNano())
		if err := webhook(http.DefaultClient, children[0], user); err != nil {
			return err
		}
	}
	time.Sleep(time.Second)
	bare, all, own := make([]time.Duration, *rounds), make([]time.Duration, *rounds), make([]time.Duration, *rounds)
	for c, child := range children {
		var seen times
		if err := child.call("/seen", struct{}{}, &seen); err != nil {
			return err
		}
		if len(seen.Refused) < *rounds || len(seen.Bare) < *rounds {
			return fmt.Errorf("replica %d has seen %d revocations and %d bare entries of %d", c, len(seen.Refused), len(seen.Bare), *rounds)
		}
		for i := range *rounds {
			took := time.Duration(seen.Refused[i] - revoked[i])
			if c == 0 {
				own[i] = took
			}
			all[i] = max(all[i], took)
			bare[i] = max(bare[i], time.Duration(seen.Bare[sent[i]]-sent[i]))
		}
	}
	fmt.Printf("%d revocations by webhook to one of three processes, in ms:\n\n| until | median | p99 | longest |\n|---|---:|---:|---:|\n", *rounds)
	row("a bare XADD has come to the XREAD of all three", bare)
	row("the process that got the webhook refuses", own)
	row("all three refuse", all)
	fmt.Printf("\nall three against bare: median ×%.1f, p99 ×%.1f\n\n",
		float64(stat.Median(all))/float64(stat.Median(bare)), float64(stat.Quantile(all, 0.99))/float64(stat.Quantile(bare, 0.99)))
	return nil
}

// atOnce revokes as a mass deletion does: each user has a webhook of its own.
func atOnce(r *rig.Rig, children []*process) error {
	known := rig.Mint(64, r.Good)
	for _, c := range children {
		if err := c.call("/known", known, nil); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second)
	fmt.Printf("Known tokens, one each ms in each process, in ms:\n\n| | median | p99 | longest |\n|---|---:|---:|---:|\n")
	if err := knownTokens("before", known, children); err != nil {
		return err
	}
	before, err := fewestEntries(children)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	users := make(chan string)
	var senders sync.WaitGroup
	failed := make(chan error, 64)
	begin := time.Now()
	for i := range 64 {
		senders.Go(func() {
			for user := range users {
				if err := webhook(client, children[i%len(children)], user); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	for range *masses {
		select {
		case users <- rand.Text()[:12]:
		case err := <-failed:
			return err
		}
	}
	close(users)
	senders.Wait()
	taken := time.Since(begin)
	for {
		entries, err := fewestEntries(children)
		if err != nil {
			return err
		}
		if entries >= before+*masses {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	held := time.Since(begin)
	if err := knownTokens(fmt.Sprintf("during %d revocations", *masses), known, children); err != nil {
		return err
	}
	fmt.Printf("\n%d revocations, each by a webhook of its own over 64 connections to three processes: all webhooks were answered after %.2f s, all held everywhere %.0f ms later.\n\n",
		*masses, taken.Seconds(), stat.Milli(held-taken))
	return nil
}

func knownTokens(name string, known []string, children []*process) error {
	var all []time.Duration
	for _, c := range children {
		var taken []time.Duration
		if err := c.call("/known", []string{}, &taken); err != nil {
			return err
		}
		all = append(all, taken...)
	}
	row(name, all)
	for _, c := range children {
		if err := c.call("/known", known, nil); err != nil {
			return err
		}
	}
	return nil
}

func fewestEntries(children []*process) (int, error) {
	var fewest int
	for i, c := range children {
		var entries int
		if err := c.call("/entries", struct{}{}, &entries); err != nil {
			return 0, err
		}
		if i == 0 || entries < fewest {
			fewest = entries
		}
	}
	return fewest, nil
}

// usage is what the lists and the server have used so far.
type usage struct {
	at                     time.Time
	lists                  time.Duration
	server, bytes, command float64
}

func usageOf(ctx context.Context, db *database, child *process) (u usage, err error) {
	u.at = time.Now()
	if err = child.call("/cpu", struct{}{}, &u.lists); err != nil {
		return u, err
	}
	for _, f := range []struct {
		name string
		sum  *float64
	}{
		{"used_cpu_user", &u.server}, {"used_cpu_sys", &u.server},
		{"total_net_output_bytes", &u.bytes}, {"total_net_input_bytes", &u.bytes},
		{"total_commands_processed", &u.command},
	} {
		n, err := db.number(ctx, f.name)
		if err != nil {
			return u, err
		}
		*f.sum += n
	}
	return u, nil
}

// manyLists follows one log with as many lists as a fleet has replicas.
func manyLists(ctx context.Context, db *database) error {
	if err := db.Do(ctx, db.B().Flushall().Build()).Error(); err != nil {
		return err
	}
	memory, err := db.number(ctx, "used_memory")
	if err != nil {
		return err
	}
	connections, err := db.number(ctx, "connected_clients")
	if err != nil {
		return err
	}
	child, err := startChild(listsArgument, db.address, strconv.Itoa(*lists))
	if err != nil {
		return err
	}
	defer child.stop()
	time.Sleep(2 * time.Second)
	idle := make([]usage, 2)
	for i := range idle {
		if idle[i], err = usageOf(ctx, db, child); err != nil {
			return err
		}
		if i == 0 {
			time.Sleep(*lasting)
		}
	}
	memoryThen, err := db.number(ctx, "used_memory")
	if err != nil {
		return err
	}
	connectionsThen, err := db.number(ctx, "connected_clients")
	if err != nil {
		return err
	}
	list, err := revocation.New(revocation.Config{Log: valkeylog.New(db.Client, key), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { _ = list.Close() }()
	if err := list.Ready(ctx); err != nil {
		return err
	}
	before, err := usageOf(ctx, db, child)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(time.Second / time.Duration(*rate))
	defer ticker.Stop()
	n := int(lasting.Seconds() * float64(*rate))
	for range n {
		<-ticker.C
		if err := list.Revoke(ctx, revocation.Revocation{Subject: rand.Text()[:12], Reason: strconv.FormatInt(time.Now().UnixNano(), 10)}); err != nil {
			return err
		}
	}
	after, err := usageOf(ctx, db, child)
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	var took []time.Duration
	if err := child.call("/took", struct{}{}, &took); err != nil {
		return err
	}
	if len(took) != n**lists {
		return fmt.Errorf("%d lists have taken %d of %d revocations", *lists, len(took), n**lists)
	}
	fmt.Printf("%d lists in one process, %d revocations a second for %v, in ms:\n\n| until | median | p99 | longest |\n|---|---:|---:|---:|\n", *lists, *rate, *lasting)
	row("a list holds it", took)
	per := func(u []usage) (string, string, string, string) {
		d, seconds := u[1], u[1].at.Sub(u[0].at).Seconds()*float64(*lists) // it may have taken longer than it should
		return fmt.Sprintf("%.1f", (d.command-u[0].command)/seconds), fmt.Sprintf("%.0f", (d.bytes-u[0].bytes)/seconds),
			fmt.Sprintf("%.0f", 1e6*(d.server-u[0].server)/seconds), fmt.Sprintf("%.0f", 1e6*(d.lists-u[0].lists).Seconds()/seconds)
	}
	fmt.Printf("\nOf each list, at the server: %.1f connections, %.0f KiB of memory.\n\n| each list, per second | commands | bytes | µs of the server's CPU | µs of its own CPU |\n|---|---:|---:|---:|---:|\n",
		(connectionsThen-connections)/float64(*lists), (memoryThen-memory)/1024/float64(*lists))
	for _, line := range []struct {
		name string
		of   []usage
	}{{"no revocations", idle}, {fmt.Sprint(*rate, " revocations"), []usage{before, after}}} {
		commands, bytes, server, own := per(line.of)
		fmt.Printf("| %s | %s | %s | %s | %s |\n", line.name, commands, bytes, server, own)
	}
	return nil
}
