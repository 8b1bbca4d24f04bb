// Command revocation measures how fast replicas learn what was revoked: three processes
// with a guard each, a Valkey or Redis server, and webhooks as Logto sends them. Beside
// each webhook a bare entry goes through another stream of the same server, which is the
// least that it can take. See ../../README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/logtoguard/logtoguard/bench/internal/stat"
)

var (
	server  = flag.String("server", "redis-server", "the command that starts Valkey or Redis")
	rounds  = flag.Int("revocations", 200, "revocations, one after the other")
	masses  = flag.Int("mass", 20_000, "revocations at once")
	lists   = flag.Int("lists", 200, "lists in one process")
	rate    = flag.Int("rate", 100, "revocations a second that these lists follow")
	lasting = flag.Duration("length", 20*time.Second, "for how long")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if child, err := runChild(); child {
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	db, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer db.stop()
	version, err := db.info(ctx, "redis_version")
	if err != nil {
		return err
	}
	fmt.Printf("%s %s with appendonly yes; %d processors, %s, %s.\n\n", *server, version, runtime.NumCPU(), runtime.Version(), time.Now().Format(time.DateOnly))
	if err := threeProcesses(ctx, db); err != nil {
		return err
	}
	return manyLists(ctx, db)
}

// A database is a server of its own, with an append-only file.
type database struct {
	valkey.Client
	address string
	process *exec.Cmd
	dir     string
}

func startServer(ctx context.Context) (*database, error) {
	dir, err := os.MkdirTemp("", "revocation")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a free port
	if err != nil {
		return nil, err
	}
	address := listener.Addr().(*net.TCPAddr)
	_ = listener.Close()
	db := &database{address: "redis://" + address.String(), dir: dir}
	db.process = exec.CommandContext(ctx, *server, "--bind", "127.0.0.1", "--port", strconv.Itoa(address.Port), "--dir", dir, "--appendonly", "yes", "--save", "", "--maxclients", "4000")
	if err := db.process.Start(); err != nil {
		return nil, fmt.Errorf("%w: choose another with -server", err)
	}
	for range 100 {
		if db.Client, err = newClient(db.address); err == nil {
			return db, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	db.stop()
	return nil, err
}

func (db *database) stop() {
	_ = db.process.Process.Kill()
	_ = db.process.Wait()
	_ = os.RemoveAll(db.dir)
}

func newClient(address string) (valkey.Client, error) {
	option, err := valkey.ParseURL(address)
	if err != nil {
		return nil, err
	}
	option.DisableCache, option.ForceSingleClient = true, true
	return valkey.NewClient(option)
}

// info returns a field of the server's INFO.
func (db *database) info(ctx context.Context, name string) (string, error) {
	text, err := db.Do(ctx, db.B().Info().Section("everything").Build()).ToString()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", errors.New("INFO lacks " + name)
}

func (db *database) number(ctx context.Context, name string) (n float64, err error) {
	text, err := db.info(ctx, name)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(text, &n)
	return n, err
}

func row(name string, times []time.Duration) {
	fmt.Printf("| %s | %.2f | %.2f | %.2f |\n", name, stat.Milli(stat.Median(times)), stat.Milli(stat.Quantile(times, 0.99)), stat.Milli(stat.Quantile(times, 1)))
}
