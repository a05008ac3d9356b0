package main

import (
	"context"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// stream is the server's end of one Attach. Only the loop calls its methods, except for carry.
type stream struct {
	queue chan *pb.ServerMessage
	// Closed when the stream shall end at once, whatever is queued.
	cut chan struct{}
	// How it ends; nil is well. Written before queue or cut is closed.
	end error

	greeted, over bool
}

// newStream makes one whose queue holds all that as many rooms may have to say in one tick, and some answers.
func newStream(rooms int) *stream {
	return &stream{queue: make(chan *pb.ServerMessage, 256+4*rooms), cut: make(chan struct{})}
}

// put queues a message. False: the other side does not read, and the stream has ended for that. Rooms never wait.
func (s *stream) put(message *pb.ServerMessage) bool {
	select {
	case s.queue <- message:
		return true
	default:
		s.stop(status.Error(codes.ResourceExhausted, "the server's messages are not read"))
		return false
	}
}

// finish ends the stream once what is queued has been sent.
func (s *stream) finish(end error) {
	if !s.over {
		s.over, s.end = true, end
		close(s.queue)
	}
}

// stop ends the stream at once.
func (s *stream) stop(end error) {
	if !s.over {
		s.over, s.end = true, end
		close(s.cut)
	}
}

// carry sends what is queued until the stream ends, and says how.
func (s *stream) carry(ctx context.Context, send func(*pb.ServerMessage) error) error {
	// Aside, because sending to a peer that does not read takes until the stream has ended.
	sent := make(chan error, 1)
	go func() { sent <- s.drain(ctx, send) }()
	select {
	case <-s.cut:
		return s.end
	case err := <-sent:
		return err
	}
}

// drain sends until the queue is closed.
func (s *stream) drain(ctx context.Context, send func(*pb.ServerMessage) error) error {
	for {
		select {
		case message, more := <-s.queue:
			if !more {
				return s.end
			}
			if err := send(message); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
