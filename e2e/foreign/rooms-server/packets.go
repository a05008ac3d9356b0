package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// crashed is the exit code of a process that a player has crashed.
const crashed = 3

// packet is what a player has sent.
type packet struct {
	text string
	from netip.AddrPort
}

// listen gives the loop what players send. What the loop cannot take in time is lost, as packets may be.
func (s *server) listen() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := s.game.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		select {
		case s.packets <- packet{text: string(buffer[:n]), from: from}:
		default:
		}
	}
}

// play does what a packet asks. To all that means nothing there is no answer, so that the port cannot be made to
// flood somebody else.
func (s *server) play(packet packet, now time.Time) {
	name, rest, _ := strings.Cut(strings.TrimSuffix(packet.text, "\n"), " ")
	verb, key, keyed := strings.Cut(rest, " ")
	room := s.roomOfPlayers(name)
	if room == nil || !room.on(now, s.echoed) {
		return
	}
	answer := fmt.Sprintf("%s %s %d %d", name, s.bootID, room.tenancy.GetEpoch(), room.ticks)
	if keyed != (verb == "join" || verb == "score") {
		return
	}
	switch verb {
	case "hello":
		room.hear(packet.from, now)
		s.answer(packet, answer)
	case "join", "score":
		if verb == "score" && room.seatOf(key) == 0 {
			return
		}
		if number := room.join(key); number > 0 {
			room.hear(packet.from, now)
			seat := &room.seats[number-1]
			if verb == "score" {
				seat.Score++
			}
			s.answer(packet, fmt.Sprintf("%s %d %d", answer, number, seat.Score))
		}
	case "end":
		room.finish()
	case "crash":
		log.Printf("room %s: crashing, as asked", name)
		os.Exit(crashed)
	}
}

func (s *server) answer(packet packet, text string) {
	if _, err := s.game.WriteToUDPAddrPort([]byte(text), packet.from); err != nil {
		log.Print(err)
	}
}

// roomOfPlayers is the open room of a name. Two namespaces may have one each, and a name may come back while its last
// room is still here: the newest is meant.
func (s *server) roomOfPlayers(name string) *room {
	var newest *room
	for _, room := range s.rooms {
		if room.tenancy.GetName() != name || !room.open() {
			continue
		}
		if newest == nil || room.tenancy.GetEpoch() > newest.tenancy.GetEpoch() {
			newest = room
		}
	}
	return newest
}
