package main

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
	"google.golang.org/protobuf/proto"
)

func TestARoomOpensOncePerUidAndEpoch(t *testing.T) {
	_, at := start(t, 1)
	operator := attached(t, at)
	for range 3 {
		operator.tell(open(tenancy("duel", 5), nil))
		if opened := await(operator, (*pb.ServerMessage).GetOpened); !proto.Equal(opened.GetTenancy(), tenancy("duel", 5)) {
			t.Errorf("opened: %v", opened)
		}
	}
}

func TestARoomGoesOnUnderAHigherEpochAndNotUnderALower(t *testing.T) {
	_, at := start(t, 1)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 5), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	player := play(t, at)
	player.ask("duel hello")

	operator.tell(open(tenancy("duel", 6), map[string]string{"seconds": "0"}))
	if opened := await(operator, (*pb.ServerMessage).GetOpened); opened.GetTenancy().GetEpoch() != 6 {
		t.Errorf("opened: %v", opened)
	}
	if answer := player.ask("duel hello"); !strings.HasPrefix(answer, "duel boot 6 ") {
		t.Errorf("answer: %q", answer)
	}
	never(operator, (*pb.ServerMessage).GetFinished)
	for _, command := range []*pb.OperatorMessage{open(tenancy("duel", 5), nil), closing(tenancy("duel", 5))} {
		operator.tell(command)
		refused := await(operator, (*pb.ServerMessage).GetRefused)
		if refused.GetWhy() != pb.Refused_WHY_EPOCH || refused.GetCurrentEpoch() != 6 {
			t.Errorf("refused: %v", refused)
		}
	}
}

func TestRoomsThatAreThereStayOpenWhateverNewOnesAreRefusedFor(t *testing.T) {
	_, at := start(t, 1)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	operator.tell(drain())
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
}

