package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestTheScriptsAreTheManuals(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```lua\n(.*?)```").FindAllStringSubmatch(manual(t), -1)
	ours := []string{ruleText, writeText, takeText, checkText, finishText}
	if len(blocks) != len(ours) {
		t.Fatalf("the manual has %d scripts", len(blocks))
	}
	for i, block := range blocks {
		if block[1] != ours[i] {
			t.Errorf("script %d is another:\n%s", i, ours[i])
		}
	}
}

func TestTheStoreAnswersAsTheManualSays(t *testing.T) {
	t.Parallel()
	store := startRedis(t).store()
	// Beyond what a double holds.
	const first, second = 1<<62 + 1, 1<<62 + 2
	got := must(t)(store.take("duel", first, 0))
	if got.kind != taken || got.wait != 0 || got.envelope != nil {
		t.Errorf("taken: %+v", got)
	}
	if got := must(t)(store.write("duel", first, 1<<63+1, []byte("newer"))); got.kind != stored {
		t.Errorf("stored: %+v", got)
	}
	if got := must(t)(store.write("duel", first, 1<<63, []byte("older"))); got.kind != older {
		t.Errorf("older: %+v", got)
	}
	got = must(t)(store.take("duel", second, time.Minute))
	if got.kind != taken || got.epoch != first || string(got.envelope) != "newer" || got.wait > time.Minute || got.wait < 50*time.Second {
		t.Errorf("taken: %+v", got)
	}
	for _, refused := range []answer{
		must(t)(store.write("duel", first, 1<<63+2, []byte("late"))),
		must(t)(store.check("duel", first)),
		must(t)(store.finish("duel", first, []byte("late"))),
		must(t)(store.take("duel", first, 0)),
	} {
		if refused.kind != fenced || refused.epoch != second {
			t.Errorf("refused: %+v", refused)
		}
	}
	if got := must(t)(store.check("duel", second)); got.kind != mine {
		t.Errorf("mine: %+v", got)
	}
	if got := must(t)(store.finish("duel", second, []byte("draw"))); got.kind != recorded {
		t.Errorf("recorded: %+v", got)
	}
	if got := must(t)(store.finish("duel", second, []byte("ann wins"))); got.kind != finished || string(got.result) != "draw" {
		t.Errorf("finished: %+v", got)
	}
}

func TestAKeyThatSomethingElseHasIsAnErrorAndNoAnswer(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	client := server.client()
	defer client.Close()
	check(t, client.Set(context.Background(), "gamekeeper:{duel}", "mine", 0).Err())
	if got, err := server.store().check("duel", 1); err == nil {
		t.Errorf("answer: %+v", got)
	}
	for _, parts := range [][]any{{}, {nil}, {int64(1)}, {"maybe"}, {"taken"}, {"taken", "soon", int64(0)}, {"fenced"}, {"fenced", "x"}} {
		if got, err := read(parts); err == nil {
			t.Errorf("%v is read as %+v", parts, got)
		}
	}
}

func TestACallThatHangsFailsInTimeAndTheNextHasAnotherConnection(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	store := server.store()
	must(t)(store.take("duel", 1, 0))
	client := server.client()
	defer client.Close()
	check(t, client.ClientPause(context.Background(), 1500*time.Millisecond).Err())
	asked := time.Now()
	if _, err := store.check("duel", 1); err == nil {
		t.Error("it was answered")
	}
	if took := time.Since(asked); took > 3*callPatience {
		t.Errorf("it took %v", took)
	}
	eventually(t, "the store answers again", func() bool {
		got, err := store.check("duel", 1)
		return err == nil && got.kind == mine
	})
}

func TestATakeWaitsForAReplica(t *testing.T) {
	t.Parallel()
	master := startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.port), "--repl-diskless-sync-delay", "0")
	monitor := replica.client()
	defer monitor.Close()
	counts := master.client()
	defer counts.Close()
	// It knows of itself a moment before the master does.
	eventually(t, "the master has a replica", func() bool {
		replica := counts.InfoMap(context.Background(), "replication").Item("Replication", "slave0")
		return strings.Contains(replica, "state=online")
	})
	must(t)(master.store().take("duel", 7, 0))
	// Known there without any waiting of this test's.
	if epoch, err := monitor.HGet(context.Background(), "gamekeeper:{duel}", "epoch").Result(); err != nil || epoch != "7" {
		t.Errorf("the replica has %q: %v", epoch, err)
	}
	if waits := counts.InfoMap(context.Background(), "commandstats").Item("Commandstats", "cmdstat_wait"); waits == "" {
		t.Error("it did not wait")
	}
}

// rights are those that the manual asks for.
var rights = []any{
	"+evalsha", "+eval", "+role", "+wait", "+cluster|slots", "+time", "+hmget", "+hset", "+hdel", "+pexpire", "~gamekeeper:*",
}

