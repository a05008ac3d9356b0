package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

// restore is an Open after a loss.
func restore(tenancy *pb.Tenancy, how *pb.Restore) *pb.OperatorMessage {
	message := open(tenancy, nil)
	message.GetOpen().Restore = how
	return message
}

// saved waits until the store has a checkpoint.
func saved(o *operator) uint64 {
	o.t.Helper()
	for {
		if tick := await(o, (*pb.ServerMessage).GetRoomState).GetCheckpointTick(); tick > 0 {
			return tick
		}
	}
}

// keptIn is a checkpoint of a room with one player, as another server wrote it.
func keptIn(t *testing.T, server *redisServer, change func(*checkpoint)) {
	t.Helper()
	kept := checkpoint{
		uid: "duel", build: "another", epoch: 1, tick: 5000, schema: schema,
		state: []byte(`{"ticks":5000,"left_ms":60000,"seats":[{"key":"ann","score":3}]}`),
	}
	change(&kept)
	envelope, err := seal(kept)
	check(t, err)
	store := server.store()
	must(t)(store.take("duel", 1, 0))
	must(t)(store.write("duel", 1, kept.tick, envelope))
}

func unchanged(*checkpoint) {}

// tickIn is the tick that a player's answer names.
func tickIn(t *testing.T, answer string) (tick uint64) {
	t.Helper()
	var name, boot string
	var epoch int64
	if _, err := fmt.Sscan(answer, &name, &boot, &epoch, &tick); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	return tick
}

// silent says whether nobody answers a player for a moment.
func (p *player) silent() bool {
	p.t.Helper()
	p.tell("duel hello")
	_, err := p.heard(quiet)
	return err != nil
}

// insist asks until there is an answer.
func (p *player) insist(text string) string {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		p.tell(text)
		if answer, err := p.heard(100 * time.Millisecond); err == nil {
			return answer
		}
	}
	p.t.Fatal("nobody answers")
	return ""
}

func TestAServerWithAStoreOffersToRestore(t *testing.T) {
	t.Parallel()
	_, at := startWith(t, 2, startRedis(t).keeping(testFence))
	features := await(attach(t, at, hello(1)), (*pb.ServerMessage).GetWelcome).GetFeatures()
	if len(features) != 1 || features[0] != pb.Feature_FEATURE_RESTORE {
		t.Errorf("features: %v", features)
	}
}

func TestP3AMatchGoesOnFromACheckpointOfAnotherBuildWithItsSeatsAndItsLife(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keptIn(t, server, unchanged)
	s, at := startWith(t, 2, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	await(operator, (*pb.ServerMessage).GetOpened)
	player := play(t, at)
	if tick := tickIn(t, player.ask("duel hello")); tick < 5000 || tick > 5300 {
		t.Errorf("tick %d", tick)
	}
	// Ben is new, ann is not, and keeps what she had.
	if answer := player.ask("duel join ben"); !strings.HasSuffix(answer, " 2 0") {
		t.Errorf("ben: %q", answer)
	}
	if answer := player.ask("duel score ann"); !strings.HasSuffix(answer, " 1 4") {
		t.Errorf("ann: %q", answer)
	}
	inLoop(s, func() {
		if left := time.Until(s.rooms["duel"].ends); left < 40*time.Second || left > time.Minute {
			t.Errorf("left: %v", left)
		}
	})
	if tick := saved(operator); tick < 5000 {
		t.Errorf("saved: tick %d", tick)
	}
	if by := server.field("duel", "by"); by != "2" {
		t.Errorf("kept by epoch %s", by)
	}
}

func TestARoomThatIsRestoredWithoutACheckpointBeginsAfresh(t *testing.T) {
	t.Parallel()
	_, at := startWith(t, 2, startRedis(t).keeping(testFence))
	operator := attached(t, at)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	await(operator, (*pb.ServerMessage).GetOpened)
	if tick := tickIn(t, play(t, at).ask("duel hello")); tick > 300 {
		t.Errorf("tick %d", tick)
	}
}

func TestARoomThatIsNotRestoredBeginsAfreshAndTakesTheRoom(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keptIn(t, server, unchanged)
	_, at := startWith(t, 2, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 2), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	if epoch := server.field("duel", "epoch"); epoch != "2" {
		t.Errorf("owner: %s", epoch)
	}
	if tick := tickIn(t, play(t, at).ask("duel hello")); tick > 300 {
		t.Errorf("tick %d", tick)
	}
}

func TestCheckpointsOfLaterOwnersThanTheLostOneAreNotRestored(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keptIn(t, server, func(c *checkpoint) { c.epoch = 1 })
	store := server.store()
	later, err := seal(checkpoint{uid: "duel", epoch: 3, tick: 7000, schema: schema, state: []byte(`{"ticks":7000}`)})
	check(t, err)
	must(t)(store.write("duel", 3, 7000, later))
	_, at := startWith(t, 2, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(restore(tenancy("duel", 4), &pb.Restore{LostEpoch: 2}))
	await(operator, (*pb.ServerMessage).GetOpened)
	if tick := tickIn(t, play(t, at).ask("duel hello")); tick > 300 {
		t.Errorf("tick %d", tick)
	}
}

func TestI7WithAFenceTheMatchStandsUntilItHasPassed(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keptIn(t, server, unchanged)
	written := time.Now()
	const fence = 1500 * time.Millisecond
	s, at := startWith(t, 2, server.keeping(fence))
	operator := attached(t, at)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{Fence: true}))
	await(operator, (*pb.ServerMessage).GetOpened)
	inLoop(s, func() {
		if room := s.rooms["duel"]; time.Since(written) < fence && room.ticks != 5000 {
			t.Errorf("it ticks: %d", room.ticks)
		}
	})
	before := progressOf(operator)
	if answer := play(t, at).insist("duel hello"); time.Since(written) < fence {
		t.Errorf("answered after %v: %q", time.Since(written), answer)
	}
	// Its life does not count the time.
	inLoop(s, func() {
		room := s.rooms["duel"]
		played := time.Duration(room.ticks-5000) * tickEvery
		if all := time.Until(room.ends) + played; all < 59*time.Second {
			t.Errorf("a minute was left, now %v", all)
		}
	})
	// That it stands is no hang.
	if after := progressOf(operator); after <= before {
		t.Errorf("progress %d, then %d", before, after)
	}
}

