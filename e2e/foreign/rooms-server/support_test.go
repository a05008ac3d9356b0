package main

import (
	"context"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// Machines that run tests are busy ones.
	patience = 20 * time.Second
	// So long is nothing waited for.
	quiet = 300 * time.Millisecond
)

// TestMain is the program itself where a test has started it as a process.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// addresses are where a server is.
type addresses struct {
	control, game string
}

// start runs a server without a store until the test is over.
func start(t *testing.T, capacity int) (*server, addresses) {
	t.Helper()
	t.Parallel()
	return startWith(t, capacity, nil)
}

// startWith runs a server until the test is over.
func startWith(t *testing.T, capacity int, keeping *keeping) (*server, addresses) {
	t.Helper()
	control, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	game, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(t, err)
	s := newServer("boot", capacity, game.(*net.UDPConn), keeping)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(control)
	}()
	t.Cleanup(func() {
		s.do(func() { s.leave(0) })
		<-ended
	})
	return s, addresses{control: control.Addr().String(), game: game.LocalAddr().String()}
}

// inLoop has the loop do something, and waits until it is done.
func inLoop(s *server, event func()) {
	done := make(chan struct{})
	s.do(func() {
		defer close(done)
		event()
	})
	<-done
}

// operator is the other end of a stream.
type operator struct {
	t    *testing.T
	wire grpc.BidiStreamingClient[pb.OperatorMessage, pb.ServerMessage]
	in   chan *pb.ServerMessage
	// How the stream ended; read it when in is closed.
	end error
	// Whether it says which beats it has heard.
	echoes atomic.Bool
	// Of who sends.
	sending sync.Mutex
}

// dial opens a stream and says nothing.
func dial(t *testing.T, at addresses) *operator {
	t.Helper()
	connection, err := grpc.NewClient(at.control, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	t.Cleanup(func() { connection.Close() })
	wire, err := pb.NewControlClient(connection).Attach(context.Background())
	check(t, err)
	return &operator{t: t, wire: wire, in: make(chan *pb.ServerMessage)}
}

// read takes what comes in, from now on.
func (o *operator) read() *operator {
	go func() {
		defer close(o.in)
		for {
			message, err := o.wire.Recv()
			if err != nil {
				o.end = err
				return
			}
			if beat := message.GetBeat(); beat != nil && o.echoes.Load() {
				o.send(&pb.OperatorMessage{Message: &pb.OperatorMessage_BeatEcho{
					BeatEcho: &pb.BeatEcho{Sequence: beat.GetSequence()},
				}})
			}
			select {
			case o.in <- message:
			case <-o.t.Context().Done():
				return
			}
		}
	}()
	return o
}

// attach opens a stream and greets.
func attach(t *testing.T, at addresses, hello *pb.Hello) *operator {
	t.Helper()
	o := dial(t, at).read()
	o.tell(greeting(hello))
	return o
}

// attached is an operator that was welcomed.
func attached(t *testing.T, at addresses) *operator {
	t.Helper()
	o := attach(t, at, hello(1))
	await(o, (*pb.ServerMessage).GetWelcome)
	return o
}

func (o *operator) tell(messages ...*pb.OperatorMessage) {
	o.t.Helper()
	for _, message := range messages {
		check(o.t, o.send(message))
	}
}

func (o *operator) send(message *pb.OperatorMessage) error {
	o.sending.Lock()
	defer o.sending.Unlock()
	return o.wire.Send(message)
}

// next is the next message that is no beat.
func (o *operator) next() *pb.ServerMessage {
	o.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case message, more := <-o.in:
			if !more {
				o.t.Fatalf("the stream has ended: %v", o.end)
			}
			if message.GetBeat() == nil {
				return message
			}
		case <-deadline:
			o.t.Fatal("the server says nothing")
		}
	}
}

// ended waits for the end of the stream; io.EOF is a good one.
func (o *operator) ended() error {
	o.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case _, more := <-o.in:
			if !more {
				return o.end
			}
		case <-deadline:
			o.t.Fatal("the stream does not end")
		}
	}
}

// await waits for a message of one kind and skips all others.
func await[M any](o *operator, get func(*pb.ServerMessage) *M) *M {
	o.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case message, more := <-o.in:
			if !more {
				o.t.Fatalf("the stream has ended: %v", o.end)
			}
			if found := get(message); found != nil {
				return found
			}
		case <-deadline:
			o.t.Fatal("the message does not come")
		}
	}
}

// never waits a moment for a message of one kind, and fails if it comes.
func never[M any](o *operator, get func(*pb.ServerMessage) *M) {
	o.t.Helper()
	for deadline := time.After(quiet); ; {
		select {
		case message, more := <-o.in:
			if !more {
				o.t.Fatalf("the stream has ended: %v", o.end)
			}
			if found := get(message); found != nil {
				o.t.Fatalf("unexpected: %v", message)
			}
		case <-deadline:
			return
		}
	}
}

func hello(term uint32) *pb.Hello {
	return &pb.Hello{Term: term, Identity: "test", ProtocolMin: 1, ProtocolMax: 1, HeartbeatMs: 100}
}

func greeting(hello *pb.Hello) *pb.OperatorMessage {
	return &pb.OperatorMessage{Message: &pb.OperatorMessage_Hello{Hello: hello}}
}

// tenancy is one of a room that is called as its uid is.
func tenancy(uid string, epoch int64) *pb.Tenancy {
	return &pb.Tenancy{Namespace: "games", Name: uid, Uid: uid, Epoch: epoch}
}

func open(tenancy *pb.Tenancy, parameters map[string]string) *pb.OperatorMessage {
	return &pb.OperatorMessage{Message: &pb.OperatorMessage_Open{Open: &pb.Open{
		Tenancy:    tenancy,
		Parameters: parameters,
		Reason:     "test",
	}}}
}

func closing(tenancy *pb.Tenancy) *pb.OperatorMessage {
	return &pb.OperatorMessage{Message: &pb.OperatorMessage_Close{Close: &pb.Close{
		Tenancy: tenancy,
		Why:     pb.Close_WHY_DELETED,
	}}}
}

func drain() *pb.OperatorMessage {
	return &pb.OperatorMessage{Message: &pb.OperatorMessage_Drain{Drain: &pb.Drain{}}}
}

func undrain() *pb.OperatorMessage {
	return &pb.OperatorMessage{Message: &pb.OperatorMessage_Undrain{Undrain: &pb.Undrain{}}}
}

func retire() *pb.OperatorMessage {
	return &pb.OperatorMessage{Message: &pb.OperatorMessage_Retire{Retire: &pb.Retire{}}}
}

// player is a socket that talks to one server.
type player struct {
	t      *testing.T
	socket net.Conn
}

func play(t *testing.T, at addresses) *player {
	t.Helper()
	socket, err := net.Dial("udp", at.game)
	check(t, err)
	t.Cleanup(func() { socket.Close() })
	return &player{t: t, socket: socket}
}

func (p *player) tell(text string) {
	p.t.Helper()
	_, err := p.socket.Write([]byte(text))
	check(p.t, err)
}

func (p *player) ask(text string) string {
	p.t.Helper()
	p.tell(text)
	answer, err := p.heard(patience)
	check(p.t, err)
	return answer
}

func (p *player) heard(within time.Duration) (string, error) {
	p.t.Helper()
	check(p.t, p.socket.SetReadDeadline(time.Now().Add(within)))
	buffer := make([]byte, 1500)
	n, err := p.socket.Read(buffer)
	return string(buffer[:n]), err
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
