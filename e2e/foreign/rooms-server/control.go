package main

import (
	"errors"
	"io"
	"log"
	"net"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	// protocol is the only version that this server speaks.
	protocol = 1
	// The largest OperatorMessage.
	maxCommand = 65_536
	// Who has not greeted by then holds a stream for nothing.
	greetWithin = 10 * time.Second
)

// control serves the operator's calls.
type control struct {
	pb.UnimplementedControlServer
	server *server
}

// serve answers operators in the background.
func (s *server) serve(listener net.Listener) *grpc.Server {
	calls := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxCommand),
		// One is needed, and another while it is replaced.
		grpc.MaxConcurrentStreams(8),
		grpc.ConnectionTimeout(greetWithin),
		// A peer whose machine is gone says nothing of it.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
		// Left alone, gRPC for Go takes the operator's pings for an attack.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             100 * time.Millisecond,
			PermitWithoutStream: true,
		}),
	)
	pb.RegisterControlServer(calls, control{server: s})
	go func() {
		if err := calls.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			log.Fatal(err)
		}
	}()
	return calls
}

func (c control) Attach(wire grpc.BidiStreamingServer[pb.OperatorMessage, pb.ServerMessage]) error {
	stream := newStream(c.server.capacity)
	go c.server.hear(stream, wire.Recv)
	return stream.carry(wire.Context(), wire.Send)
}

// hear gives the loop what comes in on a stream, one message at a time, until the stream ends.
func (s *server) hear(stream *stream, receive func() (*pb.OperatorMessage, error)) {
	late := time.AfterFunc(greetWithin, func() {
		s.do(func() {
			if !stream.greeted {
				stream.stop(status.Error(codes.DeadlineExceeded, "there was no Hello"))
			}
		})
	})
	defer late.Stop()
	for {
		message, err := receive()
		if err != nil {
			s.do(func() { s.lost(stream, err) })
			return
		}
		if !s.do(func() { s.obey(stream, message) }) {
			return
		}
	}
}

// lost is told that nothing more comes in on a stream, and why.
func (s *server) lost(stream *stream, err error) {
	if s.operator == stream {
		log.Print("the operator is gone")
		s.operator = nil
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	stream.finish(err)
}

// obey takes one message of a stream. What was under way on a stream that was replaced is not carried out.
func (s *server) obey(stream *stream, message *pb.OperatorMessage) {
	switch {
	case stream.over:
	case !stream.greeted || message.GetHello() != nil:
		s.greet(stream, message.GetHello())
	default:
		if answer := s.command(message, time.Now()); answer != nil {
			s.say(answer)
		}
	}
}

// greet takes the first message of a stream, or a Hello that is not the first.
func (s *server) greet(stream *stream, hello *pb.Hello) {
	switch {
	case stream.greeted || !wellFormed(hello):
		s.refuseHello(stream, pb.HelloRefused_WHY_MALFORMED)
	case protocol < hello.GetProtocolMin() || protocol > hello.GetProtocolMax():
		s.refuseHello(stream, pb.HelloRefused_WHY_PROTOCOL)
	case hello.GetTerm() < s.term:
		s.refuseHello(stream, pb.HelloRefused_WHY_TERM)
	default:
		stream.greeted = true
		s.attach(stream, hello)
	}
}

func (s *server) attach(stream *stream, hello *pb.Hello) {
	log.Printf("operator %q attached, in term %d", hello.GetIdentity(), hello.GetTerm())
	if s.operator != nil {
		s.operator.stop(status.Error(codes.Aborted, "replaced by a stream of the same or a higher term"))
	}
	s.operator = stream
	s.term = hello.GetTerm()
	s.heartbeat = time.Duration(hello.GetHeartbeatMs()) * time.Millisecond
	s.say(&pb.ServerMessage{Message: &pb.ServerMessage_Welcome{Welcome: s.welcome()}})
}

func (s *server) welcome() *pb.Welcome {
	welcome := &pb.Welcome{
		BootId:   s.bootID,
		Protocol: protocol,
		Capacity: uint32(s.capacity),
		Retired:  s.retired,
		Draining: s.takesNone(),
	}
	if s.keeping != nil {
		welcome.Features = append(welcome.Features, pb.Feature_FEATURE_RESTORE)
	}
	for _, room := range s.rooms {
		welcome.Rooms = append(welcome.Rooms, room.hosted())
		if room.custody != nil {
			room.custody.toldFailing, room.custody.toldSaved = false, false
		}
	}
	return welcome
}

func (s *server) refuseHello(stream *stream, why pb.HelloRefused_Why) {
	log.Printf("a Hello is refused: %s", why)
	if s.operator == stream {
		s.operator = nil
	}
	stream.put(&pb.ServerMessage{Message: &pb.ServerMessage_HelloRefused{HelloRefused: &pb.HelloRefused{
		Why:         why,
		HighestTerm: s.term,
		ProtocolMin: protocol,
		ProtocolMax: protocol,
	}}})
	stream.finish(nil)
}

// wellFormed says whether a Hello is there and within the bounds of the protocol.
func wellFormed(hello *pb.Hello) bool {
	return hello.GetTerm() > 0 && len(hello.GetIdentity()) <= 253 &&
		hello.GetProtocolMin() > 0 && hello.GetProtocolMin() <= hello.GetProtocolMax() &&
		hello.GetHeartbeatMs() >= 10 && hello.GetHeartbeatMs() <= 60_000
}
