package main

import (
	"strings"
	"testing"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
	"google.golang.org/protobuf/proto"
)

func TestI1AnOwnerThatIsFencedStopsAtOnceAndTellsNobodyThatTheMatchIsOver(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	_, at := startWith(t, 1, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	saved(operator)
	player := play(t, at)
	player.ask("duel hello")
	got := must(t)(server.store().take("duel", 2, 0))
	for {
		message := operator.next()
		if message.GetFinished() != nil {
			t.Fatal("the operator is told that it is over")
		}
		if fault := message.GetFault(); fault != nil {
			if !fault.GetFatal() || fault.GetTenancy().GetEpoch() != 1 || !strings.Contains(fault.GetMessage(), "epoch 2") {
				t.Errorf("fault: %v", fault)
			}
			break
		}
	}
	if !player.silent() {
		t.Error("it still answers")
	}
	// What is kept is not written over.
	if kept, err := unseal(got.envelope, "duel", 1); err != nil || server.field("duel", "checkpoint") != string(got.envelope) {
		t.Errorf("%+v, %v", kept, err)
	}
	operator.tell(closing(tenancy("duel", 2)), open(tenancy("next", 3), nil))
	await(operator, (*pb.ServerMessage).GetClosed)
	await(operator, (*pb.ServerMessage).GetOpened)
}

func TestARoomThatTheStoreFencedUnderAnEarlierEpochGoesOnUnderALaterOne(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	s, at := startWith(t, 1, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	saved(operator)
	inLoop(s, func() {
		room := s.rooms["duel"]
		room.tenancy = tenancy("duel", 3)
		s.answered(room, question{errand: toWrite, uid: "duel", epoch: 1, sent: time.Now()},
			reply{answer: answer{kind: fenced, epoch: 2}}, nil, time.Now())
	})
	never(operator, (*pb.ServerMessage).GetFault)
	eventually(t, "it is the owner's", func() bool { return server.field("duel", "epoch") == "3" })
}

func TestAMatchThatIsOverIsOverForTheStoreFirst(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	_, at := startWith(t, 1, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), map[string]string{"result": "draw"}))
	saved(operator)
	play(t, at).tell("duel end")
	said := await(operator, (*pb.ServerMessage).GetFinished).GetResult()
	kept := &pb.Result{}
	check(t, proto.Unmarshal([]byte(server.field("duel", "result")), kept))
	if said.GetValues()["result"] != "draw" || !proto.Equal(said, kept) {
		t.Errorf("said %v, kept %v", said, kept)
	}
	if server.field("duel", "checkpoint") != "" {
		t.Error("its state is still there")
	}
	// On another server it is not played again.
	_, at = startWith(t, 1, server.keeping(testFence))
	other := attached(t, at)
	other.tell(restore(tenancy("duel", 2), &pb.Restore{}))
	for {
		message := other.next()
		if message.GetOpened() != nil {
			t.Fatal("it is open again")
		}
		if finished := message.GetFinished(); finished != nil {
			if !proto.Equal(finished.GetResult(), said) || finished.GetTenancy().GetEpoch() != 2 {
				t.Errorf("finished: %v", finished)
			}
			break
		}
	}
	await(other, (*pb.ServerMessage).GetFinished)
	other.tell(closing(tenancy("duel", 2)))
	for {
		message := other.next()
		if message.GetRefused() != nil {
			t.Fatalf("it is answered for twice: %v", message)
		}
		if message.GetClosed() != nil {
			break
		}
	}
}

