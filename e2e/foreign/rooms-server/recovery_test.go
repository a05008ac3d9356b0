package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

// launchKeeping starts the program as a fleet with a store does.
func launchKeeping(t *testing.T, redis *redisServer, arguments ...string) *process {
	t.Helper()
	return launchIn(t, []string{
		"GAMEKEEPER_STATE_URL=" + redis.url(),
		"GAMEKEEPER_CHECKPOINT_INTERVAL_MS=50",
		fmt.Sprintf("GAMEKEEPER_FENCE_AFTER_MS=%d", testFence.Milliseconds()),
	}, arguments...)
}

func TestP3AMatchOutlivesItsServer(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	first := launchKeeping(t, redis, "-build", "1")
	operator := attached(t, first.addresses)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	player := play(t, first.addresses)
	player.insist("duel join ann")
	player.ask("duel join ben")
	player.ask("duel score ben")
	before := tickIn(t, player.ask("duel score ben"))
	eventually(t, "that is saved", func() bool {
		kept, err := unseal([]byte(redis.field("duel", "checkpoint")), "duel", 1)
		return err == nil && kept.build == "1" && kept.tick > before
	})
	check(t, first.command.Process.Kill())
	first.exitCode()

	second := launchKeeping(t, redis, "-build", "2")
	operator = attached(t, second.addresses)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	await(operator, (*pb.ServerMessage).GetOpened)
	player = play(t, second.addresses)
	answer := player.insist("duel join ben")
	if !strings.HasSuffix(answer, " 2 2") || tickIn(t, answer) <= before {
		t.Errorf("tick %d before, then %q", before, answer)
	}
}

func TestI7AServerThatWasStoppedAndComesBackDoesNotPlayOnWhatIsAnothers(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	old := launchKeeping(t, redis)
	operator := attached(t, old.addresses)
	operator.tell(open(tenancy("duel", 1), nil))
	saved(operator)
	player := play(t, old.addresses)
	player.insist("duel hello")
	check(t, old.command.Process.Signal(syscall.SIGSTOP))
	// What it has sent by now is on its way.
	time.Sleep(quiet)
	got := must(t)(redis.store().take("duel", 2, testFence))
	if got.wait <= 0 || got.wait > testFence {
		t.Errorf("the fence is %v", got.wait)
	}
	player.tell("duel hello")
	check(t, old.command.Process.Signal(syscall.SIGCONT))
	if fault := await(operator, (*pb.ServerMessage).GetFault); !fault.GetFatal() {
		t.Errorf("fault: %v", fault)
	}
	if answer, err := player.heard(quiet); err == nil {
		t.Errorf("it answers %q", answer)
	}
}

func TestAServerThatIsToldNonsenseOfItsStoreDoesNotStart(t *testing.T) {
	t.Parallel()
	p := program(t, "GAMEKEEPER_STATE_URL=redis://:secret@store", "GAMEKEEPER_CHECKPOINT_INTERVAL_MS=soon")
	output, err := p.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "GAMEKEEPER_CHECKPOINT_INTERVAL_MS") || strings.Contains(string(output), "secret") {
		t.Errorf("%v: %s", err, output)
	}
}
