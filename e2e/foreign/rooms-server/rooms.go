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
	// Of those who gave their key. They stay when players go, and when the room goes to another server.
	seats []seat
	// The match is over. With a store, ROOM_PHASE_FINISHED comes a moment later.
	over bool
	// Of a match that is over.
	result *pb.Result

	// Nil without a store, and so is the rest.
	custody *custody
	// While the room is being opened: how, until when, and for which stream.
	restore  *pb.Restore
	giveUpAt time.Time
	asked    *stream

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
	r.live(now)
	return r
}

// live lets the life of the match begin.
func (r *room) live(now time.Time) {
	if r.wish.life != nil {
		r.ends = now.Add(*r.wish.life)
	}
}

// open says whether the room is open, with players or without.
func (r *room) open() bool {
	return r.phase == pb.RoomPhase_ROOM_PHASE_WAITING || r.phase == pb.RoomPhase_ROOM_PHASE_PLAYING
}

// on says whether the match may be changed now, by ticks or by players.
func (r *room) on(now, echoed time.Time) bool {
	return r.open() && !r.over && (r.custody == nil || !r.custody.standing(now, echoed))
}

// stand lets a match be as it is for a while, which its life does not count.
func (r *room) stand(elapsed time.Duration) {
	if !r.ends.IsZero() {
		r.ends = r.ends.Add(elapsed)
	}
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
	r.over = true
	values := map[string]string{"ticks": strconv.FormatUint(r.ticks, 10)}
	if r.wish.result != nil {
		values["result"] = *r.wish.result
	}
	r.result = &pb.Result{Values: values}
	r.players = nil
	log.Printf("room %s: finished after %d ticks", r.tenancy.GetName(), r.ticks)
	// Where there is a store it is told first: it may be that the match was another server's to end.
	if r.custody == nil {
		r.declare()
	} else {
		r.custody.pausedUntil = time.Time{}
	}
}

// declare lets the operator know of the result.
func (r *room) declare() {
	r.phase = pb.RoomPhase_ROOM_PHASE_FINISHED
}

// news is what the operator has to be told now.
func (r *room) news(now time.Time) []*pb.ServerMessage {
	if r.phase == pb.RoomPhase_ROOM_PHASE_RESTORING {
		return nil
	}
	news := r.newsOfStore(now)
	changed := r.phase != r.toldPhase || r.newlySaved()
	due := now.Sub(r.toldAt) >= tellEvery
	if !changed && !(due && (!r.open() || len(r.players) != r.toldPlayers)) {
		return news
	}
	r.toldPhase, r.toldPlayers, r.toldAt = r.phase, len(r.players), now
	if changed || r.open() {
		news = append(news, &pb.ServerMessage{Message: &pb.ServerMessage_RoomState{RoomState: &pb.RoomState{
			Tenancy:        r.tenancy,
			Phase:          r.phase,
			Players:        uint32(len(r.players)),
			CheckpointTick: r.checkpointTick(),
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
