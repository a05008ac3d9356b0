package main

import (
	"testing"
	"time"
)

const (
	testInterval = 100 * time.Millisecond
	testFence    = time.Second
)

// began is when the tests of custody begin; the time is theirs.
var began = time.Now()

func at(ms int) time.Time {
	return began.Add(time.Duration(ms) * time.Millisecond)
}

func newTestCustody() *custody {
	return newFencedCustody(testFence)
}

func newFencedCustody(fence time.Duration) *custody {
	return newCustody(&keeping{interval: testInterval, fenceAfter: fence}, at(0))
}

// standsAt says so of a moment, where no beat was ever echoed.
func (c *custody) standsAt(ms int) bool {
	return c.standing(at(ms), time.Time{})
}

func wantErrand(t *testing.T, c *custody, ms int, ticks uint64, want errand) {
	t.Helper()
	if got := c.next(at(ms), ticks); got != want {
		t.Errorf("after %d ms: errand %d, not %d", ms, got, want)
	}
}

func TestAMatchIsSavedAtItsPaceAndOneAtATime(t *testing.T) {
	c := newTestCustody()
	wantErrand(t, c, 99, 3, toNothing)
	wantErrand(t, c, 110, 4, toWrite)
	c.busy = true
	wantErrand(t, c, 250, 8, toNothing)
	c.busy = false
	c.allowed(at(110))
	wantErrand(t, c, 251, 8, toWrite)
	// Due at 300, whenever it came before.
	wantErrand(t, c, 299, 9, toNothing)
	wantErrand(t, c, 300, 9, toWrite)
	// What was missed is not made up for.
	wantErrand(t, c, 900, 30, toWrite)
	wantErrand(t, c, 950, 30, toNothing)
}

func TestAMatchThatDidNotChangeIsASignOfLifeOnly(t *testing.T) {
	c := newTestCustody()
	wantErrand(t, c, 100, 0, toCheck)
	c.savedTick = 5
	wantErrand(t, c, 200, 5, toCheck)
}

func TestAfterAFailureTheStoreIsLeftAloneForLongerEachTime(t *testing.T) {
	c := newTestCustody()
	now := 100
	for _, pause := range []int{50, 100, 200, 400, 800, 1000, 1000} {
		c.unanswered(at(now-1), at(now))
		wantErrand(t, c, now+pause-1, 9, toNothing)
		now += pause
	}
	wantErrand(t, c, now, 9, toWrite)
	c.allowed(at(now))
	c.unanswered(at(now), at(now))
	wantErrand(t, c, now+testIntervalMs, 9, toWrite)
}

const testIntervalMs = int(testInterval / time.Millisecond)

func TestI7ARoomThatNobodyHearsFreezesAfterTheFence(t *testing.T) {
	c := newTestCustody()
	c.allowed(at(500))
	if c.standsAt(1499) {
		t.Error("too early")
	}
	if !c.standsAt(1500) {
		t.Error("not frozen")
	}
	wantErrand(t, c, 1500, 9, toCheck)
}

func TestI7WhatCountsIsWhenACallWasSentAndNotWhenItWasAnswered(t *testing.T) {
	c := newTestCustody()
	c.allowed(at(500))
	// Answered late, after a later one.
	c.allowed(at(300))
	if c.standsAt(1499) || !c.standsAt(1500) {
		t.Error("it counts from something else")
	}
}

func TestI7EitherTheOperatorOrTheStoreKeepsARoomGoing(t *testing.T) {
	c := newTestCustody()
	if c.standing(at(5000), at(4100)) {
		t.Error("frozen although the operator hears it")
	}
	c.allowed(at(5000))
	if c.standing(at(5900), at(4100)) {
		t.Error("frozen although the store accepts")
	}
	if !c.standing(at(6000), at(4100)) {
		t.Error("not frozen")
	}
}

func TestI7AFrozenRoomGoesOnWhenTheStoreAcceptsACallThatWasSentSince(t *testing.T) {
	c := newTestCustody()
	c.standsAt(1000)
	c.allowed(at(999))
	if !c.standsAt(1001) {
		t.Error("a call from before the freeze lets it go on")
	}
	c.allowed(at(1010))
	if c.standsAt(1011) {
		t.Error("still frozen")
	}
}