func TestAFullServerTakesARoomWhenAnotherIsClosed(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	operator.tell(open(tenancy("a", 1), nil), open(tenancy("b", 2), nil), open(tenancy("c", 3), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	await(operator, (*pb.ServerMessage).GetOpened)
	refused := await(operator, (*pb.ServerMessage).GetRefused)
	if refused.GetWhy() != pb.Refused_WHY_FULL || refused.GetCurrentEpoch() != 0 {
		t.Errorf("refused: %v", refused)
	}
	// What is over takes its place until it is closed.
	play(t, at).tell("a end")
	await(operator, (*pb.ServerMessage).GetFinished)
	operator.tell(open(tenancy("c", 3), nil))
	await(operator, (*pb.ServerMessage).GetRefused)
	operator.tell(closing(tenancy("a", 1)), open(tenancy("c", 3), nil))
	await(operator, (*pb.ServerMessage).GetClosed)
	await(operator, (*pb.ServerMessage).GetOpened)
}

func TestADrainedServerTakesRoomsAgainWhenUndrained(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	operator.tell(drain())
	if !await(operator, (*pb.ServerMessage).GetDraining).GetDraining() {
		t.Error("it is not drained")
	}
	operator.tell(open(tenancy("duel", 1), nil))
	if refused := await(operator, (*pb.ServerMessage).GetRefused); refused.GetWhy() != pb.Refused_WHY_DRAINING {
		t.Errorf("refused: %v", refused)
	}
	operator = attach(t, at, hello(2))
	if !await(operator, (*pb.ServerMessage).GetWelcome).GetDraining() {
		t.Error("Welcome does not say so")
	}
	operator.tell(undrain())
	if await(operator, (*pb.ServerMessage).GetDraining).GetDraining() {
		t.Error("it is still drained")
	}
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
}

func TestAServerWithARoomDoesNotRetireAndOneWithoutDoesForEver(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	play(t, at).tell("duel end")
	await(operator, (*pb.ServerMessage).GetFinished)
	operator.tell(retire())
	if retired := await(operator, (*pb.ServerMessage).GetRetired); retired.GetRetired() || retired.GetRooms() != 1 {
		t.Errorf("retired: %v", retired)
	}
	operator.tell(closing(tenancy("duel", 1)), retire())
	if retired := await(operator, (*pb.ServerMessage).GetRetired); !retired.GetRetired() || retired.GetRooms() != 0 {
		t.Errorf("retired: %v", retired)
	}
	operator.tell(undrain(), open(tenancy("next", 2), nil))
	if refused := await(operator, (*pb.ServerMessage).GetRefused); refused.GetWhy() != pb.Refused_WHY_RETIRED {
		t.Errorf("refused: %v", refused)
	}
	if !await(attach(t, at, hello(2)), (*pb.ServerMessage).GetWelcome).GetRetired() {
		t.Error("Welcome does not say so")
	}
}

func TestParametersThatTheGameCannotCarryOutAreRefused(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	for _, parameters := range []map[string]string{
		{"seconds": ""}, {"seconds": "soon"}, {"seconds": "NaN"}, {"seconds": "Inf"}, {"seconds": "-1"},
		{"seconds": "1e10"}, {"result": strings.Repeat("x", 4001)},
	} {
		operator.tell(open(tenancy("duel", 1), parameters))
		if refused := await(operator, (*pb.ServerMessage).GetRefused); refused.GetWhy() != pb.Refused_WHY_PARAMETERS {
			t.Errorf("refused: %v", refused)
		}
	}
	operator.tell(open(tenancy("duel", 1), map[string]string{"seconds": "60.5", "result": "", "map": "of another game"}))
	await(operator, (*pb.ServerMessage).GetOpened)
}

func TestMalformedCommandsAndThoseThatWereNotOfferedAreRefused(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	many := map[string]string{}
	for i := range 33 {
		many[strconv.Itoa(i)] = ""
	}
	restore := open(tenancy("duel", 1), nil)
	restore.GetOpen().Restore = &pb.Restore{}
	for _, command := range []*pb.OperatorMessage{
		open(tenancy("duel", 1), many),
		open(tenancy("duel", 1), map[string]string{"": strings.Repeat("x", 4097)}),
		restore,
		{Message: &pb.OperatorMessage_Prepare{Prepare: &pb.Prepare{Tenancy: tenancy("duel", 1)}}},
		{Message: &pb.OperatorMessage_MoveTo{MoveTo: &pb.MoveTo{Tenancy: tenancy("duel", 1)}}},
		{Message: &pb.OperatorMessage_Abort{Abort: &pb.Abort{Tenancy: tenancy("duel", 1)}}},
		{Message: &pb.OperatorMessage_Resume{Resume: &pb.Resume{Tenancy: tenancy("duel", 1)}}},
	} {
		operator.tell(command)
		if refused := operator.next().GetRefused(); refused.GetWhy() != pb.Refused_WHY_UNSUPPORTED {
			t.Errorf("refused: %v", refused)
		}
	}
}

func TestCommandsThatNameNoRoomAreIgnored(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	for _, spoil := range []func(*pb.Tenancy){
		func(t *pb.Tenancy) { t.Namespace = "" },
		func(t *pb.Tenancy) { t.Namespace = strings.Repeat("x", 64) },
		func(t *pb.Tenancy) { t.Name = "" },
		func(t *pb.Tenancy) { t.Name = strings.Repeat("x", 254) },
		func(t *pb.Tenancy) { t.Uid = "" },
		func(t *pb.Tenancy) { t.Uid = strings.Repeat("x", 65) },
		func(t *pb.Tenancy) { t.Epoch = 0 },
		func(t *pb.Tenancy) { t.Epoch = -1 },
	} {
		malformed := tenancy("duel", 1)
		spoil(malformed)
		operator.tell(open(malformed, nil), closing(malformed))
	}
	operator.tell(open(nil, nil), closing(nil), drain())
	if message := operator.next(); message.GetDraining() == nil {
		t.Errorf("answer: %v", message)
	}
}

func TestOfSeveralReasonsToRefuseTheLastingOneIsNamed(t *testing.T) {
	_, at := start(t, 1)
	operator := attached(t, at)
	operator.tell(drain(), retire(), open(tenancy("duel", 1), nil))
	if refused := await(operator, (*pb.ServerMessage).GetRefused); refused.GetWhy() != pb.Refused_WHY_RETIRED {
		t.Errorf("refused: %v", refused)
	}
	operator.tell(open(tenancy("duel", 1), map[string]string{"seconds": "soon"}))
	if refused := await(operator, (*pb.ServerMessage).GetRefused); refused.GetWhy() != pb.Refused_WHY_PARAMETERS {
		t.Errorf("refused: %v", refused)
	}
}

func TestAFullServerThatDrainsSaysThatItDrains(t *testing.T) {
	_, at := start(t, 1)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil), drain(), open(tenancy("next", 2), nil))
	if refused := await(operator, (*pb.ServerMessage).GetRefused); refused.GetWhy() != pb.Refused_WHY_DRAINING {
		t.Errorf("refused: %v", refused)
	}
}

