package main

import (
	"log"
	"net"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

// tickEvery is the pace of all rooms.
const tickEvery = time.Second / 30

// shortestStandstill is more than the loop stands still between two ticks, whatever the heartbeat.
const shortestStandstill = tickEvery * 3 / 2

// server is a process and its rooms. One loop owns it all: what comes from other goroutines comes as an event or a
// packet, so there is nothing to lock, and a beat says that this very loop is alive.
type server struct {
	bootID   string
	capacity int
	game     *net.UDPConn

	events  chan func()
	packets chan packet
	// Closed when the loop has ended.
	gone chan struct{}

	// Nil if the fleet has no store.
	keeping *keeping

	rooms             map[string]*room // by uid
	pulse             pulse
	turned, ticked    time.Time
	draining, retired bool

	// The highest term that was accepted.
	term uint32
	// The stream of that term; nil without one.
	operator *stream
	// How often it wants beats.
	heartbeat time.Duration
	// When the last beat was sent that it has heard, by its own word.
	echoed time.Time

	// When rooms are not played on any more; zero until SIGTERM.
	leaveBy time.Time
}

func newServer(bootID string, capacity int, game *net.UDPConn, keeping *keeping) *server {
	return &server{
		bootID:   bootID,
		capacity: capacity,
		game:     game,
		keeping:  keeping,
		events:   make(chan func()),
		packets:  make(chan packet, 256),
		gone:     make(chan struct{}),
		rooms:    map[string]*room{},
	}
}

// run serves until the process shall end.
func (s *server) run(control net.Listener) {
	go s.listen()
	operators := s.serve(control)
	s.loop()
	// What the operator asked last, it is answered.
	hurry := time.AfterFunc(time.Second, operators.Stop)
	operators.GracefulStop()
	hurry.Stop()
	s.game.Close()
	if s.keeping != nil {
		s.keeping.store.close()
	}
}

func (s *server) loop() {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	// A room may be here, and stand still, before the first tick.
	s.ticked = time.Now()
	for !s.mayLeave() {
		select {
		case <-ticker.C:
			s.turn(time.Now())
			s.tick(time.Now())
		case event := <-s.events:
			s.turn(time.Now())
			event()
		case packet := <-s.packets:
			s.turn(time.Now())
			s.play(packet, time.Now())
		}
	}
	if s.operator != nil {
		s.operator.finish(nil)
	}
	close(s.gone)
}

// do has the loop do something, and waits until it begins. False: the loop has ended.
func (s *server) do(event func()) bool {
	select {
	case s.events <- event:
		return true
	case <-s.gone:
		return false
	}
}

// leave ends the process when all rooms are closed, or after some time. That a match is over is not enough: its result
// must have been taken down.
func (s *server) leave(grace time.Duration) {
	log.Printf("told to stop, with %d rooms", len(s.rooms))
	s.leaveBy = time.Now().Add(grace)
	s.say(s.drained())
}

func (s *server) leaving() bool {
	return !s.leaveBy.IsZero()
}

// takesNone says whether a drain is in force; there is no undoing that of SIGTERM.
func (s *server) takesNone() bool {
	return s.draining || s.leaving()
}

func (s *server) mayLeave() bool {
	return s.leaving() && (len(s.rooms) == 0 || time.Now().After(s.leaveBy))
}

// turn is told of every turn of the loop, before it does anything. If the last one was long ago, the server may have been
// given up meanwhile: its rooms stand still until the store says whose they are. For how long a server may hang it is
// not told; a heartbeat is half of it at most.
func (s *server) turn(now time.Time) {
	if !s.turned.IsZero() && now.Sub(s.turned) > max(s.heartbeat, shortestStandstill) {
		for _, room := range s.rooms {
			if room.custody != nil {
				room.custody.hold(now)
			}
		}
	}
	s.turned = now
}

func (s *server) tick(now time.Time) {
	elapsed := now.Sub(s.ticked)
	s.ticked = now
	for _, room := range s.rooms {
		if room.open() {
			if room.on(now, s.echoed) {
				room.tick(now)
			} else {
				room.stand(elapsed)
			}
			// The turns of the loop, for a room that stands still is no hang.
			s.pulse.progress++
		}
		s.keep(room, now)
		for _, message := range room.news(now) {
			s.say(message)
		}
	}
	s.pulse.ticked(time.Since(now))
	if s.operator != nil && s.pulse.due(now, s.beatEvery()) {
		s.say(&pb.ServerMessage{Message: &pb.ServerMessage_Beat{Beat: s.pulse.beat(now)}})
	}
}

// beatEvery is how often the operator wants beats now.
func (s *server) beatEvery() time.Duration {
	if len(s.rooms) == 0 {
		return max(s.heartbeat, time.Second)
	}
	return s.heartbeat
}

// say tells the operator, if there is one. One that comes later learns all of it from Welcome.
func (s *server) say(message *pb.ServerMessage) {
	if s.operator != nil && !s.operator.put(message) {
		log.Print("the operator does not read: its stream is ended")
		s.operator = nil
	}
}

// hearEcho is told that the operator has heard a beat.
func (s *server) hearEcho(sequence uint64, now time.Time) {
	sent := s.pulse.sentAt(sequence)
	if !sent.After(s.echoed) {
		return
	}
	s.echoed = sent
	for _, room := range s.rooms {
		if room.custody != nil {
			room.custody.echo(sent, now)
		}
	}
}
