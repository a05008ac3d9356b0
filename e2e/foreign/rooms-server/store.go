package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

const (
	// A call that takes longer has failed; a shorter fence makes it less.
	callPatience = 500 * time.Millisecond
	// How long a room is kept after the last call about it.
	lifetime = 24 * time.Hour
	// How long a take waits for a replica.
	replicaPatience = 50 * time.Millisecond
	// Calls of more rooms than that wait for each other.
	connections = 16
)

// The scripts are those of docs/checkpoint-store.md, byte by byte.
var (
	//go:embed scripts/rule.lua
	ruleText string
	//go:embed scripts/write.lua
	writeText string
	//go:embed scripts/take.lua
	takeText string
	//go:embed scripts/check.lua
	checkText string
	//go:embed scripts/finish.lua
	finishText string

	writeScript  = redis.NewScript(ruleText + writeText)
	takeScript   = redis.NewScript(ruleText + takeText)
	checkScript  = redis.NewScript(ruleText + checkText)
	finishScript = redis.NewScript(ruleText + finishText)
)

func init() {
	// What fails is said by who asked, and not for every attempt.
	logging.Disable()
}

// What the store answers.
const (
	fenced   = "fenced"
	finished = "finished"
	stored   = "stored"
	older    = "older"
	taken    = "taken"
	mine     = "mine"
	recorded = "recorded"
)

// answer is one of the store's.
type answer struct {
	kind string
	// With fenced and finished the owner's, with taken that of who wrote the checkpoint.
	epoch int64
	// With finished.
	result []byte
	// With taken: how long not to tick.
	wait time.Duration
	// With taken: the checkpoint in its envelope; nil if there is none.
	envelope []byte
}

// store is a Redis, or a Redis Cluster. Its calls may be made from everywhere.
type store struct {
	client redis.UniversalClient
	// Nil if it is no cluster.
	cluster  *redis.ClusterClient
	patience time.Duration
}

// newStore makes a store without connecting to it.
func newStore(url string, fenceAfter time.Duration) (*store, error) {
	at, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	patience := min(callPatience, fenceAfter/2)
	// A call on a dropped connection is made again once, within the deadline of its context.
	one := at.nodes[0]
	one.ContextTimeoutEnabled = true
	one.MaxRetries, one.MinRetryBackoff, one.MaxRetryBackoff = 1, -1, -1
	one.DialTimeout, one.ReadTimeout, one.WriteTimeout, one.PoolTimeout = patience, patience, patience, patience
	one.DialerRetries, one.PoolSize = 1, connections
	// What the scripts answer is the same in both, and the older needs no rights beyond them.
	one.Protocol, one.DisableIdentity = 2, true
	if !at.cluster {
		return &store{client: redis.NewClient(one), patience: patience}, nil
	}
	options := &redis.ClusterOptions{
		Username: one.Username, Password: one.Password, TLSConfig: one.TLSConfig,
		ContextTimeoutEnabled: true,
		DialTimeout:           patience, ReadTimeout: patience, WriteTimeout: patience, PoolTimeout: patience,
		DialerRetries: 1, PoolSize: connections,
		Protocol: 2, DisableIdentity: true,
		// They would ask for a list of all commands.
		DisableRoutingPolicies: true,
	}
	for _, node := range at.nodes {
		options.Addrs = append(options.Addrs, node.Addr)
	}
	cluster := redis.NewClusterClient(options)
	return &store{client: cluster, cluster: cluster, patience: patience}, nil
}

func (s *store) close() {
	s.client.Close()
}

// write keeps a checkpoint.
func (s *store) write(uid string, epoch int64, tick uint64, envelope []byte) (answer, error) {
	return s.ask(writeScript, uid, epoch, tick, envelope)
}

// check asks whether the room is still the caller's.
func (s *store) check(uid string, epoch int64) (answer, error) {
	return s.ask(checkScript, uid, epoch)
}

// finish ends a room.
func (s *store) finish(uid string, epoch int64, result []byte) (answer, error) {
	return s.ask(finishScript, uid, epoch, result)
}

// take makes the caller the owner, and waits for a replica that knows it, if there are replicas.
func (s *store) take(uid string, epoch int64, fence time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	connection, err := s.connection(ctx, uid)
	if err != nil {
		return answer{}, err
	}
	defer connection.Close()
	got, err := call(ctx, connection, takeScript, uid, epoch, fence.Milliseconds(), 0)
	if err != nil {
		if s.cluster != nil {
			// The room may have moved to another node.
			s.cluster.ReloadState(ctx)
		}
		return answer{}, err
	}
	if got.kind == taken && hasReplicas(ctx, connection) {
		// Best effort: without it, a failover may forget that the room was taken, until the next call.
		connection.Wait(ctx, 1, replicaPatience)
	}
	return got, nil
}

// connection is one to the node that has the room.
func (s *store) connection(ctx context.Context, uid string) (*redis.Conn, error) {
	if s.cluster == nil {
		return s.client.(*redis.Client).Conn(), nil
	}
	node, err := s.cluster.MasterForKey(ctx, key(uid))
	if err != nil {
		return nil, err
	}
	return node.Conn(), nil
}

func hasReplicas(ctx context.Context, connection *redis.Conn) bool {
	role := redis.NewSliceCmd(ctx, "role")
	if connection.Process(ctx, role) != nil {
		return false
	}
	// `master`, its offset, its replicas.
	if parts := role.Val(); len(parts) == 3 {
		replicas, are := parts[2].([]any)
		return are && len(replicas) > 0
	}
	return false
}

func (s *store) ask(script *redis.Script, uid string, epoch int64, arguments ...any) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	return call(ctx, s.client, script, uid, epoch, arguments...)
}

func call(ctx context.Context, on redis.Scripter, script *redis.Script, uid string, epoch int64, arguments ...any) (answer, error) {
	arguments = append([]any{epoch, lifetime.Milliseconds()}, arguments...)
	parts, err := script.Run(ctx, on, []string{key(uid)}, arguments...).Slice()
	if err != nil {
		return answer{}, err
	}
	return read(parts)
}

func key(uid string) string {
	return "gamekeeper:{" + uid + "}"
}

// read takes an answer for what it says.
func read(parts []any) (answer, error) {
	text := func(at int) string {
		if at >= len(parts) {
			return ""
		}
		text, _ := parts[at].(string)
		return text
	}
	got := answer{kind: text(0)}
	var err error
	switch got.kind {
	case stored, older, mine, recorded:
	case fenced, finished:
		got.epoch, err = strconv.ParseInt(text(1), 10, 64)
		got.result = []byte(text(2))
	case taken:
		if len(parts) < 3 {
			return answer{}, errors.New("the store's answer is too short")
		}
		wait, is := parts[1].(int64)
		if !is {
			return answer{}, fmt.Errorf("the store lets wait for %v", parts[1])
		}
		got.wait = time.Duration(wait) * time.Millisecond
		// Lua's nil ends an answer.
		if by := text(3); by != "" {
			got.epoch, err = strconv.ParseInt(by, 10, 64)
			got.envelope = []byte(text(4))
		}
	default:
		return answer{}, fmt.Errorf("the store answers %.40q: something else has the room's key", strings.ToValidUTF8(got.kind, "?"))
	}
	if err != nil {
		return answer{}, fmt.Errorf("the store names an epoch that is none: %w", err)
	}
	return got, nil
}
