package main

import (
	"encoding/json"
	"fmt"
	"log"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
	"google.golang.org/protobuf/proto"
)

// question is one call to the store.
type question struct {
	errand errand
	uid    string
	epoch  int64
	sent   time.Time
	// To take: how long the owner before must have been silent.
	fence time.Duration
	// To write.
	state state
	// To finish.
	result *pb.Result
}

// reply is what came of it.
type reply struct {
	answer
	// To take: what another server has saved; nil if there is nothing.
	saved *state
	// To take: why what there is cannot be used.
	unusable error
}

// keep asks the store about a room, if it is time to.
func (s *server) keep(room *room, now time.Time) {
	custody := room.custody
	switch {
	case custody == nil:
	case room.phase == pb.RoomPhase_ROOM_PHASE_RESTORING:
		if !custody.busy && !now.Before(custody.pausedUntil) {
			s.ask(room, toTake, now)
		}
	case room.over:
		if !custody.recorded && !custody.busy && !now.Before(custody.pausedUntil) {
			s.ask(room, toFinish, now)
		}
	default:
		if errand := custody.next(now, room.ticks); errand != toNothing {
			s.ask(room, errand, now)
		}
	}
}

// ask makes a call aside; the loop is told what came of it.
func (s *server) ask(room *room, errand errand, now time.Time) {
	asked := question{
		errand: errand,
		uid:    room.tenancy.GetUid(),
		epoch:  room.tenancy.GetEpoch(),
		sent:   now,
		result: room.result,
	}
	if errand == toTake && room.restore.GetFence() {
		// Milliseconds are rounded.
		asked.fence = s.keeping.fenceAfter + 2*time.Millisecond
	}
	if errand == toWrite {
		asked.state = room.save(now)
	}
	room.custody.busy = true
	go func() {
		got, err := s.keeping.carry(asked)
		s.do(func() { s.answered(room, asked, got, err, time.Now()) })
	}()
}

// carry makes a call, and all that is too much work for the loop.
func (k *keeping) carry(asked question) (reply, error) {
	switch asked.errand {
	case toTake:
		got, err := k.store.take(asked.uid, asked.epoch, asked.fence)
		if err != nil || got.envelope == nil {
			return reply{answer: got}, err
		}
		saved, unusable := unpackState(got, asked.uid)
		return reply{answer: got, saved: &saved, unusable: unusable}, nil
	case toWrite:
		envelope, err := k.seal(asked)
		if err != nil {
			return reply{}, err
		}
		got, err := k.store.write(asked.uid, asked.epoch, asked.state.Ticks, envelope)
		return reply{answer: got}, err
	case toFinish:
		result, err := proto.Marshal(asked.result)
		if err != nil {
			return reply{}, err
		}
		got, err := k.store.finish(asked.uid, asked.epoch, result)
		return reply{answer: got}, err
	default:
		got, err := k.store.check(asked.uid, asked.epoch)
		return reply{answer: got}, err
	}
}

func (k *keeping) seal(asked question) ([]byte, error) {
	text, err := json.Marshal(asked.state)
	if err != nil {
		return nil, err
	}
	return seal(checkpoint{
		uid:      asked.uid,
		build:    k.build,
		epoch:    asked.epoch,
		tick:     asked.state.Ticks,
		schema:   schema,
		captured: uint64(time.Now().UnixMilli()),
		state:    text,
	})
}

func unpackState(got answer, uid string) (state, error) {
	found, err := unseal(got.envelope, uid, got.epoch)
	if err != nil {
		return state{}, err
	}
	return parseState(found.schema, found.state)
}

// answered is told what came of a call.
func (s *server) answered(room *room, asked question, got reply, err error, now time.Time) {
	if s.rooms[asked.uid] != room {
		return
	}
	custody := room.custody
	custody.busy = false
	if err != nil {
		if custody.pause == 0 {
			log.Printf("room %s: the store fails: %v", room.tenancy.GetName(), err)
		}
		custody.unanswered(asked.sent, now)
		s.unanswered(room, asked, err, now)
		return
	}
	switch got.kind {
	case fenced:
		// Else the room was given to this server once more meanwhile, under a higher epoch.
		if got.epoch > room.tenancy.GetEpoch() {
			s.fenced(room, got.epoch)
		}
	case finished:
		s.wasFinished(room, got.result)
	case taken:
		custody.allowed(asked.sent)
		s.taken(room, asked, got, now)
	case stored, older:
		custody.allowed(asked.sent)
		custody.savedTick = max(custody.savedTick, asked.state.Ticks)
	case recorded:
		custody.recorded = true
		room.declare()
	default:
		custody.allowed(asked.sent)
	}
}

func (s *server) unanswered(room *room, asked question, err error, now time.Time) {
	switch {
	case asked.errand == toFinish:
		// The operator keeps the result as well. The store is told again.
		room.declare()
	case asked.errand != toTake || room.phase != pb.RoomPhase_ROOM_PHASE_RESTORING:
	case room.restore == nil:
		// A match that begins needs nothing of the store. It is taken by the first checkpoint.
		s.opens(room, now)
	case !now.Before(room.giveUpAt):
		s.gives(room, pb.Refused_WHY_CHECKPOINT, 0, fmt.Sprintf("the store does not answer: %v", err))
	}
}

// fenced stops a room that a later owner has. Its players are told nothing: the match goes on there.
func (s *server) fenced(room *room, owner int64) {
	s.gives(room, pb.Refused_WHY_FENCED, owner, fmt.Sprintf("another server has the room, under epoch %d", owner))
}

// wasFinished takes down that a match is over, by the word of the store.
func (s *server) wasFinished(room *room, stored []byte) {
	room.custody.recorded = true
	// What the operator was told once stays.
	if room.open() || room.phase == pb.RoomPhase_ROOM_PHASE_RESTORING {
		result := &pb.Result{}
		if err := proto.Unmarshal(stored, result); err != nil {
			log.Printf("room %s: its result in the store is none: %v", room.tenancy.GetName(), err)
			result = &pb.Result{}
		}
		room.over, room.result, room.players = true, result, nil
		// What is said of the result answers the Open, too.
		room.asked = nil
		room.declare()
	}
}
