package main

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

const (
	// schema is that of state. Another number is another game's, or that of builds that are no relatives.
	schema = 1
	// More join only as guests.
	maxSeats = 256
	// A player's key is some bytes of text without spaces.
	maxKey = 32
)

// state is what is saved of a match: all that another server needs to go on with it. The parameters come with Open.
// What a later build adds beside these is not read, and not missed.
type state struct {
	Ticks uint64 `json:"ticks"`
	// How much of its life is left; nil if it is to be told when it is over.
	LeftMs *int64 `json:"left_ms,omitempty"`
	Seats  []seat `json:"seats,omitempty"`
}

// seat is a player's place, and stays so when the player is away. The number is the place in the list.
type seat struct {
	// By which a player is known again, from whatever address.
	Key   string `json:"key"`
	Score uint64 `json:"score"`
}

// parseState reads what another server has saved.
func parseState(number uint32, text []byte) (state, error) {
	if number != schema {
		return state{}, fmt.Errorf("its schema is %d, this build reads %d", number, schema)
	}
	var read state
	if err := json.Unmarshal(text, &read); err != nil {
		return state{}, fmt.Errorf("its state cannot be read: %w", err)
	}
	if len(read.Seats) > maxSeats {
		return state{}, fmt.Errorf("it has %d seats, %d are possible", len(read.Seats), maxSeats)
	}
	return read, nil
}

// save is the match as it is now.
func (r *room) save(now time.Time) state {
	saved := state{Ticks: r.ticks, Seats: append([]seat(nil), r.seats...)}
	if !r.ends.IsZero() {
		left := max(0, r.ends.Sub(now).Milliseconds())
		saved.LeftMs = &left
	}
	return saved
}

// goOn makes the match what it was when it was saved.
func (r *room) goOn(saved state, now time.Time) {
	r.ticks, r.seats, r.ends = saved.Ticks, saved.Seats, time.Time{}
	if saved.LeftMs != nil {
		r.ends = now.Add(time.Duration(*saved.LeftMs) * time.Millisecond)
	}
}

// join finds a player's seat, or gives it the next one. The first is 1; 0: there is none.
func (r *room) join(key string) int {
	if number := r.seatOf(key); number > 0 {
		return number
	}
	if len(key) < 1 || len(key) > maxKey || !utf8.ValidString(key) || len(r.seats) >= maxSeats {
		return 0
	}
	r.seats = append(r.seats, seat{Key: key})
	return len(r.seats)
}

// seatOf is the number of a player's seat; 0 without one.
func (r *room) seatOf(key string) int {
	for at, taken := range r.seats {
		if taken.Key == key {
			return at + 1
		}
	}
	return 0
}
