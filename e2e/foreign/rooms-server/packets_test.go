package main

import (
	"strconv"
	"strings"
	"testing"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

func TestAPlayerIsAnsweredWithBootEpochAndTick(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 7), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	player := play(t, at)
	first := tickOf(t, player.ask("duel hello"))
	for tickOf(t, player.ask("duel hello\n")) == first {
	}
}

// tickOf is the tick of an answer of room duel under epoch 7.
func tickOf(t *testing.T, answer string) uint64 {
	t.Helper()
	tick, found := strings.CutPrefix(answer, "duel boot 7 ")
	number, err := strconv.ParseUint(tick, 10, 64)
	if !found || err != nil {
		t.Fatalf("answer: %q", answer)
	}
	return number
}

func TestTheFirstPlayerMakesARoomPlaying(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	never(operator, (*pb.ServerMessage).GetRoomState)

	first, second := play(t, at), play(t, at)
	first.ask("duel hello")
	state := await(operator, (*pb.ServerMessage).GetRoomState)
	if state.GetPhase() != pb.RoomPhase_ROOM_PHASE_PLAYING || state.GetPlayers() != 1 {
		t.Errorf("state: %v", state)
	}
	first.ask("duel hello")
	second.ask("duel hello")
	state = await(operator, (*pb.ServerMessage).GetRoomState)
	if state.GetPhase() != pb.RoomPhase_ROOM_PHASE_PLAYING || state.GetPlayers() != 2 {
		t.Errorf("state: %v", state)
	}
}

func TestWhatMeansNothingGetsNoAnswer(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 7), nil), open(tenancy("over", 8), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	await(operator, (*pb.ServerMessage).GetOpened)
	player := play(t, at)
	player.tell("over end")
	await(operator, (*pb.ServerMessage).GetFinished)

	for _, text := range []string{
		"", "\n", "duel", "duel ", "duel hello ", "duel Hello", "duel hello\n\n", " duel hello", "hello duel",
		"other hello", "other crash", "over hello", "over crash", "\xff\x00", strings.Repeat("x", 1400),
	} {
		player.tell(text)
	}
	if answer, err := player.heard(quiet); err == nil {
		t.Errorf("answer: %q", answer)
	}
	tickOf(t, player.ask("duel hello"))
}

func TestOfTwoRoomsOfOneNameTheNewestIsMeant(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	for uid, epoch := range map[string]int64{"a": 3, "b": 7, "c": 5} {
		operator.tell(open(&pb.Tenancy{Namespace: "in-" + uid, Name: "duel", Uid: uid, Epoch: epoch}, nil))
		await(operator, (*pb.ServerMessage).GetOpened)
	}
	tickOf(t, play(t, at).ask("duel hello"))
}
