package main

import (
	"fmt"
	"strconv"
	"time"
)

// keeping is how rooms are kept in the fleet's store.
type keeping struct {
	store *store
	// How often a room is saved.
	interval time.Duration
	// After how long without being heard, by the operator or by the store, a room stands still.
	fenceAfter time.Duration
	// What this program calls itself, for people.
	build string
}

// keepingFrom reads what the operator has put into the environment. Nil: the fleet has no store.
func keepingFrom(variable func(string) string, build string) (*keeping, error) {
	url := variable("GAMEKEEPER_STATE_URL")
	if url == "" {
		return nil, nil
	}
	// The limits are those of a fleet's spec.
	interval, err := milliseconds(variable, "GAMEKEEPER_CHECKPOINT_INTERVAL_MS", 10, 30_000)
	if err != nil {
		return nil, err
	}
	fenceAfter, err := milliseconds(variable, "GAMEKEEPER_FENCE_AFTER_MS", 100, 60_000)
	if err != nil {
		return nil, err
	}
	if len(build) > maxBuild {
		return nil, fmt.Errorf("-build %q: at most %d bytes", build, maxBuild)
	}
	store, err := newStore(url, fenceAfter)
	if err != nil {
		return nil, fmt.Errorf("GAMEKEEPER_STATE_URL: %w", err)
	}
	return &keeping{store: store, interval: interval, fenceAfter: fenceAfter, build: build}, nil
}

func milliseconds(variable func(string) string, name string, least, most int) (time.Duration, error) {
	text := variable(name)
	number, err := strconv.Atoi(text)
	if err != nil || number < least || number > most {
		return 0, fmt.Errorf("%s: %.40q is no number from %d to %d", name, text, least, most)
	}
	return time.Duration(number) * time.Millisecond, nil
}