func TestTheRightsThatTheManualNamesAreEnough(t *testing.T) {
	t.Parallel()
	for _, cluster := range []bool{false, true} {
		var server *redisServer
		scheme := "redis"
		if cluster {
			server, scheme = startRedis(t, "--cluster-enabled", "yes"), "redis-cluster"
		} else {
			server = startRedis(t)
		}
		admin := server.client()
		defer admin.Close()
		ctx := context.Background()
		if cluster {
			check(t, admin.ClusterAddSlotsRange(ctx, 0, 16383).Err())
			eventually(t, "the cluster serves", func() bool {
				return strings.Contains(admin.ClusterInfo(ctx).Val(), "cluster_state:ok")
			})
		}
		check(t, admin.Do(ctx, append([]any{"acl", "setuser", "rooms", "on", ">p@ss/word"}, rights...)...).Err())
		store, err := newStore(fmt.Sprintf("%s://rooms:p%%40ss%%2Fword@127.0.0.1:%d", scheme, server.port), testFence)
		check(t, err)
		defer store.close()
		must(t)(store.take("duel", 1, testFence))
		must(t)(store.write("duel", 1, 1, []byte("state")))
		must(t)(store.check("duel", 1))
		must(t)(store.finish("duel", 1, []byte("result")))
		if log, err := admin.Do(ctx, "acl", "log").Slice(); err != nil || len(log) != 0 {
			t.Errorf("cluster %v: refused: %v %v", cluster, log, err)
		}
	}
}

func TestURLsAreReadAsTheManualSays(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://store":                                     "[store:6379///0/plain] false",
		"redis://store:1/2":                                 "[store:1///2/plain] false",
		"redis://:p%40ss@store":                             "[store:6379//p@ss/0/plain] false",
		"redis://ann:p%2Fw%3F@[::1]:7":                      "[[::1]:7/ann/p/w?/0/plain] false",
		"rediss://store":                                    "[store:6379///0/tls store] false",
		"redis-cluster://ann:pw@a:1,b,[::2]:3":              "[a:1/ann/pw/0/plain b:6379/ann/pw/0/plain [::2]:3/ann/pw/0/plain] true",
		"rediss-cluster://a:1":                              "[a:1///0/tls a] true",
		"redis-cluster://" + strings.Repeat("a,", 15) + "a": "[" + strings.TrimSuffix(strings.Repeat("a:6379///0/plain ", 16), " ") + "] true",
	} {
		parsed, err := parseURL(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		var nodes []string
		for _, node := range parsed.nodes {
			nodes = append(nodes, describe(node))
		}
		if got := fmt.Sprintf("%v %v", nodes, parsed.cluster); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
	for _, url := range []string{
		"", "store", "http://store", "redis://", "redis://a,b", "redis://store?db=1", "redis://store#x", "redis://store/x",
		"redis-cluster://a/1", "redis-cluster://a,,b", "redis-cluster://" + strings.Repeat("a,", 16) + "a",
		"redis://:secret@store:port", "redis://:%zzsecret@store", "redis://:secret?x@store",
	} {
		if _, err := parseURL(url); err == nil {
			t.Errorf("%s: read", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func describe(node *redis.Options) string {
	safety := "plain"
	if node.TLSConfig != nil {
		safety = "tls " + node.TLSConfig.ServerName
	}
	return fmt.Sprintf("%s/%s/%s/%d/%s", node.Addr, node.Username, node.Password, node.DB, safety)
}

func TestTheEnvironmentNamesTheStore(t *testing.T) {
	t.Parallel()
	full := map[string]string{
		"GAMEKEEPER_STATE_URL": "redis://store", "GAMEKEEPER_CHECKPOINT_INTERVAL_MS": "100", "GAMEKEEPER_FENCE_AFTER_MS": "400",
	}
	read := func(change map[string]string) (*keeping, error) {
		return keepingFrom(func(name string) string {
			if value, changed := change[name]; changed {
				return value
			}
			return full[name]
		}, "1")
	}
	got, err := read(nil)
	check(t, err)
	if got.interval != 100*time.Millisecond || got.fenceAfter != 400*time.Millisecond || got.store.patience != 200*time.Millisecond {
		t.Errorf("read: %+v", got)
	}
	if none, err := read(map[string]string{"GAMEKEEPER_STATE_URL": ""}); none != nil || err != nil {
		t.Errorf("without a store: %v, %v", none, err)
	}
	for name, values := range map[string][]string{
		"GAMEKEEPER_STATE_URL":              {"http://store"},
		"GAMEKEEPER_CHECKPOINT_INTERVAL_MS": {"", "9", "30001", "100ms"},
		"GAMEKEEPER_FENCE_AFTER_MS":         {"", "99", "60001", "1s"},
	} {
		for _, value := range values {
			if _, err := read(map[string]string{name: value}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %q: %v", name, value, err)
			}
		}
	}
}

// must is for calls that do not fail.
func must(t *testing.T) func(answer, error) answer {
	return func(got answer, err error) answer {
		t.Helper()
		check(t, err)
		return got
	}
}
