package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// manual is docs/checkpoint-store.md.
func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/checkpoint-store.md")
	check(t, err)
	return string(text)
}

// example is the checkpoint of the manual's example, and its bytes there.
func example(t *testing.T) (checkpoint, []byte) {
	t.Helper()
	block := regexp.MustCompile("(?s)<!-- example -->\n```text\n(.*?)```").FindStringSubmatch(manual(t))
	if block == nil {
		t.Fatal("the manual has no example")
	}
	digits := ""
	for line := range strings.Lines(block[1]) {
		digits += strings.Fields(line)[0]
	}
	sealed, err := hex.DecodeString(digits)
	check(t, err)
	return checkpoint{
		uid: "0b5e", build: "1.4", epoch: 7<<32 | 1, tick: 500, schema: 3, captured: 1_764_000_000_123, state: []byte("hello"),
	}, sealed
}

func TestTheManualsExampleIsReadAndWritten(t *testing.T) {
	t.Parallel()
	want, bytesOfIt := example(t)
	sealed, err := seal(want)
	check(t, err)
	if !bytes.Equal(sealed, bytesOfIt) {
		t.Errorf("written: %x", sealed)
	}
	got, err := unseal(bytesOfIt, "0b5e", 7<<32|1)
	check(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read: %+v", got)
	}
}

func TestALargeStateIsPackedIfThatPays(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 4096)
	for i, random := 0, uint32(1); i < len(noise); i++ {
		random = random*1_664_525 + 1_013_904_223
		noise[i] = byte(random >> 24)
	}
	for name, c := range map[string]struct {
		state    []byte
		encoding byte
	}{
		"much of the same":      {bytes.Repeat([]byte("seat "), 1000), packed},
		"all that is possible":  {make([]byte, maxState), packed},
		"noise":                 {noise, plain},
		"too little to pay":     {make([]byte, packFrom-1), plain},
		"just enough":           {make([]byte, packFrom), packed},
		"nothing at all":        {[]byte{}, plain},
		"noise and some zeroes": {append(make([]byte, 2048), noise...), packed},
	} {
		sealed, err := seal(checkpoint{uid: "duel", epoch: 1, state: c.state})
		check(t, err)
		if sealed[5] != c.encoding {
			t.Errorf("%s: encoding %d", name, sealed[5])
		}
		if got, err := unseal(sealed, "duel", 1); err != nil || !bytes.Equal(got.state, c.state) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatBreaksALimitIsNotSealed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]checkpoint{
		"the state":  {uid: "duel", epoch: 1, state: make([]byte, maxState+1)},
		"the uid":    {uid: strings.Repeat("u", 65), epoch: 1},
		"no uid":     {epoch: 1},
		"the build":  {uid: "duel", epoch: 1, build: strings.Repeat("b", 65)},
		"no epoch":   {uid: "duel"},
		"bad epochs": {uid: "duel", epoch: -1},
	} {
		if _, err := seal(c); err == nil {
			t.Errorf("%s: sealed", name)
		}
	}
}

func TestNoChangedByteOfAStateOrItsOwnerIsOverlooked(t *testing.T) {
	t.Parallel()
	for _, state := range [][]byte{[]byte("hello"), bytes.Repeat([]byte("hello"), 200)} {
		sealed, err := seal(checkpoint{uid: "duel", build: "1", epoch: 7, tick: 1, state: state})
		check(t, err)
		for at := range sealed {
			// Tick, schema, time and build are not covered by the hash.
			if at >= 16 && at < 28 || at >= 32 && at < 40 || at == headerLen+len("duel") {
				continue
			}
			spoilt := bytes.Clone(sealed)
			spoilt[at] ^= 1
			if got, err := unseal(spoilt, "duel", 7); err == nil && !bytes.Equal(got.state, state) {
				t.Errorf("byte %d: read as %q", at, got.state)
			} else if err == nil && at < headerLen+len("duel") {
				t.Errorf("byte %d: not noticed", at)
			}
		}
		for length := range sealed {
			if _, err := unseal(sealed[:length], "duel", 7); err == nil {
				t.Errorf("cut after %d bytes: not noticed", length)
			}
		}
		if _, err := unseal(append(sealed, 0), "duel", 7); err == nil {
			t.Error("a byte more: not noticed")
		}
		if _, err := unseal(sealed, "duet", 7); err == nil {
			t.Error("of another room")
		}
		if _, err := unseal(sealed, "duel", 8); err == nil {
			t.Error("of another owner")
		}
	}
}

func TestNoMoreIsAllocatedThanTheLimit(t *testing.T) {
	sealed, err := seal(checkpoint{uid: "duel", epoch: 7, state: make([]byte, packFrom)})
	check(t, err)
	copy(sealed[28:], []byte{0xff, 0xff, 0xff, 0xff})
	var before, after uint64
	before = allocated()
	if _, err := unseal(sealed, "duel", 7); err == nil {
		t.Error("it was read")
	}
	if after = allocated(); after-before > maxState {
		t.Errorf("%d bytes", after-before)
	}
}

func TestSchemasOfOthersAreRefusedAndAdditionsOfLaterBuildsAreNot(t *testing.T) {
	t.Parallel()
	if _, err := parseState(schema+1, []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "schema") {
		t.Errorf("another schema: %v", err)
	}
	if _, err := parseState(schema, []byte(`hello`)); err == nil {
		t.Error("what is no state was read")
	}
	if _, err := parseState(schema, []byte(`{"seats":[`+strings.Repeat(`{},`, maxSeats)+`{}]}`)); err == nil {
		t.Error("too many seats were read")
	}
	got, err := parseState(schema, []byte(`{"ticks":7,"weather":"rain","seats":[{"key":"ann","score":3,"hat":true}]}`))
	check(t, err)
	if !reflect.DeepEqual(got, state{Ticks: 7, Seats: []seat{{Key: "ann", Score: 3}}}) {
		t.Errorf("read: %+v", got)
	}
}

func allocated() uint64 {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return memory.TotalAlloc
}