func TestAMatchIsOverAfterItsSeconds(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	began := time.Now()
	operator.tell(open(tenancy("duel", 1), map[string]string{"seconds": "0.5", "result": "A wins"}))
	await(operator, (*pb.ServerMessage).GetOpened)
	state := await(operator, (*pb.ServerMessage).GetRoomState)
	if state.GetPhase() != pb.RoomPhase_ROOM_PHASE_FINISHED || state.GetPlayers() != 0 {
		t.Errorf("state: %v", state)
	}
	values := await(operator, (*pb.ServerMessage).GetFinished).GetResult().GetValues()
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("it took only %v", took)
	}
	if ticks, err := strconv.Atoi(values["ticks"]); err != nil || ticks < 1 || values["result"] != "A wins" || len(values) != 2 {
		t.Errorf("result: %v", values)
	}
}

func TestTheResultIsRepeatedUnchangedUntilClose(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	player := play(t, at)
	player.tell("duel end")
	first := await(operator, (*pb.ServerMessage).GetFinished)
	heard := time.Now()
	player.tell("duel end")
	again := await(operator, (*pb.ServerMessage).GetFinished)
	if pace := time.Since(heard); pace < 800*time.Millisecond {
		t.Errorf("repeated after %v", pace)
	}
	if !proto.Equal(first, again) {
		t.Errorf("first %v, then %v", first, again)
	}
	// Opened once more, what is over does not begin again.
	operator.tell(open(tenancy("duel", 2), nil))
	again = await(operator, (*pb.ServerMessage).GetFinished)
	if again.GetTenancy().GetEpoch() != 2 || !maps.Equal(again.GetResult().GetValues(), first.GetResult().GetValues()) {
		t.Errorf("first %v, then %v", first, again)
	}
	operator = attach(t, at, hello(2))
	rooms := await(operator, (*pb.ServerMessage).GetWelcome).GetRooms()
	if len(rooms) != 1 || rooms[0].GetPhase() != pb.RoomPhase_ROOM_PHASE_FINISHED ||
		!proto.Equal(rooms[0].GetResult(), first.GetResult()) {
		t.Errorf("rooms: %v", rooms)
	}
	await(operator, (*pb.ServerMessage).GetFinished)
	operator.tell(closing(tenancy("duel", 2)))
	await(operator, (*pb.ServerMessage).GetClosed)
	never(operator, (*pb.ServerMessage).GetFinished)
}

func TestCloseForgetsARoomWhateverItsStateAndIsAnsweredWithoutOneToo(t *testing.T) {
	_, at := start(t, 2)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	// Of a higher epoch, as when another server owns it.
	for range 2 {
		operator.tell(closing(tenancy("duel", 9)))
		if closed := await(operator, (*pb.ServerMessage).GetClosed); !proto.Equal(closed.GetTenancy(), tenancy("duel", 9)) {
			t.Errorf("closed: %v", closed)
		}
	}
	player := play(t, at)
	player.tell("duel hello")
	if answer, err := player.heard(quiet); err == nil {
		t.Errorf("answer: %q", answer)
	}
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
}

func TestPlayersWhoAreQuietHaveLeft(t *testing.T) {
	began := time.Now()
	r := newRoom(tenancy("duel", 1), wish{}, began)
	r.hear(addressOf(1), began)
	r.hear(addressOf(2), began.Add(playerStays/2))
	r.tick(began.Add(playerStays + 1))
	if len(r.players) != 1 || r.phase != pb.RoomPhase_ROOM_PHASE_PLAYING {
		t.Errorf("%d players, %v", len(r.players), r.phase)
	}
}

func TestPlayersAreCountedUpToABound(t *testing.T) {
	now := time.Now()
	r := newRoom(tenancy("duel", 1), wish{}, now)
	for port := range uint16(maxPlayers + 10) {
		r.hear(addressOf(port), now)
	}
	if len(r.players) != maxPlayers {
		t.Errorf("%d players", len(r.players))
	}
}

func TestTheNumberOfPlayersIsToldAtMostOnceASecond(t *testing.T) {
	now := time.Now()
	r := newRoom(tenancy("duel", 1), wish{}, now)
	for port := range uint16(2) {
		r.hear(addressOf(port), now)
		if news := r.news(now); len(news) != int(1-port) {
			t.Errorf("told at once of player %d: %v", port, news)
		}
	}
	if news := r.news(now.Add(tellEvery)); len(news) != 1 || news[0].GetRoomState().GetPlayers() != 2 {
		t.Errorf("told after a second: %v", news)
	}
	if news := r.news(now.Add(2 * tellEvery)); len(news) != 0 {
		t.Errorf("told without a change: %v", news)
	}
}

func addressOf(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), port)
}
