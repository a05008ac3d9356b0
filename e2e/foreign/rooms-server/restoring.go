package main

import (
	"log"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

// restoreWithin is how long the store is asked for a room. The operator waits for five seconds.
const restoreWithin = 4 * time.Second

// begin lets a room be opened with the help of the store. The answer comes later.
func (s *server) begin(room *room, restore *pb.Restore, now time.Time) {
	room.phase, room.toldPhase = pb.RoomPhase_ROOM_PHASE_RESTORING, pb.RoomPhase_ROOM_PHASE_RESTORING
	room.restore, room.asked, room.giveUpAt = restore, s.operator, now.Add(restoreWithin)
	room.custody = newCustody(s.keeping, now)
	s.ask(room, toTake, now)
}

// beginAgain answers an Open for a room that is still being opened.
func (s *server) beginAgain(room *room, open *pb.Open, now time.Time) {
	if tenancy := open.GetTenancy(); tenancy.GetEpoch() > room.tenancy.GetEpoch() {
		overtaken := room.tenancy
		room.tenancy = tenancy
		if open.Restore != nil {
			room.restore = open.Restore
		}
		if room.waitedFor(s.operator) {
			s.say(s.refuse(overtaken, pb.Refused_WHY_EPOCH, "a later Open has overtaken it"))
		}
	}
	room.asked, room.giveUpAt = s.operator, now.Add(restoreWithin)
}

// taken goes on with what the store had.
func (s *server) taken(room *room, asked question, got reply, now time.Time) {
	switch {
	case room.phase != pb.RoomPhase_ROOM_PHASE_RESTORING:
	case asked.epoch != room.tenancy.GetEpoch():
		// Taken for an owner that was overtaken.
		s.ask(room, toTake, now)
	case room.restore == nil:
		s.opens(room, now)
	case got.saved == nil || room.restore.GetLostEpoch() > 0 && got.epoch > room.restore.GetLostEpoch():
		room.custody.fencedUntil = now.Add(got.wait)
		s.opens(room, now)
	case got.unusable != nil:
		s.gives(room, pb.Refused_WHY_CHECKPOINT, 0, "the checkpoint cannot be used: "+got.unusable.Error())
	default:
		room.custody.fencedUntil = now.Add(got.wait)
		s.opens(room, now)
		room.goOn(*got.saved, now)
		log.Printf("room %s: goes on from tick %d of epoch %d, in %v", room.tenancy.GetName(), room.ticks, got.epoch, got.wait)
	}
}

// opens lets players in. Until the fence has passed, the match stands still for them.
func (s *server) opens(room *room, now time.Time) {
	room.phase = pb.RoomPhase_ROOM_PHASE_WAITING
	room.live(now)
	log.Printf("room %s: opened under epoch %d", room.tenancy.GetName(), room.tenancy.GetEpoch())
	if room.waitedFor(s.operator) {
		room.toldPhase = room.phase
		s.say(opened(room.tenancy))
	}
	room.asked = nil
}

// gives a room up, and says so to the operator.
func (s *server) gives(room *room, why pb.Refused_Why, owner int64, message string) {
	delete(s.rooms, room.tenancy.GetUid())
	if room.waitedFor(s.operator) {
		refused := s.refuse(room.tenancy, why, message)
		refused.GetRefused().CurrentEpoch = owner
		s.say(refused)
		return
	}
	log.Printf("room %s: given up: %s", room.tenancy.GetName(), message)
	s.say(&pb.ServerMessage{Message: &pb.ServerMessage_Fault{Fault: &pb.Fault{
		Tenancy: room.tenancy,
		Message: message,
		Fatal:   true,
	}}})
}

// waitedFor says whether this stream waits to hear that the room is open.
func (r *room) waitedFor(stream *stream) bool {
	return r.asked != nil && r.asked == stream
}

// newsOfStore is what the operator has to be told of the store.
func (r *room) newsOfStore(now time.Time) []*pb.ServerMessage {
	if r.custody == nil || r.over || r.custody.fails(now) == r.custody.toldFailing {
		return nil
	}
	r.custody.toldFailing = r.custody.failing
	failed := &pb.CheckpointFailed{Tenancy: r.tenancy}
	if r.custody.failing {
		failed.Message = "the store has not taken a checkpoint for " + r.custody.fenceAfter.String()
	}
	return []*pb.ServerMessage{{Message: &pb.ServerMessage_CheckpointFailed{CheckpointFailed: failed}}}
}

// newlySaved says, once, that the store has a checkpoint.
func (r *room) newlySaved() bool {
	if r.checkpointTick() == 0 || r.custody.toldSaved {
		return false
	}
	r.custody.toldSaved = true
	return true
}

// checkpointTick is the tick of the newest checkpoint; 0 without one.
func (r *room) checkpointTick() uint64 {
	if r.custody == nil || r.over {
		return 0
	}
	return r.custody.savedTick
}
