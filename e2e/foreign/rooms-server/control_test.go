package main

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func TestWelcomeSaysWhatTheServerIs(t *testing.T) {
	_, at := start(t, 16)
	welcome := await(attach(t, at, hello(1)), (*pb.ServerMessage).GetWelcome)
	if welcome.GetBootId() != "boot" || welcome.GetProtocol() != 1 || welcome.GetCapacity() != 16 ||
		welcome.GetRetired() || welcome.GetDraining() || len(welcome.GetFeatures()) != 0 || len(welcome.GetRooms()) != 0 {
		t.Errorf("welcome: %v", welcome)
	}
}

func TestWelcomeListsTheRoomsThatAreThere(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	operator.tell(open(tenancy("a", 1), nil), open(tenancy("b", 2), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	await(operator, (*pb.ServerMessage).GetOpened)
	play(t, at).ask("b hello")
	phases := map[int64]pb.RoomPhase{}
	for _, room := range await(attach(t, at, hello(1)), (*pb.ServerMessage).GetWelcome).GetRooms() {
		phases[room.GetTenancy().GetEpoch()] = room.GetPhase()
	}
	if len(phases) != 2 || phases[1] != pb.RoomPhase_ROOM_PHASE_WAITING || phases[2] != pb.RoomPhase_ROOM_PHASE_PLAYING {
		t.Errorf("phases: %v", phases)
	}
}

func TestAStreamOfTheSameOrAHigherTermReplacesTheOlder(t *testing.T) {
	_, at := start(t, 16)
	older := attach(t, at, hello(3))
	await(older, (*pb.ServerMessage).GetWelcome)
	for _, term := range []uint32{3, 4} {
		newer := attach(t, at, hello(term))
		await(newer, (*pb.ServerMessage).GetWelcome)
		if end := older.ended(); status.Code(end) != codes.Aborted {
			t.Errorf("the older ended with %v", end)
		}
		older = newer
	}
	older.tell(drain())
	await(older, (*pb.ServerMessage).GetDraining)
}

func TestAStreamOfALowerTermIsRefusedWithTheHighest(t *testing.T) {
	_, at := start(t, 16)
	first := attach(t, at, hello(5))
	await(first, (*pb.ServerMessage).GetWelcome)
	second := attach(t, at, hello(4))
	refused := await(second, (*pb.ServerMessage).GetHelloRefused)
	if refused.GetWhy() != pb.HelloRefused_WHY_TERM || refused.GetHighestTerm() != 5 {
		t.Errorf("refused: %v", refused)
	}
	if end := second.ended(); !errors.Is(end, io.EOF) {
		t.Errorf("ended with %v", end)
	}
	first.tell(drain())
	await(first, (*pb.ServerMessage).GetDraining)
}

func TestTheHighestTermIsRememberedWhenItsStreamHasEnded(t *testing.T) {
	_, at := start(t, 16)
	first := attach(t, at, hello(5))
	await(first, (*pb.ServerMessage).GetWelcome)
	check(t, first.wire.CloseSend())
	if end := first.ended(); !errors.Is(end, io.EOF) {
		t.Errorf("ended with %v", end)
	}
	refused := await(attach(t, at, hello(4)), (*pb.ServerMessage).GetHelloRefused)
	if refused.GetHighestTerm() != 5 {
		t.Errorf("refused: %v", refused)
	}
}

func TestAnOperatorOfOtherProtocolsIsRefusedAndItsTermDoesNotCount(t *testing.T) {
	_, at := start(t, 16)
	for _, versions := range [][2]uint32{{2, 2}, {2, 3}} {
		greeting := hello(9)
		greeting.ProtocolMin, greeting.ProtocolMax = versions[0], versions[1]
		refused := await(attach(t, at, greeting), (*pb.ServerMessage).GetHelloRefused)
		if refused.GetWhy() != pb.HelloRefused_WHY_PROTOCOL || refused.GetProtocolMin() != 1 || refused.GetProtocolMax() != 1 {
			t.Errorf("refused: %v", refused)
		}
	}
	wide := hello(1)
	wide.ProtocolMax = math.MaxUint32
	await(attach(t, at, wide), (*pb.ServerMessage).GetWelcome)
}

func TestAMalformedHelloIsRefused(t *testing.T) {
	_, at := start(t, 16)
	for name, spoil := range map[string]func(*pb.Hello){
		"no term":          func(h *pb.Hello) { h.Term = 0 },
		"too fast":         func(h *pb.Hello) { h.HeartbeatMs = 9 },
		"too slow":         func(h *pb.Hello) { h.HeartbeatMs = 60_001 },
		"an empty range":   func(h *pb.Hello) { h.ProtocolMin = 2 },
		"no version":       func(h *pb.Hello) { h.ProtocolMin, h.ProtocolMax = 0, 1 },
		"too long a name":  func(h *pb.Hello) { h.Identity = strings.Repeat("ü", 127) },
		"nothing is said":  func(h *pb.Hello) { proto.Reset(h) },
		"but of high term": func(h *pb.Hello) { h.Term, h.HeartbeatMs = 9, 0 },
	} {
		malformed := hello(1)
		spoil(malformed)
		operator := attach(t, at, malformed)
		if refused := await(operator, (*pb.ServerMessage).GetHelloRefused); refused.GetWhy() != pb.HelloRefused_WHY_MALFORMED {
			t.Errorf("%s: %v", name, refused)
		}
		if end := operator.ended(); !errors.Is(end, io.EOF) {
			t.Errorf("%s: ended with %v", name, end)
		}
	}
	await(attach(t, at, hello(1)), (*pb.ServerMessage).GetWelcome)
}

func TestAFirstMessageThatIsNoHelloIsRefused(t *testing.T) {
	_, at := start(t, 16)
	for _, message := range []*pb.OperatorMessage{{}, drain(), open(tenancy("duel", 1), nil)} {
		operator := dial(t, at).read()
		operator.tell(message)
		if refused := await(operator, (*pb.ServerMessage).GetHelloRefused); refused.GetWhy() != pb.HelloRefused_WHY_MALFORMED {
			t.Errorf("refused: %v", refused)
		}
	}
	welcome := await(attach(t, at, hello(1)), (*pb.ServerMessage).GetWelcome)
	if welcome.GetDraining() || len(welcome.GetRooms()) != 0 {
		t.Errorf("it was carried out: %v", welcome)
	}
}

func TestASecondHelloEndsTheStream(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	operator.tell(greeting(hello(2)))
	if refused := await(operator, (*pb.ServerMessage).GetHelloRefused); refused.GetWhy() != pb.HelloRefused_WHY_MALFORMED {
		t.Errorf("refused: %v", refused)
	}
	if end := operator.ended(); !errors.Is(end, io.EOF) {
		t.Errorf("ended with %v", end)
	}
	await(attach(t, at, hello(1)), (*pb.ServerMessage).GetWelcome)
}

func TestAStreamWithoutAHelloIsEnded(t *testing.T) {
	_, at := start(t, 16)
	if end := dial(t, at).read().ended(); status.Code(end) != codes.DeadlineExceeded {
		t.Errorf("ended with %v", end)
	}
}

func TestMessagesOfLaterVersionsAreIgnored(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	unknown := &pb.OperatorMessage{}
	// Field 1000, of length 1.
	unknown.ProtoReflect().SetUnknown([]byte{0xc2, 0x3e, 1, 'x'})
	probe := &pb.OperatorMessage{Message: &pb.OperatorMessage_Probe{Probe: &pb.Probe{Id: 1}}}
	echo := &pb.OperatorMessage{Message: &pb.OperatorMessage_BeatEcho{BeatEcho: &pb.BeatEcho{Sequence: 1}}}
	operator.tell(unknown, &pb.OperatorMessage{}, probe, echo, drain())
	if message := operator.next(); message.GetDraining() == nil {
		t.Errorf("answer: %v", message)
	}
}

func TestAnEmptyServerBeatsOnceASecond(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	first := await(operator, (*pb.ServerMessage).GetBeat)
	heard := time.Now()
	second := await(operator, (*pb.ServerMessage).GetBeat)
	if pace := time.Since(heard); pace < 800*time.Millisecond {
		t.Errorf("beats after %v", pace)
	}
	if second.GetSequence() != first.GetSequence()+1 || second.GetProgress() != 0 {
		t.Errorf("first %v, then %v", first, second)
	}
}

func TestAServerWithRoomsBeatsAsOftenAsItWasAskedTo(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	last := await(operator, (*pb.ServerMessage).GetBeat)
	began := time.Now()
	const beats = 10
	for range beats {
		beat := await(operator, (*pb.ServerMessage).GetBeat)
		if beat.GetSequence() != last.GetSequence()+1 || beat.GetProgress() <= last.GetProgress() {
			t.Errorf("first %v, then %v", last, beat)
		}
		last = beat
	}
	pace := time.Since(began) / beats
	if pace < 80*time.Millisecond || pace > 500*time.Millisecond {
		t.Errorf("a beat every %v", pace)
	}
}

func TestSlowBeatsAreNotFasterWhenEmpty(t *testing.T) {
	s := server{heartbeat: 5 * time.Second, rooms: map[string]*room{}}
	if every := s.beatEvery(); every != s.heartbeat {
		t.Errorf("a beat every %v", every)
	}
}

func TestWithoutTheLoopThereAreNoBeats(t *testing.T) {
	s, at := start(t, 16)
	operator := attached(t, at)
	operator.tell(open(tenancy("duel", 1), nil))
	await(operator, (*pb.ServerMessage).GetOpened)
	before := await(operator, (*pb.ServerMessage).GetBeat)
	release := make(chan struct{})
	defer close(release)
	s.do(func() { <-release })
	for deadline := time.After(4 * quiet); ; {
		select {
		case message, more := <-operator.in:
			// A few may have been under way.
			if !more || message.GetBeat().GetSequence() > before.GetSequence()+2 {
				t.Fatalf("it beats on, or has ended: %v, %v", message, operator.end)
			}
		case <-deadline:
			return
		}
	}
}

func TestAStreamThatIsNotReadIsEndedAndTheRoomsGoOn(t *testing.T) {
	s, at := start(t, 1)
	deaf := dial(t, at)
	deaf.tell(greeting(hello(1)), open(tenancy("duel", 7), nil))
	go func() {
		nobody := tenancy("nobody", 1)
		nobody.Name = strings.Repeat("x", 253)
		for deaf.wire.Send(closing(nobody)) == nil {
		}
	}()
	for ended := false; !ended; time.Sleep(quiet / 10) {
		inLoop(s, func() { ended = s.operator == nil && s.term == 1 })
	}
	player := play(t, at)
	first := tickOf(t, player.ask("duel hello"))
	welcome := await(attach(t, at, hello(1)), (*pb.ServerMessage).GetWelcome)
	if len(welcome.GetRooms()) != 1 {
		t.Errorf("welcome: %v", welcome)
	}
	for tickOf(t, player.ask("duel hello")) == first {
	}
	if end := deaf.read().ended(); status.Code(end) != codes.ResourceExhausted {
		t.Errorf("ended with %v", end)
	}
}

func TestWhatIsUnderWayOnAReplacedStreamIsNotCarriedOut(t *testing.T) {
	s, _ := start(t, 1)
	older, newer := newStream(1), newStream(1)
	inLoop(s, func() {
		s.obey(older, greeting(hello(1)))
		s.obey(newer, greeting(hello(1)))
		s.obey(older, drain())
		s.obey(older, greeting(hello(2)))
		s.lost(older, io.EOF)
		if s.draining || s.operator != newer || s.term != 1 {
			t.Errorf("draining %v, term %d", s.draining, s.term)
		}
	})
}

func TestATooLargeMessageEndsTheStreamAndTheLargestDoesNot(t *testing.T) {
	_, at := start(t, 16)
	operator := attached(t, at)
	largest := open(tenancy("duel", 1), nil)
	largest.GetOpen().Reason = strings.Repeat("x", maxCommand-proto.Size(largest)-8)
	largest.GetOpen().Reason += strings.Repeat("x", maxCommand-proto.Size(largest))
	operator.tell(largest)
	await(operator, (*pb.ServerMessage).GetOpened)
	largest.GetOpen().Reason += "x"
	operator.tell(largest)
	if end := operator.ended(); status.Code(end) != codes.ResourceExhausted {
		t.Errorf("ended with %v", end)
	}
	await(attach(t, at, hello(1)), (*pb.ServerMessage).GetWelcome)
}
