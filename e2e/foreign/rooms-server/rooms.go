package main

import (
	"log"
	"maps"
	"net/netip"
	"strconv"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

const (
	// A player who has not said hello for this long has left.
	playerStays = 10 * time.Second
	// More are played with, but not counted.
	maxPlayers = 256
	// How often the number of players is told, and a result that nobody has taken down.
	tellEvery = time.Second
)

// room is one match.
type room struct {
	tenancy *pb.Tenancy
	phase   pb.RoomPhase
	ticks   uint64
	wish    wish
	// When its life is over; zero if it is to be told.
	ends time.Time
	// When each player was heard last.
	players map[netip.AddrPort]time.Time
	// With ROOM_PHASE_FINISHED.
	result *pb.Result

	// What the operator has been told, and when.
	toldPhase   pb.RoomPhase
	toldPlayers int
	toldAt      time.Time
}

func newRoom(tenancy *pb.Tenancy, wish wish, now time.Time) *room {
	r := &room{
		tenancy: tenancy,
		phase:   pb.RoomPhase_ROOM_PHASE_WAITING,
		wish:    wish,
		players: map[netip.AddrPort]time.Time{},
		// That is what Opened says.
		toldPhase: pb.RoomPhase_ROOM_PHASE_WAITING,
	}
	if wish.life != nil {
		r.ends = now.Add(*wish.life)
	}
	return r
}

// open says whether the match is on, with players or without.
func (r *room) open() bool {
	return r.phase != pb.RoomPhase_ROOM_PHASE_FINISHED
}

func (r *room) tick(now time.Time) {
	r.ticks++
	maps.DeleteFunc(r.players, func(_ netip.AddrPort, heard time.Time) bool {
		return now.Sub(heard) > playerStays
	})
	if !r.ends.IsZero() && !now.Before(r.ends) {
		r.finish()
	}
}

// hear notes that there is a player.
func (r *room) hear(player netip.AddrPort, now time.Time) {
	r.phase = pb.RoomPhase_ROOM_PHASE_PLAYING
	if _, known := r.players[player]; known || len(r.players) < maxPlayers {
		r.players[player] = now
	}
}

func (r *room) finish() {
	r.phase = pb.RoomPhase_ROOM_PHASE_FINISHED
	values := map[string]string{"ticks": strconv.FormatUint(r.ticks, 10)}
	if r.wish.result != nil {
		values["result"] = *r.wish.result
	}
	r.result = &pb.Result{Values: values}
	r.players = nil
	log.Printf("room %s: finished after %d ticks", r.tenancy.GetName(), r.ticks)
}

// news is what the operator has to be told now.
func (r *room) news(now time.Time) []*pb.ServerMessage {
	changed := r.phase != r.toldPhase
	due := now.Sub(r.toldAt) >= tellEvery
	if !changed && !(due && (!r.open() || len(r.players) != r.toldPlayers)) {
		return nil
	}
	r.toldPhase, r.toldPlayers, r.toldAt = r.phase, len(r.players), now
	var news []*pb.ServerMessage
	if changed || r.open() {
		news = append(news, &pb.ServerMessage{Message: &pb.ServerMessage_RoomState{RoomState: &pb.RoomState{
			Tenancy: r.tenancy,
			Phase:   r.phase,
			Players: uint32(len(r.players)),
		}}})
	}
	if !r.open() {
		news = append(news, r.finished())
	}
	return news
}

func (r *room) finished() *pb.ServerMessage {
	return &pb.ServerMessage{Message: &pb.ServerMessage_Finished{Finished: &pb.Finished{
		Tenancy: r.tenancy,
		Result:  r.result,
	}}}
}

func (r *room) hosted() *pb.HostedRoom {
	return &pb.HostedRoom{
		Tenancy: r.tenancy,
		Phase:   r.phase,
		Players: uint32(len(r.players)),
		Result:  r.result,
	}
}
