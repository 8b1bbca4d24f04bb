package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard"
	"github.com/logtoguard/logtoguard/bench/internal/rig"
	"github.com/logtoguard/logtoguard/revocation"
	"github.com/logtoguard/logtoguard/revocation/valkeylog"
)

// The command is also its own replicas, in processes of their own: each is a server that
// ends with its input.
const (
	replicaArgument = "replica"
	listsArgument   = "lists"

	signingKey = "the key of the webhook"
	key        = "logto:revocations"
	bareKey    = "bare"
)

func runChild() (child bool, err error) {
	if len(os.Args) < 2 {
		return false, nil
	}
	switch os.Args[1] {
	case replicaArgument:
		return true, runReplica(os.Args[2], os.Args[3])
	case listsArgument:
		return true, runLists(os.Args[2], os.Args[3])
	}
	return false, nil
}

// serve tells the parent where the handler is, and serves until the parent has enough.
func serve(handler http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, handler) }()
	fmt.Println("http://" + listener.Addr().String())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// A process is a child, seen from the parent.
type process struct {
	command *exec.Cmd
	input   io.Closer
	address string
}

func startChild(arguments ...string) (*process, error) {
	c := exec.Command("/proc/self/exe", arguments...)
	c.Stderr = os.Stderr
	input, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	line := make([]byte, 64)
	n, err := output.Read(line)
	if err != nil {
		return nil, fmt.Errorf("a child has ended: %w", err)
	}
	return &process{c, input, strings.TrimSpace(string(line[:n]))}, nil
}

func (p *process) stop() {
	_ = p.input.Close()
	_ = p.command.Wait()
}

// call sends a question as JSON, and decodes the answer unless that is nil.
func (p *process) call(path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	resp, err := http.Post(p.address+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// handle answers questions of the parent.
func handle[Q, A any](mux *http.ServeMux, path string, do func(Q) (A, error)) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		var question Q
		if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := do(question)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// A replica is an API with a guard and a list.
type replica struct {
	guard *logtoguard.Guard
	list  *revocation.List
	bare  valkey.Client

	mu    sync.Mutex
	seen  []int64         // when each of the awaited tokens was refused, in Unix nanoseconds
	came  map[int64]int64 // when each bare entry came, by when it was sent
	taken []time.Duration // how long each known token took
	stop  context.CancelFunc
}

func runReplica(database, endpoint string) error {
	client, err := newClient(database)
	if err != nil {
		return err
	}
	defer client.Close()
	r := &replica{came: map[int64]int64{}}
	if r.bare, err = newClient(database); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	if r.list, err = revocation.New(revocation.Config{SigningKeys: []string{signingKey}, Log: valkeylog.New(client, key), Logger: quiet}); err != nil {
		return err
	}
	if r.guard, err = logtoguard.New(logtoguard.Config{Endpoint: endpoint, Audience: []string{rig.Audience}, Check: r.list.Check, Logger: quiet}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := errors.Join(r.guard.Ready(ctx), r.list.Ready(ctx)); err != nil {
		return err
	}
	go r.readBare(ctx)
	mux := http.NewServeMux()
	mux.Handle("/webhook", r.list)
	handle(mux, "/await", r.await)
	handle(mux, "/seen", r.whenSeen)
	handle(mux, "/known", r.known)
	handle(mux, "/entries", func(struct{}) (int, error) { return r.list.Stats().Entries, nil })
	return serve(mux)
}

// readBare does no more than it must, on a stream of its own.
func (r *replica) readBare(ctx context.Context) {
	cursor := "$"
	for ctx.Err() == nil {
		streams, err := r.bare.Do(ctx, r.bare.B().Xread().Block(1000).Streams().Key(bareKey).Id(cursor).Build()).AsXRead()
		if err != nil {
			continue
		}
		now := time.Now().UnixNano()
		r.mu.Lock()
		for _, e := range streams[bareKey] {
			cursor = e.ID
			sent, _ := strconv.ParseInt(e.FieldValues["sent"], 10, 64)
			r.came[sent] = now
		}
		r.mu.Unlock()
	}
}

// await looks every 50 µs whether the next of the tokens is refused.
func (r *replica) await(tokens []string) (struct{}, error) {
	ctx := context.Background()
	for _, token := range tokens {
		if _, err := r.guard.Verify(ctx, token); err != nil {
			return struct{}{}, err
		}
	}
	go func() {
		for _, token := range tokens {
			for {
				if _, err := r.guard.Verify(ctx, token); errors.Is(err, revocation.ErrRevoked) {
					break
				}
				time.Sleep(50 * time.Microsecond)
			}
			r.mu.Lock()
			r.seen = append(r.seen, time.Now().UnixNano())
			r.mu.Unlock()
		}
	}()
	return struct{}{}, nil
}

// times are what a replica has seen.
type times struct {
	Refused []int64
	Bare    map[int64]int64
}

func (r *replica) whenSeen(struct{}) (times, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return times{r.seen, r.came}, nil
}

// known verifies known tokens, one each millisecond, until it is called again without
// any; then it returns how long each took.
func (r *replica) known(tokens []string) ([]time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(tokens) == 0 {
		r.stop()
		taken := r.taken
		r.taken = nil
		return taken, nil
	}
	for _, token := range tokens {
		if _, err := r.guard.Verify(context.Background(), token); err != nil {
			return nil, err
		}
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-ticker.C
			begin := time.Now()
			_, err := r.guard.Verify(ctx, tokens[i%len(tokens)])
			took := time.Since(begin)
			if err != nil && ctx.Err() == nil {
				panic(err)
			}
			r.mu.Lock()
			r.taken = append(r.taken, took)
			r.mu.Unlock()
		}
	}()
	return nil, nil
}

// A timed log notes how long ago each entry was sent that it hands over.
type timed struct {
	revocation.Log
	took func(time.Duration)
}

func (t timed) Follow(ctx context.Context, cursor string, handle func(revocation.Revocation, string), caughtUp func()) error {
	return t.Log.Follow(ctx, cursor, func(r revocation.Revocation, cursor string) {
		handle(r, cursor)
		sent, _ := strconv.ParseInt(r.Reason, 10, 64)
		t.took(time.Since(time.Unix(0, sent)))
	}, caughtUp)
}

// runLists follows the log with many lists, each with connections of its own, as replicas
// have them.
func runLists(database, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	var (
		mu   sync.Mutex
		took []time.Duration
	)
	for range n {
		client, err := newClient(database)
		if err != nil {
			return err
		}
		list, err := revocation.New(revocation.Config{
			Logger: slog.New(slog.DiscardHandler),
			Log: timed{valkeylog.New(client, key), func(d time.Duration) {
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}},
		})
		if err != nil {
			return err
		}
		if err := list.Ready(context.Background()); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	handle(mux, "/took", func(struct{}) ([]time.Duration, error) { // since it was last asked
		mu.Lock()
		defer mu.Unlock()
		all := took
		took = nil
		return all, nil
	})
	handle(mux, "/cpu", func(struct{}) (time.Duration, error) { return cpu(), nil })
	return serve(mux)
}

// cpu is what this process has used.
func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
