// Command rooms-server is a game server that hosts many rooms. It was written from Gamekeeper's control.proto and
// docs/control-protocol.md alone, as a stranger would: it is the proof that the protocol is public.
//
// A room's parameters, both optional:
//
//	seconds   how long the match lasts; without it, until it is told to end
//	result    a text that comes back as result `result`, beside the number of `ticks`
//
// Players send UDP datagrams of text, all rooms on one port:
//
//	ROOM hello   → ROOM BOOT EPOCH TICK   if the room is open here; BOOT names this process
//	ROOM join KEY  → ROOM BOOT EPOCH TICK SEAT SCORE   the player of this key has a seat, now or already
//	ROOM score KEY → ROOM BOOT EPOCH TICK SEAT SCORE   and one point more
//	ROOM end     →                        and the match is over
//	ROOM crash   →                        and the process ends badly, with code 3
//
// If the environment names a store, rooms are saved there, and those that other servers lost go on here, with the seats
// and points of their players: written from docs/checkpoint-store.md alone. While a room may be another server's, it
// answers nobody.
//
// The operator's stream is served in control.go and stream.go, what it asks for is done in rooms.go. What is asked of the
// store is in keep.go and restoring.go, and when, in custody.go.
package main

import (
	"crypto/rand"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

//go:generate go run -C generate . ../../../../gameserver/control/proto/control.proto ..

// maxCapacity is how many rooms the protocol lets a server host.
const maxCapacity = 4096

func main() {
	controlAddr := flag.String("control", ":9600", "where the operator connects")
	gameAddr := flag.String("game", ":7777", "where players play")
	capacity := flag.Int("capacity", 16, fmt.Sprintf("how many rooms to host, 1 to %d", maxCapacity))
	grace := flag.Duration("grace", time.Minute, "how long rooms are played on after SIGTERM")
	build := flag.String("build", "dev", "what this program is called in checkpoints, for people")
	flag.Parse()
	if *capacity < 1 || *capacity > maxCapacity {
		log.Fatalf("-capacity %d: 1 to %d is possible", *capacity, maxCapacity)
	}
	keeping, err := keepingFrom(os.Getenv, *build)
	if err != nil {
		log.Fatal(err)
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)

	control, err := net.Listen("tcp", *controlAddr)
	if err != nil {
		log.Fatal(err)
	}
	game, err := net.ListenPacket("udp", *gameAddr)
	if err != nil {
		log.Fatal(err)
	}
	s := newServer(rand.Text(), *capacity, game.(*net.UDPConn), keeping)
	log.Printf("boot %s: control %s game %s", s.bootID, control.Addr(), game.LocalAddr())
	go func() {
		<-term
		s.do(func() { s.leave(*grace) })
	}()
	s.run(control)
}
