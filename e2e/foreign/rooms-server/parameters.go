package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

const (
	// Beyond it a time.Duration would overflow.
	maxSeconds = 1e9
	// The result is this and the number of ticks, and may have 4,096 bytes in all.
	maxResult = 4000
)

// wish is what a room's parameters ask of this game.
type wish struct {
	life   *time.Duration
	result *string
}

func parse(parameters map[string]string) (wish, error) {
	var asked wish
	if text, given := parameters["seconds"]; given {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > maxSeconds {
			return wish{}, fmt.Errorf("seconds: %.40q is no number from 0 to %.0f", text, maxSeconds)
		}
		life := time.Duration(seconds * float64(time.Second))
		asked.life = &life
	}
	if text, given := parameters["result"]; given {
		if len(text) > maxResult {
			return wish{}, fmt.Errorf("result: %d bytes are too many, %d are possible", len(text), maxResult)
		}
		asked.result = &text
	}
	return asked, nil
}
