package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pierrec/lz4/v4"
)

const (
	magic     = "GKCP"
	layout    = 1
	plain     = 0
	packed    = 1
	headerLen = 72
	maxUID    = 64
	maxBuild  = 64
	maxState  = 4_194_304
	// Packing less is not worth the trouble.
	packFrom = 512
)

// checkpoint is what is kept of a room.
type checkpoint struct {
	uid, build string
	epoch      int64
	tick       uint64
	schema     uint32
	// By the clock of who saved it, in ms since the Unix epoch. For people.
	captured uint64
	state    []byte
}

// seal puts a checkpoint into its envelope.
func seal(c checkpoint) ([]byte, error) {
	if len(c.uid) < 1 || len(c.uid) > maxUID || len(c.build) > maxBuild || len(c.state) > maxState || c.epoch <= 0 {
		return nil, fmt.Errorf("a checkpoint of %d bytes breaks a limit of the store", len(c.state))
	}
	encoding, body := byte(plain), c.state
	if small := pack(c.state); small != nil {
		encoding, body = packed, small
	}
	hash := sha256.Sum256(c.state)
	sealed := make([]byte, 0, headerLen+len(c.uid)+len(c.build)+len(body))
	sealed = append(sealed, magic...)
	sealed = append(sealed, layout, encoding, byte(len(c.uid)), byte(len(c.build)))
	sealed = binary.BigEndian.AppendUint64(sealed, uint64(c.epoch))
	sealed = binary.BigEndian.AppendUint64(sealed, c.tick)
	sealed = binary.BigEndian.AppendUint32(sealed, c.schema)
	sealed = binary.BigEndian.AppendUint32(sealed, uint32(len(c.state)))
	sealed = binary.BigEndian.AppendUint64(sealed, c.captured)
	sealed = append(sealed, hash[:]...)
	sealed = append(sealed, c.uid...)
	sealed = append(sealed, c.build...)
	return append(sealed, body...), nil
}

// pack makes a state an eighth shorter at least. Nil: it does not come to that.
func pack(state []byte) []byte {
	if len(state) < packFrom {
		return nil
	}
	small := make([]byte, len(state)-len(state)/8)
	length, err := lz4.CompressBlock(state, small, nil)
	if err != nil || length == 0 {
		return nil
	}
	return small[:length]
}

// unseal takes a checkpoint out of its envelope and checks all that can be checked: that it is of this room, and by
// the owner of this epoch, too.
func unseal(sealed []byte, uid string, by int64) (checkpoint, error) {
	if len(sealed) < headerLen || string(sealed[:4]) != magic {
		return checkpoint{}, errors.New("it is no checkpoint")
	}
	if sealed[4] != layout {
		return checkpoint{}, fmt.Errorf("its layout is %d, this server reads %d", sealed[4], layout)
	}
	encoding, uidLen, buildLen := sealed[5], int(sealed[6]), int(sealed[7])
	epoch := binary.BigEndian.Uint64(sealed[8:])
	length := int(binary.BigEndian.Uint32(sealed[28:]))
	rest := sealed[headerLen:]
	if uidLen < 1 || uidLen > maxUID || buildLen > maxBuild || length > maxState || epoch == 0 || len(rest) < uidLen+buildLen {
		return checkpoint{}, errors.New("it breaks a limit")
	}
	body := rest[uidLen+buildLen:]
	c := checkpoint{
		uid:      string(rest[:uidLen]),
		build:    string(rest[uidLen : uidLen+buildLen]),
		epoch:    int64(epoch),
		tick:     binary.BigEndian.Uint64(sealed[16:]),
		schema:   binary.BigEndian.Uint32(sealed[24:]),
		captured: binary.BigEndian.Uint64(sealed[32:]),
	}
	var err error
	if c.state, err = unpack(encoding, body, length); err != nil {
		return checkpoint{}, err
	}
	if hash := sha256.Sum256(c.state); !bytes.Equal(hash[:], sealed[40:headerLen]) {
		return checkpoint{}, errors.New("its hash is not that of its state")
	}
	if c.uid != uid || c.epoch != by {
		return checkpoint{}, fmt.Errorf("it is of room %q under epoch %d, and should be of %q under %d", c.uid, c.epoch, uid, by)
	}
	return c, nil
}

// unpack makes a state of what is left of an envelope.
func unpack(encoding byte, body []byte, length int) ([]byte, error) {
	switch encoding {
	case plain:
		if len(body) != length {
			return nil, fmt.Errorf("its state has %d bytes and should have %d", len(body), length)
		}
		return body, nil
	case packed:
		state := make([]byte, length)
		if got, err := lz4.UncompressBlock(body, state); err != nil || got != length {
			return nil, errors.New("its state cannot be unpacked")
		}
		return state, nil
	default:
		return nil, fmt.Errorf("its encoding is %d, this server reads %d and %d", encoding, plain, packed)
	}
}
