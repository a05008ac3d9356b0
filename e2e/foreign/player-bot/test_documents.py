"""Every worked example of the documents is understood, and what we write ourselves is written like that."""

import unittest

import arena
import datagrams
import delta
import frames
from datagrams import Snapshot
from examples import HASH, SECRET, of_protocol, snapshot_of_arena
from frames import Credentials, Ended, Fallbacks, Frames, Join, Joined, Message, Place, Redirect, Refused, Why
from varint import Reader, number

PLACE = Place((("192.0.2.7", 7777),), (HASH,))

TO_SERVER = {
    "Join: room duel, player ann": Join("duel", Credentials("ann", False), SECRET, 1).encode(),
    "Join: a spectator with the ticket v4.public.x, first_input 70":
        Join("duel", Credentials("v4.public.x", True), SECRET, 70, is_spectator=True).encode(),
    "Message: hi": frames.message(b"hi"),
    "Leave": frames.leave(),
    "Input: ack 900; input 7 is 0102, input 8 is 03": datagrams.inputs(900, 7, [b"\1\2", b"\3"]),
    "Input: ack 901; no inputs": datagrams.inputs(901, 9, []),
}

TO_PLAYER = {
    "Joined: seat 3, ann, tick 900, 30 a second, no fallbacks": Joined(1, 0, 3, "ann", 3 << 32 | 1, 900, 30, 0, Place()),
    "Refused: Full, no seat": Refused(Why.FULL, "no seat"),
    "Redirect: u-1, 192.0.2.7 port 7777, 500 ms": Redirect("u-1", 3 << 32 | 2, PLACE, 500),
    "Fallbacks": Fallbacks(PLACE),
    "Message to the player: hi": Message(b"hi"),
    "Ended: winner: ann": Ended({"winner": "ann"}),
}

SNAPSHOTS = {
    "Snapshot: tick 901, full, input_ack 8: hello world": Snapshot(901, 0, 8, b"\x0b\0\x0bhello world"),
    "Snapshot: tick 903, from tick 901, input_ack 8: hello, you!":
        Snapshot(903, 2, 8, bytes.fromhex("0b 05 06 0c57161d1945")),
    "SnapshotPart: tick 901, part 1 of 2": Snapshot(901, 0, 8, b"world", 1, 2),
}

# Of features that this bot does not offer: nothing of it is sent to it, and it would skip it.
NOT_OFFERED = {"Numbered: hi, the fifth message", "Confirmed"}


class TheProtocol(unittest.TestCase):
    def setUp(self):
        self.examples = of_protocol()

    def test_every_example_is_known_here(self):
        known = TO_SERVER.keys() | TO_PLAYER.keys() | SNAPSHOTS.keys() | NOT_OFFERED
        self.assertEqual(self.examples.keys(), known)

    def test_what_we_send_is_written_as_it_says(self):
        for name, ours in TO_SERVER.items():
            self.assertEqual(ours, self.examples[name], name)

    def test_frames_are_read_as_it_says(self):
        for name, meant in TO_PLAYER.items():
            self.assertEqual(Frames().put(self.examples[name]), [meant], name)

    def test_frames_of_other_features_are_skipped(self):
        self.assertEqual(Frames().put(self.examples["Confirmed"] + self.examples["Message to the player: hi"]), [Message(b"hi")])

    def test_snapshots_are_read_as_it_says(self):
        for name, meant in SNAPSHOTS.items():
            self.assertEqual(datagrams.parse(self.examples[name]), meant, name)

    def test_the_difference_is_applied_as_it_says(self):
        first, second = list(SNAPSHOTS.values())[:2]
        self.assertEqual(delta.apply(b"", first.body), b"hello world")
        self.assertEqual(delta.apply(b"hello world", second.body), b"hello, you!")

    def test_numbers_are_written_as_it_says(self):
        # Those of its text, and of RFC 9000.
        for value, text in [(37, "25"), (900, "4384"), (494_878_333, "9d7f3e7d"), (151_288_809_941_952_652, "c2197c5eff14e88c")]:
            self.assertEqual(number(value).hex(), text)
            self.assertEqual(Reader(bytes.fromhex(text)).number(), value)
        self.assertEqual(Reader(bytes.fromhex("4025")).number(), 37)


class TheArena(unittest.TestCase):
    def setUp(self):
        self.shown = snapshot_of_arena()

    def test_the_example_is_read_as_it_says(self):
        world = arena.read(self.shown)
        self.assertEqual((world.seats, world.tick, world.ends_at, world.seated, world.present), (2, 31, 1800, 3, 3))
        self.assertEqual(world.avatars[0], arena.Avatar(x=510, y=104, health=100, score=0, ready_at=12))
        self.assertEqual(world.avatars[1], arena.Avatar(x=888, y=72, health=100, score=0, ready_at=0))
        self.assertEqual(world.pick_ups[0], arena.PickUp(x=18 * 16 + 8, y=24, is_there=True))

    def test_inputs_are_written_as_it_says(self):
        self.assertEqual(arena.encode(arena.RIGHT | arena.FIRE, 0, 1).hex(), "180001")
        self.assertEqual(arena.encode(arena.RIGHT, 0x40, 2).hex(), "084002")

    def test_the_digest_is_what_it_says(self):
        digest = 0
        for byte in arena.encode(arena.RIGHT | arena.FIRE, 0, 1):
            mixed = (digest ^ byte * 0x0101) * 0xA6D3 % 2**16
            digest = ((mixed << 7 | mixed >> 9) + 0x9DC5) % 2**16
        self.assertEqual(digest, 0x4127)

    def test_whatever_byte_is_another_one_is_noticed(self):
        for at in range(len(self.shown)):
            wrong = bytearray(self.shown)
            wrong[at] ^= 0x55
            with self.assertRaises(arena.Wrong, msg=str(at)):
                arena.read(bytes(wrong))

    def test_a_state_of_another_length_is_none(self):
        for length in range(len(self.shown)):
            with self.assertRaises(arena.Wrong):
                arena.read(self.shown[:length])

    def test_who_is_scored_is_found(self):
        self.assertEqual(arena.names("ann 7, ben the great 3"), {"ann", "ben the great"})


if __name__ == "__main__":
    unittest.main()