func TestI7AFrozenRoomGoesOnByAnEchoOnlyAfterTheStoreWasAsked(t *testing.T) {
	c := newTestCustody()
	c.standsAt(1000)
	c.unanswered(at(1000), at(1500))
	// Of a beat that was sent before the freeze.
	c.echo(at(1000), at(1510))
	wantErrand(t, c, 1520, 9, toNothing)
	c.echo(at(1505), at(1520))
	if !c.standing(at(1520), at(1505)) {
		t.Error("it goes on before the store was asked")
	}
	// At once, whatever the pause.
	wantErrand(t, c, 1520, 9, toCheck)
	c.unanswered(at(1519), at(1600))
	if !c.standing(at(1600), at(1505)) {
		t.Error("a call from before the echo counts")
	}
	wantErrand(t, c, 1600, 9, toCheck)
	c.unanswered(at(1600), at(1700))
	if !c.standing(at(1700), at(1505)) {
		t.Error("the operator is back sooner than the connection to the store")
	}
	c.unanswered(at(3100), at(3150))
	if !c.standing(at(3200), at(3150)) {
		t.Error("the operator is back sooner than the connection to the store")
	}
	// The pause would be longer.
	wantErrand(t, c, 3519, 9, toNothing)
	wantErrand(t, c, 3520, 9, toCheck)
	c.unanswered(at(3520), at(3530))
	if !c.standing(at(3530), at(3150)) {
		t.Error("the operator may be gone again")
	}
	c.echo(at(3519), at(3530))
	if !c.standing(at(3530), at(3519)) {
		t.Error("the operator may be gone again")
	}
	c.echo(at(3521), at(3540))
	if c.standing(at(3540), at(3521)) {
		t.Error("still frozen")
	}
	if !c.standing(at(4521), at(3521)) {
		t.Error("the operator is gone again, and it is not frozen")
	}
}

func TestI7ARoomThatStoodStillWhileNobodyWasHeardIsFrozenToo(t *testing.T) {
	c := newTestCustody()
	c.hold(at(300))
	c.echo(at(310), at(320))
	c.standing(at(1310), at(310))
	c.echo(at(1400), at(1410))
	c.standing(at(1415), at(1400))
	c.unanswered(at(1420), at(1430))
	if !c.standing(at(1440), at(1400)) {
		t.Error("it goes on as if its loop had only stood still")
	}
	c.unanswered(at(3410), at(3420))
	c.echo(at(3410), at(3420))
	if c.standing(at(3430), at(3410)) {
		t.Error("still frozen")
	}
}

func TestI7WhoHearsNobodyOnceMoreBeginsToWaitAnew(t *testing.T) {
	c := newTestCustody()
	c.standsAt(1000)
	c.echo(at(1050), at(1100))
	c.standing(at(2050), at(1050))
	c.echo(at(2300), at(2310))
	// After the first echo that would have been late enough.
	c.unanswered(at(3500), at(3510))
	if !c.standing(at(3520), at(3500)) {
		t.Error("what was heard before the second cut counts")
	}
}

func TestI7WhoIsCutOffAgainBeforeTheFenceIsOverWaitsForAFreshEcho(t *testing.T) {
	c := newFencedCustody(10 * time.Second)
	c.standing(at(10_000), time.Time{})
	c.echo(at(10_010), at(10_020))
	// Half of the fence and a redial later: it fails, because this server is cut off again, and not long enough to be unheard.
	c.unanswered(at(16_600), at(16_700))
	if !c.standing(at(16_800), at(10_010)) {
		t.Error("an echo from before the second cut counts")
	}
	c.echo(at(16_750), at(16_900))
	if c.standing(at(16_900), at(16_750)) {
		t.Error("still frozen")
	}
}

func TestI8AfterAStandstillTheOperatorsWordIsEnoughAtOnceWithoutTheStore(t *testing.T) {
	c := newTestCustody()
	c.hold(at(300))
	c.echo(at(310), at(320))
	c.unanswered(at(330), at(340))
	if c.standing(at(350), at(310)) {
		t.Error("still frozen")
	}
}

func TestI7AfterAStandstillTheStoreIsAskedBeforeTheNextTick(t *testing.T) {
	c := newTestCustody()
	c.busy = true
	c.hold(at(400))
	if !c.standsAt(400) {
		t.Error("it goes on unasked")
	}
	// Sent before it stood still, answered after.
	c.busy = false
	c.allowed(at(100))
	if !c.standsAt(401) {
		t.Error("a call from before the standstill counts")
	}
	wantErrand(t, c, 401, 9, toCheck)
	c.allowed(at(401))
	if c.standsAt(402) {
		t.Error("it still stands")
	}
}

func TestI7TheFenceOfTheOwnerBeforeIsWaitedForWhateverIsHeard(t *testing.T) {
	c := newTestCustody()
	c.fencedUntil = at(800)
	c.allowed(at(700))
	if !c.standing(at(799), at(790)) || c.standing(at(800), at(790)) {
		t.Error("the fence does not end when it should")
	}
}

func TestI8TheOperatorHearsThatTheStoreIsSilentAfterTheFence(t *testing.T) {
	c := newTestCustody()
	if c.fails(at(999)) || !c.fails(at(1000)) {
		t.Error("it fails at another time")
	}
	c.allowed(at(1100))
	if c.fails(at(2099)) || !c.fails(at(2100)) {
		t.Error("it fails at another time again")
	}
}

func TestAnEchoCountsFromWhenItsBeatWasSent(t *testing.T) {
	p := pulse{}
	p.ticked(time.Millisecond)
	for beat := range 300 {
		p.beat(at(beat))
	}
	for sequence, want := range map[uint64]time.Time{
		0: {}, 44: {}, 45: at(44), 300: at(299), 301: {}, 1 << 63: {},
	} {
		if got := p.sentAt(sequence); !got.Equal(want) {
			t.Errorf("beat %d: %v", sequence, got)
		}
	}
}