func TestAResultThatTheStoreForgotIsWrittenOnceMoreWhenTheRoomIsAskedForAgainAndNotBefore(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	_, at := startWith(t, 1, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	saved(operator)
	play(t, at).tell("duel end")
	await(operator, (*pb.ServerMessage).GetFinished)
	server.kill()
	server.start()
	time.Sleep(quiet)
	if server.field("duel", "result") != "" {
		t.Error("it is written without need")
	}
	operator.tell(open(tenancy("duel", 2), nil))
	eventually(t, "the result is kept again", func() bool { return server.field("duel", "result") != "" })
}

func TestAMatchWhoseEndTheStoreDoesNotHearIsReportedAllTheSameAndWrittenDownLater(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	_, at := startWith(t, 1, server.keeping(time.Minute))
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	saved(operator)
	server.kill()
	play(t, at).tell("duel end")
	await(operator, (*pb.ServerMessage).GetFinished)
	server.start()
	eventually(t, "the result is kept", func() bool { return server.field("duel", "result") != "" })
}

func TestAFinishedRoomOfAFencedOwnerHasNoResult(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keeping := server.keeping(time.Minute)
	// Nothing but the end tells it that it is fenced.
	keeping.interval = time.Minute
	_, at := startWith(t, 1, keeping)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	must(t)(server.store().take("duel", 2, 0))
	play(t, at).tell("duel end")
	for {
		message := operator.next()
		if message.GetFinished() != nil || message.GetRoomState().GetPhase() == pb.RoomPhase_ROOM_PHASE_FINISHED {
			t.Fatalf("it has one: %v", message)
		}
		if message.GetFault().GetFatal() {
			break
		}
	}
	if server.field("duel", "result") != "" {
		t.Error("it was kept")
	}
}

func TestARoomThatWasFinishedElsewhereIsOverHere(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	_, at := startWith(t, 1, server.keeping(testFence))
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	saved(operator)
	result, err := proto.Marshal(&pb.Result{Values: map[string]string{"winner": "ann"}})
	check(t, err)
	must(t)(server.store().finish("duel", 1, result))
	if finished := await(operator, (*pb.ServerMessage).GetFinished); finished.GetResult().GetValues()["winner"] != "ann" {
		t.Errorf("finished: %v", finished)
	}
}

func TestI8AMatchRunsOnWithoutRedisWhileTheOperatorHearsIt(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	_, at := startWith(t, 1, server.keeping(testFence))
	operator := attached(t, at)
	operator.echoes.Store(true)
	operator.tell(open(tenancy("duel", 1), nil))
	saved(operator)
	player := play(t, at)
	server.kill()
	lost := time.Now()
	failed := await(operator, (*pb.ServerMessage).GetCheckpointFailed)
	if failed.GetMessage() == "" || time.Since(lost) < testFence-200*time.Millisecond {
		t.Errorf("after %v: %v", time.Since(lost), failed)
	}
	before := tickIn(t, player.insist("duel hello"))
	// A new stream hears of it again, first of all; and that there was a checkpoint.
	operator = attach(t, at, hello(2))
	operator.echoes.Store(true)
	await(operator, (*pb.ServerMessage).GetWelcome)
	if message := operator.next(); message.GetCheckpointFailed().GetMessage() == "" {
		t.Errorf("first: %v", message)
	}
	saved(operator)
	never(operator, (*pb.ServerMessage).GetCheckpointFailed)
	if after := tickIn(t, player.insist("duel hello")); after <= before {
		t.Errorf("it stands at %d", after)
	}
	// Redis has forgotten all, and refuses nobody for that.
	server.start()
	if failed := await(operator, (*pb.ServerMessage).GetCheckpointFailed); failed.GetMessage() != "" {
		t.Errorf("it still fails: %v", failed)
	}
	eventually(t, "there is a checkpoint again", func() bool { return server.field("duel", "checkpoint") != "" })
	never(operator, (*pb.ServerMessage).GetFault)
}

func TestI7WithoutOperatorAndRedisAMatchFreezesUntilEitherIsBack(t *testing.T) {
	t.Parallel()
	for _, back := range []string{"redis", "operator"} {
		server := startRedis(t)
		s, at := startWith(t, 1, server.keeping(testFence))
		operator := attached(t, at)
		operator.tell(open(tenancy("duel", 1), nil))
		saved(operator)
		player := play(t, at)
		player.ask("duel join ann")
		server.kill()
		frozen := func() (held bool, ticks uint64) {
			inLoop(s, func() { held, ticks = s.rooms["duel"].custody.held, s.rooms["duel"].ticks })
			return held, ticks
		}
		eventually(t, "it freezes", func() bool { held, _ := frozen(); return held })
		_, before := frozen()
		if !player.silent() {
			t.Errorf("%s: it answers", back)
		}
		if held, after := frozen(); !held || after != before {
			t.Errorf("%s: it went on by %d ticks", back, after-before)
		}
		if back == "redis" {
			server.start()
		} else {
			operator.echoes.Store(true)
			go func() {
				for range operator.in {
				}
			}()
		}
		if answer := player.insist("duel score ann"); !strings.HasSuffix(answer, " 1 1") {
			t.Errorf("%s: %q", back, answer)
		}
	}
}

func TestI7AfterAStandstillOfTheLoopARoomThatIsAnothersDoesNotTickAgain(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	keeping := server.keeping(time.Minute)
	// Nothing but the standstill makes it ask.
	keeping.interval = time.Minute
	s, at := startWith(t, 1, keeping)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	store := server.store()
	var before uint64
	inLoop(s, func() {
		before = s.rooms["duel"].ticks
		// Longer than a heartbeat.
		time.Sleep(200 * time.Millisecond)
		must(t)(store.take("duel", 2, 0))
	})
	var room *room
	inLoop(s, func() { room = s.rooms["duel"] })
	await(operator, (*pb.ServerMessage).GetFault)
	if room != nil && room.ticks != before {
		t.Errorf("it went on by %d ticks", room.ticks-before)
	}
}
