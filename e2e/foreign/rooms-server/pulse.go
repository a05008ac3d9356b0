package main

import (
	"slices"
	"time"

	pb "gamekeeper.dev/e2e/foreign/rooms-server/controlv1"
)

// lately is how many ticks count as such: about four seconds.
const lately = 128

// echoable is how many beats back an echo counts: 2.5 seconds of the fastest ones.
const echoable = 256

// pulse is what beats are made of.
type pulse struct {
	sequence, progress uint64
	last               time.Time
	// When beats were sent, by their sequence.
	sent [echoable]time.Time
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

// sentAt is when a beat was sent; zero if that was too long ago.
func (p *pulse) sentAt(sequence uint64) time.Time {
	if sequence == 0 || sequence > p.sequence || p.sequence-sequence >= echoable {
		return time.Time{}
	}
	return p.sent[sequence%echoable]
}

func (p *pulse) beat(now time.Time) *pb.Beat {
	p.sequence++
	p.sent[p.sequence%echoable] = now
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