func progressOf(o *operator) uint64 {
	o.t.Helper()
	return await(o, (*pb.ServerMessage).GetBeat).GetProgress()
}

func TestARoomThatIsOpenIsNotHadFromTheStoreUnderALaterEpoch(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keptIn(t, server, unchanged)
	_, at := startWith(t, 2, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	await(operator, (*pb.ServerMessage).GetOpened)
	operator.tell(restore(tenancy("duel", 5), &pb.Restore{Fence: true}))
	refused := await(operator, (*pb.ServerMessage).GetRefused)
	if refused.GetWhy() != pb.Refused_WHY_EPOCH || refused.GetTenancy().GetEpoch() != 5 || refused.GetCurrentEpoch() != 2 {
		t.Error(refused)
	}
	play(t, at).ask("duel hello")
}

func TestWithoutAFenceNothingIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keptIn(t, server, unchanged)
	_, at := startWith(t, 2, server.keeping(time.Minute))
	operator := attached(t, at)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	await(operator, (*pb.ServerMessage).GetOpened)
	play(t, at).ask("duel hello")
}

func TestCheckpointsThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*checkpoint){
		"schema": func(c *checkpoint) { c.schema++ },
		"state":  func(c *checkpoint) { c.state = []byte("hello") },
		"epoch":  func(c *checkpoint) { c.epoch = 7 },
		"room":   func(c *checkpoint) { c.uid = "duet" },
	} {
		server := startRedis(t)
		keptIn(t, server, change)
		_, at := startWith(t, 1, server.keeping(testFence))
		operator := attached(t, at)
		operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
		refused := operator.next().GetRefused()
		if refused.GetWhy() != pb.Refused_WHY_CHECKPOINT || refused.GetCurrentEpoch() != 0 || !strings.Contains(refused.GetMessage(), name) {
			t.Errorf("%s: %v", name, refused)
		}
		// Its place is free.
		operator.tell(open(tenancy("next", 3), nil))
		await(operator, (*pb.ServerMessage).GetOpened)
	}
}

func TestAStoreThatDoesNotAnswerIsWaitedForAndThenRefusesTheRestoring(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keeping := server.keeping(testFence)
	server.kill()
	_, at := startWith(t, 2, keeping)
	operator := attached(t, at)
	asked := time.Now()
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	refused := operator.next().GetRefused()
	if refused.GetWhy() != pb.Refused_WHY_CHECKPOINT {
		t.Errorf("refused: %v", refused)
	}
	// The operator waits for five seconds.
	if took := time.Since(asked); took < restoreWithin || took > 5*time.Second {
		t.Errorf("after %v", took)
	}
}

func TestARoomIsRestoredOnceTheStoreIsBack(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keeping := server.keeping(testFence)
	server.kill()
	_, at := startWith(t, 2, keeping)
	operator := attached(t, at)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	server.start()
	await(operator, (*pb.ServerMessage).GetOpened)
}

