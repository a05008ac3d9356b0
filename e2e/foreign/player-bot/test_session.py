"""What goes out when, and what becomes of what comes in."""

import unittest

import datagrams
from delta import Snapshots, apply
from examples import SECRET
from frames import Credentials, Ended, Fallbacks, Frames, Joined, Place, Redirect
from session import DATAGRAM_BYTES, Outdated, Session
from varint import Malformed, Reader, number
from way import attempts


def joined(epoch: int = 1, tick: int = 10, input_ack: int = 0) -> Joined:
    return Joined(1, 0, 0, "ann", epoch, tick, 30, input_ack, Place())


def session() -> Session:
    new = Session("u-1", Credentials("ann", False), SECRET)
    new.begin(joined(), 0.0)
    return new


def snapshot(tick: int, distance: int = 0, input_ack: int = 0, body: bytes = b"\0") -> bytes:
    return b"\x31" + number(tick) + number(distance) + number(input_ack) + body


def sent(datagram: bytes) -> tuple[int, int, list[bytes]]:
    """What the server reads in an `Input`."""
    reader = Reader(datagram)
    assert reader.u8() == 0x21
    ack, first = reader.number(), reader.number()
    inputs = [reader.bytes(1024) for _ in range(reader.count(60))]
    assert not reader
    return ack, first, inputs


class ASession(unittest.TestCase):
    def test_inputs_go_on_until_they_are_acknowledged(self):
        play = session()
        self.assertEqual(sent(play.act(b"a", 0)), (0, 1, [b"a"]))
        self.assertEqual(sent(play.act(b"b", 0)), (0, 1, [b"a", b"b"]))
        play.on_datagram(snapshot(11, input_ack=1), 0)
        self.assertEqual(sent(play.act(b"c", 0)), (11, 2, [b"b", b"c"]))
        play.on_datagram(snapshot(12, input_ack=3), 0)
        self.assertEqual(sent(play.datagram(0)), (12, 4, []))
        self.assertEqual((play.inputs_sent, play.inputs_acknowledged), (3, 3))

    def test_no_more_than_sixty_are_kept(self):
        play = session()
        for _ in range(70):
            last = play.act(b"x", 0)
        self.assertEqual(sent(last), (0, 11, [b"x"] * 60))

    def test_the_newest_are_sent_if_not_all_fit(self):
        play = session()
        play.act(b"a", 0)
        datagram = play.act(b"b" * 1024, 0)
        datagram = play.act(b"c" * 70, 0)
        self.assertLessEqual(len(datagram), DATAGRAM_BYTES)
        self.assertEqual(sent(datagram), (0, 3, [b"c" * 70]))

    def test_something_is_sent_when_it_is_due(self):
        play = session()
        self.assertIsNone(play.due_at())
        play.act(b"a", 1.0)
        self.assertAlmostEqual(play.due_at(), 1.1)
        play.on_datagram(snapshot(11), 1.01)
        play.on_datagram(snapshot(12), 1.02)
        self.assertAlmostEqual(play.due_at(), 1.05)
        play.datagram(1.05)
        self.assertAlmostEqual(play.due_at(), 1.15)
        play.on_datagram(snapshot(13, input_ack=1), 1.06)
        play.datagram(1.1)
        self.assertIsNone(play.due_at())

    def test_the_numbers_go_on_after_a_new_connection_and_nothing_else_does(self):
        play = session()
        [play.act(it, 0) for it in (b"a", b"b", b"c")]
        play.on_datagram(snapshot(11, input_ack=1, body=b"\1\0\1x"), 0)
        # The last field of what it joins with.
        self.assertEqual(play.join()[-1], 2)
        play.begin(joined(tick=9, input_ack=2), 0)
        self.assertEqual(sent(play.datagram(0)), (0, 3, [b"c"]))
        self.assertIsNone(play.on_datagram(snapshot(12, distance=1, body=b"\1"), 0))
        self.assertEqual(play.on_datagram(snapshot(10, body=b"\1\0\1y"), 0), b"y")

    def test_who_lost_its_numbers_goes_on_behind_what_is_known(self):
        play = Session("u-1", Credentials("ann", False), SECRET)
        play.begin(joined(input_ack=500), 0)
        self.assertEqual(sent(play.act(b"a", 0)), (0, 501, [b"a"]))

    def test_a_server_that_has_lost_the_room_is_left(self):
        play = session()
        play.begin(joined(epoch=3), 0)
        with self.assertRaises(Outdated):
            play.begin(joined(epoch=2), 0)
        self.assertIsNone(play.on_frame(Redirect("u-1", 3, Place(), 500)))
        self.assertIsNotNone(play.on_frame(Redirect("u-1", 4, Place(), 500)))

    def test_fallbacks_and_the_result_are_kept(self):
        play, place = session(), Place((("a", 1),))
        play.on_frame(Fallbacks(place))
        play.on_frame(Ended({"winner": "ann"}))
        self.assertEqual((play.fallbacks, play.result), (place, {"winner": "ann"}))

    def test_unknown_datagrams_are_ignored(self):
        self.assertIsNone(session().on_datagram(b"\x99\xff", 0))


