package main

import "time"

const (
	// Between attempts to reach the store; doubled up to the longest.
	shortestPause = 50 * time.Millisecond
	longestPause  = time.Second
)

// redialPause is how old what a failed call says may be: without a connection, the library answers at once with what its last
// attempt to get one came to.
const redialPause = 1500 * time.Millisecond

// errand is what the store is to be asked about a room.
type errand int

const (
	toNothing errand = iota
	toTake
	toWrite
	toCheck
	toFinish
)

// custody is whose a room is, as far as its server knows: what was asked of the store, what came of it, and whether the
// match may go on. It has neither clock nor store; the loop asks it what to do.
type custody struct {
	interval, fenceAfter time.Duration

	// There is at most one call at a time.
	busy        bool
	pause       time.Duration
	pausedUntil time.Time
	// When the match is to be saved next.
	saveAt time.Time

	// When the last call that was accepted was sent; at first, when the operator gave the room.
	accepted time.Time
	// Until then the owner before may still play.
	fencedUntil time.Time
	// The match stands still: it may be another server's by now.
	held   bool
	heldAt time.Time
	// Nobody was heard for the time of the fence: it does not stand still only because the loop did.
	unheard bool
	// When the operator was heard to hear this server, since then; zero: not yet.
	echoedAt time.Time
	// When the newest beat was sent that it has echoed since then, and the newest call that has failed.
	echoSent, failSent time.Time

	// The newest tick that the store has of this server.
	savedTick uint64
	// The store has not been heard for the time of the fence.
	failing bool
	// The store knows that the match is over.
	recorded bool

	// What this operator was told.
	toldFailing, toldSaved bool
}

func newCustody(keeping *keeping, now time.Time) *custody {
	return &custody{
		interval:   keeping.interval,
		fenceAfter: keeping.fenceAfter,
		accepted:   now,
		saveAt:     now.Add(keeping.interval),
	}
}

// standing says whether the match has to stand still now. `echoed` is when the last beat was sent that the operator has
// echoed.
func (c *custody) standing(now, echoed time.Time) bool {
	heard := c.accepted
	if echoed.After(heard) {
		heard = echoed
	}
	if now.Sub(heard) >= c.fenceAfter {
		if !c.held {
			c.hold(now)
		}
		// What was heard since is too old to count.
		c.unheard, c.echoedAt = true, time.Time{}
	}
	return c.held || now.Before(c.fencedUntil)
}

// hold lets the match stand still until the room is known to be this server's.
func (c *custody) hold(now time.Time) {
	c.held, c.heldAt, c.echoedAt = true, now, time.Time{}
	// Ask at once.
	c.pausedUntil = time.Time{}
}

// echo is told that the operator has heard the beat that was sent then.
func (c *custody) echo(sent, now time.Time) {
	if !c.held || !sent.After(c.heldAt) {
		return
	}
	if c.echoedAt.IsZero() {
		c.echoedAt = now
		// The store may be back as well: before the match goes on without, it is asked once more.
		c.pausedUntil = time.Time{}
	}
	c.echoSent = sent
	c.goOnWithoutStore()
}

// next is what the store is to be asked now, of a match that is on.
func (c *custody) next(now time.Time, ticks uint64) errand {
	switch {
	case c.busy || now.Before(c.pausedUntil):
		return toNothing
	case c.held:
		return toCheck
	case now.Before(c.saveAt):
		return toNothing
	}
	// From when it was due and not from now, or each would be late by half a tick. But nothing is made up for.
	c.saveAt = c.saveAt.Add(c.interval)
	if !now.Before(c.saveAt) {
		c.saveAt = now.Add(c.interval)
	}
	if ticks == c.savedTick {
		return toCheck
	}
	return toWrite
}

// allowed is told that the store has accepted the call that was sent then.
func (c *custody) allowed(sent time.Time) {
	c.pause, c.failing = 0, false
	if sent.After(c.accepted) {
		c.accepted = sent
	}
	if !sent.Before(c.heldAt) {
		c.held, c.unheard = false, false
	}
}

// unanswered is told that the call that was sent then has failed.
func (c *custody) unanswered(sent, now time.Time) {
	c.pause = min(max(2*c.pause, shortestPause), longestPause)
	c.pausedUntil = now.Add(c.pause)
	switch {
	case !c.held:
	case sent.Before(c.heldAt) || !c.echoedAt.IsZero() && sent.Before(c.echoedAt):
		// It was sent too early to say anything of now.
		c.pausedUntil = time.Time{}
	case c.echoedAt.IsZero():
	case sent.Before(c.countsFrom()):
		c.pausedUntil = earlier(c.pausedUntil, c.countsFrom())
	default:
		c.failSent = sent
		c.goOnWithoutStore()
	}
}

// goOnWithoutStore lets the match go on if the operator's word is enough: nobody else can have had it from a store that is
// gone. After a cut the word must be as fresh as the failure, or both may be of the next cut.
func (c *custody) goOnWithoutStore() {
	from := c.countsFrom()
	if !c.failSent.Before(from) && (!c.unheard || !c.echoSent.Before(from)) {
		c.held, c.unheard = false, false
	}
}

// countsFrom is from when on a call that fails says that the store is gone. After a cut the operator is back sooner than a
// connection to the store, and sooner than it knows that it gave the room up.
func (c *custody) countsFrom() time.Time {
	if !c.unheard {
		return c.echoedAt
	}
	return c.echoedAt.Add(c.fenceAfter/2 + redialPause)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// fails says whether the store has been silent for so long that the operator must know.
func (c *custody) fails(now time.Time) bool {
	c.failing = c.failing || now.Sub(c.accepted) >= c.fenceAfter
	return c.failing
}
