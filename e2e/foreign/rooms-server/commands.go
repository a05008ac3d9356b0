package main

import (
	"fmt"
	"log"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

// command does what the operator asks. Nil: there is nothing to be answered.
func (s *server) command(message *pb.OperatorMessage, now time.Time) *pb.ServerMessage {
	switch asked := message.GetMessage().(type) {
	case *pb.OperatorMessage_BeatEcho:
		s.hearEcho(asked.BeatEcho.GetSequence(), now)
	case *pb.OperatorMessage_Open:
		return s.open(asked.Open, now)
	case *pb.OperatorMessage_Close:
		return s.close(asked.Close)
	case *pb.OperatorMessage_Drain:
		return s.drain(true)
	case *pb.OperatorMessage_Undrain:
		return s.drain(false)
	case *pb.OperatorMessage_Retire:
		return s.retire()
	// Not offered in Welcome.
	case *pb.OperatorMessage_Prepare:
		return s.unsupported(asked.Prepare.GetTenancy(), "this server takes no part in moves")
	case *pb.OperatorMessage_MoveTo:
		return s.unsupported(asked.MoveTo.GetTenancy(), "this server takes no part in moves")
	case *pb.OperatorMessage_Abort:
		return s.unsupported(asked.Abort.GetTenancy(), "this server takes no part in moves")
	case *pb.OperatorMessage_Resume:
		return s.unsupported(asked.Resume.GetTenancy(), "this server takes no part in moves")
	}
	return nil
}

func (s *server) open(asked *pb.Open, now time.Time) *pb.ServerMessage {
	tenancy := asked.GetTenancy()
	if !valid(tenancy) || !fits(asked.GetParameters()) {
		return s.unsupported(tenancy, "the command is malformed")
	}
	if room := s.rooms[tenancy.GetUid()]; room != nil {
		return s.openAgain(room, asked, now)
	}
	wish, err := parse(asked.GetParameters())
	switch {
	case asked.Restore != nil && s.keeping == nil:
		return s.unsupported(tenancy, "this server reads no checkpoints")
	case err != nil:
		return s.refuse(tenancy, pb.Refused_WHY_PARAMETERS, err.Error())
	case s.retired:
		return s.refuse(tenancy, pb.Refused_WHY_RETIRED, "the server is retired")
	case s.takesNone():
		return s.refuse(tenancy, pb.Refused_WHY_DRAINING, "the server is drained")
	case len(s.rooms) >= s.capacity:
		return s.refuse(tenancy, pb.Refused_WHY_FULL, fmt.Sprintf("the server has %d rooms", len(s.rooms)))
	}
	room := newRoom(tenancy, wish, now)
	s.rooms[tenancy.GetUid()] = room
	log.Printf("room %s: given under epoch %d: %.1024q", tenancy.GetName(), tenancy.GetEpoch(), asked.GetReason())
	if s.keeping == nil {
		return opened(tenancy)
	}
	s.begin(room, asked.GetRestore(), now)
	return nil
}

// openAgain answers for a room that is here already: the same command again, or an owner of a higher epoch.
func (s *server) openAgain(room *room, asked *pb.Open, now time.Time) *pb.ServerMessage {
	tenancy := asked.GetTenancy()
	switch {
	case tenancy.GetEpoch() < room.tenancy.GetEpoch():
		return s.refuse(tenancy, pb.Refused_WHY_EPOCH, "a later epoch has the room")
	case room.phase == pb.RoomPhase_ROOM_PHASE_RESTORING:
		s.beginAgain(room, asked, now)
		return nil
	case room.open() && asked.Restore != nil && tenancy.GetEpoch() > room.tenancy.GetEpoch():
		// The operator does not know that the room is open. Who owns it under that epoch, the store would have to say.
		return s.refuse(tenancy, pb.Refused_WHY_EPOCH, "the room is open here")
	}
	if room.custody != nil && tenancy.GetEpoch() > room.tenancy.GetEpoch() {
		// The store has heard nothing of this owner yet, and may have forgotten the result.
		room.custody.recorded = false
	}
	room.tenancy = tenancy
	if !room.open() {
		return room.finished()
	}
	return opened(tenancy)
}

func (s *server) close(asked *pb.Close) *pb.ServerMessage {
	tenancy := asked.GetTenancy()
	if !valid(tenancy) {
		return s.unsupported(tenancy, "the command is malformed")
	}
	if room := s.rooms[tenancy.GetUid()]; room != nil {
		if tenancy.GetEpoch() < room.tenancy.GetEpoch() {
			return s.refuse(tenancy, pb.Refused_WHY_EPOCH, "a later epoch has the room")
		}
		delete(s.rooms, tenancy.GetUid())
		log.Printf("room %s: closed: %s", tenancy.GetName(), asked.GetWhy())
		if room.waitedFor(s.operator) {
			s.say(s.refuse(room.tenancy, pb.Refused_WHY_UNKNOWN_ROOM, "it was closed before it was open"))
		}
	}
	return &pb.ServerMessage{Message: &pb.ServerMessage_Closed{Closed: &pb.Closed{Tenancy: tenancy}}}
}

func (s *server) drain(draining bool) *pb.ServerMessage {
	s.draining = draining
	return s.drained()
}

func (s *server) drained() *pb.ServerMessage {
	return &pb.ServerMessage{Message: &pb.ServerMessage_Draining{Draining: &pb.Draining{
		Draining: s.takesNone(),
	}}}
}

func (s *server) retire() *pb.ServerMessage {
	s.retired = s.retired || len(s.rooms) == 0
	return &pb.ServerMessage{Message: &pb.ServerMessage_Retired{Retired: &pb.Retired{
		Retired: s.retired,
		Rooms:   uint32(len(s.rooms)),
	}}}
}

func (s *server) refuse(tenancy *pb.Tenancy, why pb.Refused_Why, message string) *pb.ServerMessage {
	refused := &pb.Refused{Tenancy: tenancy, Why: why, Message: message}
	if room := s.rooms[tenancy.GetUid()]; room != nil {
		refused.CurrentEpoch = room.tenancy.GetEpoch()
	}
	log.Printf("room %s: refused: %s", tenancy.GetName(), message)
	return &pb.ServerMessage{Message: &pb.ServerMessage_Refused{Refused: refused}}
}

// unsupported answers what is malformed or was not offered. If the tenancy is malformed itself, so would be the answer,
// and the operator would end the stream: there is none.
func (s *server) unsupported(tenancy *pb.Tenancy, message string) *pb.ServerMessage {
	if !valid(tenancy) {
		log.Print("a malformed command is ignored")
		return nil
	}
	return s.refuse(tenancy, pb.Refused_WHY_UNSUPPORTED, message)
}

func opened(tenancy *pb.Tenancy) *pb.ServerMessage {
	return &pb.ServerMessage{Message: &pb.ServerMessage_Opened{Opened: &pb.Opened{Tenancy: tenancy}}}
}

// valid says whether a tenancy is within the bounds of the protocol.
func valid(tenancy *pb.Tenancy) bool {
	return fitsIn(63, tenancy.GetNamespace()) && fitsIn(253, tenancy.GetName()) && fitsIn(64, tenancy.GetUid()) &&
		tenancy.GetEpoch() > 0
}

func fitsIn(bytes int, identifier string) bool {
	return identifier != "" && len(identifier) <= bytes
}

// fits says whether parameters are within the bounds of the protocol.
func fits(parameters map[string]string) bool {
	bytes := 0
	for key, value := range parameters {
		bytes += len(key) + len(value)
	}
	return len(parameters) <= 32 && bytes <= 4096
}