func TestI8AMatchBeginsWithoutTheStore(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keeping := server.keeping(testFence)
	server.kill()
	_, at := startWith(t, 2, keeping)
	operator := attached(t, at)
	operator.echoes.Store(true)
	operator.tell(open(tenancy("duel", 1), nil))
	if operator.next().GetOpened() == nil {
		t.Error("it is not the first that is said")
	}
	if failed := await(operator, (*pb.ServerMessage).GetCheckpointFailed); failed.GetMessage() == "" {
		t.Errorf("failed: %v", failed)
	}
	play(t, at).insist("duel hello")
}

func TestI7AnOpenUnderAnEpochThatIsFencedIsRefused(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	must(t)(server.store().take("duel", 9, 0))
	_, at := startWith(t, 1, server.keeping(testFence))
	operator := attached(t, at)
	for _, command := range []*pb.OperatorMessage{open(tenancy("duel", 2), nil), restore(tenancy("duel", 3), &pb.Restore{})} {
		operator.tell(command)
		if refused := operator.next().GetRefused(); refused.GetWhy() != pb.Refused_WHY_FENCED || refused.GetCurrentEpoch() != 9 {
			t.Errorf("refused: %v", refused)
		}
	}
	operator.tell(restore(tenancy("duel", 10), &pb.Restore{}))
	await(operator, (*pb.ServerMessage).GetOpened)
}

// hold lets Redis answer nobody for a time.
func (r *redisServer) hold(time time.Duration) {
	r.t.Helper()
	client := r.client()
	defer client.Close()
	check(r.t, client.ClientPause(context.Background(), time).Err())
}

func TestAnOpenThatIsOvertakenWhileItsRoomIsBeingOpenedIsAnswered(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keptIn(t, server, unchanged)
	keeping := server.keeping(time.Minute)
	// No checkpoint takes the room.
	keeping.interval = time.Minute
	_, at := startWith(t, 1, keeping)
	operator := attached(t, at)
	// Shorter than a call's patience: the first take is answered, too late.
	server.hold(callPatience * 4 / 5)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}), restore(tenancy("duel", 3), &pb.Restore{}))
	if refused := operator.next().GetRefused(); refused.GetWhy() != pb.Refused_WHY_EPOCH ||
		refused.GetTenancy().GetEpoch() != 2 || refused.GetCurrentEpoch() != 3 {
		t.Errorf("refused: %v", refused)
	}
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	if refused := operator.next().GetRefused(); refused.GetWhy() != pb.Refused_WHY_EPOCH || refused.GetCurrentEpoch() != 3 {
		t.Errorf("refused: %v", refused)
	}
	if opened := operator.next().GetOpened(); opened.GetTenancy().GetEpoch() != 3 {
		t.Errorf("opened: %v", opened)
	}
	if owner := server.field("duel", "epoch"); owner != "3" {
		t.Errorf("taken by epoch %s", owner)
	}
	if tick := tickIn(t, play(t, at).insist("duel hello")); tick < 5000 {
		t.Errorf("tick %d", tick)
	}
}

func TestARoomThatIsClosedWhileItIsBeingOpenedIsAnsweredForTwice(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	_, at := startWith(t, 1, server.keeping(testFence))
	operator := attached(t, at)
	server.hold(time.Second)
	operator.tell(restore(tenancy("duel", 2), &pb.Restore{}), closing(tenancy("duel", 2)))
	if refused := operator.next().GetRefused(); refused.GetWhy() != pb.Refused_WHY_UNKNOWN_ROOM || refused.GetCurrentEpoch() != 0 {
		t.Errorf("refused: %v", refused)
	}
	if operator.next().GetClosed() == nil {
		t.Error("it is not closed")
	}
	never(operator, (*pb.ServerMessage).GetOpened)
}

func TestAnotherStreamSeesARoomBeingOpenedAndHearsWhenItIs(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	_, at := startWith(t, 1, server.keeping(testFence))
	first := attached(t, at)
	server.hold(time.Second)
	first.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	// Or the second stream may be earlier than the command of the first.
	first.tell(drain(), undrain())
	await(first, (*pb.ServerMessage).GetDraining)
	await(first, (*pb.ServerMessage).GetDraining)
	second := attach(t, at, hello(2))
	rooms := await(second, (*pb.ServerMessage).GetWelcome).GetRooms()
	if len(rooms) != 1 || rooms[0].GetPhase() != pb.RoomPhase_ROOM_PHASE_RESTORING {
		t.Errorf("rooms: %v", rooms)
	}
	if state := second.next().GetRoomState(); state.GetPhase() != pb.RoomPhase_ROOM_PHASE_WAITING {
		t.Errorf("state: %v", state)
	}
}
