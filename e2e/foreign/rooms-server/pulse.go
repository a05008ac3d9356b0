package main

import (
	"slices"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

// lately is how many ticks count as such: about four seconds.
const lately = 128

// pulse is what beats are made of.
type pulse struct {
	sequence, progress uint64
	last               time.Time
	// What the last ticks took; a ring once it is full.
	took []time.Duration
	next int
}

func (p *pulse) ticked(took time.Duration) {
	if len(p.took) < lately {
		p.took = append(p.took, took)
		return
	}
	p.took[p.next] = took
	p.next = (p.next + 1) % lately
}

// due says whether it is time for a beat, and counts it if so.
func (p *pulse) due(now time.Time, every time.Duration) bool {
	next := p.last.Add(every)
	if now.Before(next) {
		return false
	}
	// From when it was due and not from now, or all beats would be late by half a tick. But nothing is made up for.
	p.last = next
	if now.Sub(next) >= every {
		p.last = now
	}
	return true
}

func (p *pulse) beat() *pb.Beat {
	p.sequence++
	sorted := slices.Sorted(slices.Values(p.took))
	var sum time.Duration
	for _, took := range sorted {
		sum += took
	}
	return &pb.Beat{
		Sequence:  p.sequence,
		Progress:  p.progress,
		TickP99Us: uint32(sorted[len(sorted)*99/100].Microseconds()),
		Load:      uint32(1000 * sum / (time.Duration(len(sorted)) * tickEvery)),
	}
}
