package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a Redis of a test's own, which keeps nothing on the disk.
type redisServer struct {
	t         *testing.T
	port      int
	arguments []string
	command   *exec.Cmd
}

// startRedis runs a Redis until the test is over. The test needs `redis-server`, Debian's package of that name.
func startRedis(t *testing.T, arguments ...string) *redisServer {
	t.Helper()
	// Between choosing a port and listening there, another may take it.
	for range 5 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		r := &redisServer{t: t, port: free.Addr().(*net.TCPAddr).Port, arguments: arguments}
		check(t, free.Close())
		if r.start() {
			t.Cleanup(r.kill)
			return r
		}
	}
	t.Fatal("no Redis starts")
	return nil
}

// start says whether it runs and answers.
func (r *redisServer) start() bool {
	r.t.Helper()
	r.command = exec.Command("redis-server", append([]string{
		"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", r.t.TempDir(),
	}, r.arguments...)...)
	var output bytes.Buffer
	r.command.Stdout = &output
	if err := r.command.Start(); err != nil {
		r.t.Fatalf("redis-server: %v; install Debian's package redis-server", err)
	}
	client := r.client()
	defer client.Close()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if pid := client.InfoMap(context.Background(), "server").Item("Server", "process_id"); pid == strconv.Itoa(r.command.Process.Pid) {
			return true
		}
	}
	r.kill()
	r.t.Logf("redis-server: %s", output.String())
	return false
}

// kill ends it at once, and it forgets all.
func (r *redisServer) kill() {
	r.command.Process.Kill()
	r.command.Wait()
}

func (r *redisServer) url() string {
	return fmt.Sprintf("redis://127.0.0.1:%d", r.port)
}

func (r *redisServer) client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(r.url(), "redis://"), MaxRetries: -1})
}

// field is one of a room's fields, as it is kept; empty if it is not.
func (r *redisServer) field(uid, name string) string {
	r.t.Helper()
	client := r.client()
	defer client.Close()
	value, err := client.HGet(context.Background(), "gamekeeper:{"+uid+"}", name).Result()
	if err != redis.Nil {
		check(r.t, err)
	}
	return value
}

// store is a client of its own, as another server has it.
func (r *redisServer) store() *store {
	r.t.Helper()
	store, err := newStore(r.url(), 2*callPatience)
	check(r.t, err)
	r.t.Cleanup(store.close)
	return store
}

// keeping is that of a server which may be silent for so long.
func (r *redisServer) keeping(fenceAfter time.Duration) *keeping {
	r.t.Helper()
	store, err := newStore(r.url(), fenceAfter)
	check(r.t, err)
	return &keeping{store: store, interval: 50 * time.Millisecond, fenceAfter: fenceAfter, build: "test"}
}

// eventually waits for something that nobody tells.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}