class TheBookOfSnapshots(unittest.TestCase):
    def put(self, tick: int, distance: int, body: bytes, index: int = 0, count: int = 1) -> bytes | None:
        return self.book.put(datagrams.Snapshot(tick, distance, 0, body, index, count))

    def setUp(self):
        self.book = Snapshots()

    def test_parts_come_in_any_order(self):
        self.assertIsNone(self.put(5, 0, b"cd", 1, 2))
        self.assertIsNone(self.put(5, 0, b"cd", 1, 2))
        self.assertEqual(self.put(5, 0, b"\4\0\4ab", 0, 2), b"abcd")

    def test_parts_of_two_snapshots_are_kept(self):
        for tick in (5, 6, 7):
            self.put(tick, 0, b"\4\0\4ab", 0, 2)
        self.assertIsNone(self.put(5, 0, b"cd", 1, 2))
        self.assertEqual(self.put(7, 0, b"cd", 1, 2), b"abcd")

    def test_what_is_old_or_has_no_baseline_is_not_shown(self):
        self.assertEqual(self.put(5, 0, b"\1\0\1a"), b"a")
        self.assertIsNone(self.put(5, 0, b"\1\0\1a"))
        self.assertIsNone(self.put(4, 0, b"\1\0\1a"))
        self.assertIsNone(self.put(9, 3, b"\1"))
        self.assertEqual(self.put(7, 2, b"\1"), b"a")
        self.assertEqual(self.book.newest, 7)

    def test_none_is_kept_that_is_older_than_a_baseline(self):
        self.put(1, 0, b"\1\0\1a")
        self.put(2, 1, b"\1")
        self.put(3, 1, b"\1")
        self.assertIsNone(self.put(4, 3, b"\1"))
        self.assertEqual(self.put(4, 2, b"\1"), b"a")

    def test_no_more_than_64_are_kept(self):
        for tick in range(1, 66):
            self.put(tick, 0, b"\1\0\1a")
        self.assertIsNone(self.put(66, 65, b"\1"))
        self.assertEqual(self.put(66, 64, b"\1"), b"a")


class Bytes(unittest.TestCase):
    def test_a_baseline_is_cut_and_continued(self):
        self.assertEqual(apply(b"abc", b"\2"), b"ab")
        self.assertEqual(apply(b"abc", b"\5\4\1x"), b"abc\0x")

    def test_what_a_body_must_not_be_is_malformed(self):
        for body in (b"", b"\2\0", b"\2\0\2a", b"\2\1\2ab", b"\2\3\0", b"\x80\0\x80\1", b"\x40"):
            with self.assertRaises(Malformed, msg=body.hex()):
                apply(b"", body)

    def test_what_a_datagram_must_not_be_is_malformed(self):
        for text in ("", "31", "3100000000", "31050500", "310540", "31ff", "32050000", "3205000001", "320500000202", "3205000000ff"):
            with self.assertRaises(Malformed, msg=text):
                datagrams.parse(bytes.fromhex(text))

    def test_frames_are_cut_and_joined_at_will(self):
        ended = bytes.fromhex("0d 16 01 06 77696e6e6572 03 616e6e")
        stream = ended + b"\x02\x99\x01" + b"\x40\x10" + ended[1:] + b"new"
        for size in range(1, len(stream) + 1):
            reader = Frames()
            found = [it for at in range(0, len(stream), size) for it in reader.put(stream[at:at + size])]
            self.assertEqual(found, [Ended({"winner": "ann"})] * 2, size)

    def test_what_a_frame_must_not_be_is_malformed(self):
        for text in ("00", "80005001", "0111", "021201", "06120205ffffff", "0315050a"):
            with self.assertRaises(Malformed, msg=text):
                Frames().put(bytes.fromhex(text))

    def test_numbers_have_the_shortest_form(self):
        for value, size in [(0, 1), (63, 1), (64, 2), (2**14 - 1, 2), (2**14, 4), (2**30 - 1, 4), (2**30, 8), (2**62 - 1, 8)]:
            self.assertEqual(len(number(value)), size)
            self.assertEqual(Reader(number(value)).number(), value)
        with self.assertRaises(ValueError):
            number(2**62)


class ComingBack(unittest.TestCase):
    def test_first_where_it_was_then_in_turns(self):
        way = attempts(Place((("home", 1), ("home", 2))), Place((("away", 1), ("away", 2))))
        found = [next(way).endpoint for _ in range(7)]
        places = [("home", 1), ("home", 2), ("away", 1), ("home", 1), ("away", 2), ("home", 2), ("away", 1)]
        self.assertEqual(found, places)

    def test_without_fallbacks_it_stays_there(self):
        way = attempts(Place((("home", 1),)), Place())
        self.assertEqual({next(way).endpoint for _ in range(9)}, {("home", 1)})

    def test_pauses_and_patience_double(self):
        way = attempts(Place((("home", 1),)), Place())
        found = [next(way) for _ in range(7)]
        self.assertEqual([it.pause for it in found], [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0])
        self.assertEqual([it.patience for it in found], [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0])


if __name__ == "__main__":
    unittest.main()
