//! When beats are sent, and what keeps them back.

use tokio::sync::mpsc::error::TryRecvError;
use tokio_stream::Stream as _;

use super::*;
use crate::outbox::{Outgoing, outbox};

const HEARTBEAT: Duration = Duration::from_millis(100);

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

struct Case {
    pulse: Arc<Pulse>,
    outgoing: Outgoing,
}

impl Case {
    /// With a stream that was greeted at 0 ms.
    fn new(threads: usize) -> Self {
        let pulse = Pulse::new(Clock::start(), threads);
        let (outbox, outgoing) = outbox(1);
        pulse.attach(StreamId(1), outbox, HEARTBEAT, ms(0));
        Self { pulse, outgoing }
    }

    /// The beats since the last call, as sequence and progress.
    fn beats(&mut self) -> Vec<(u64, u64)> {
        let mut beats = Vec::new();
        while let Ok(beat) = self.next() {
            beats.push((beat.sequence, beat.progress));
        }
        beats
    }

    fn next(&mut self) -> Result<Beat, TryRecvError> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(Some(Ok(message))) =
            std::pin::Pin::new(&mut self.outgoing).poll_next(&mut context)
        else {
            return Err(TryRecvError::Empty);
        };
        match ToOperator::parse(message) {
            Ok(Some(ToOperator::Beat(beat))) => Ok(beat),
            other => panic!("not a beat: {other:?}"),
        }
    }
}

#[test]
fn a_beat_is_sent_by_the_last_thread_that_moves() {
    let mut case = Case::new(3);
    case.pulse.host(true);
    case.pulse.give(0);
    case.pulse.give(1);
    case.pulse.moved(0, 2, ms(10));
    case.pulse.beat_if_due(ms(10));
    assert_eq!(case.beats(), [], "thread 1 has not moved, and thread 2 has nothing to say");
    case.pulse.moved(1, 1, ms(20));
    assert_eq!(case.beats(), [(1, 3)]);
    case.pulse.moved(0, 1, ms(99));
    case.pulse.moved(1, 1, ms(99));
    assert_eq!(case.beats(), [], "not due");
    case.pulse.beat_if_due(ms(120));
    assert_eq!(case.beats(), [(2, 5)], "both have moved since, so anybody may send it");
}

#[test]
fn a_thread_that_stands_still_silences_all_others() {
    let mut case = Case::new(2);
    case.pulse.host(true);
    case.pulse.give(0);
    case.pulse.give(1);
    case.pulse.moved(0, 1, ms(1));
    case.pulse.moved(1, 1, ms(1));
    case.pulse.moved(1, 1, ms(2));
    for now in 3..10_000 {
        case.pulse.moved(0, 1, ms(now));
    }
    assert_eq!(case.beats().len(), 2, "at once, and one for its last move");
    case.pulse.let_go(1);
    case.pulse.moved(0, 1, ms(10_001));
    assert_eq!(case.beats().len(), 1, "without rooms it need not move");
}

#[test]
fn a_thread_that_got_a_room_and_does_not_notice_silences_all() {
    let mut case = Case::new(2);
    case.pulse.host(true);
    case.pulse.give(0);
    case.pulse.moved(0, 1, ms(1));
    assert_eq!(case.beats().len(), 1);
    case.pulse.give(1);
    for now in 2..1000 {
        case.pulse.moved(0, 1, ms(now));
    }
    assert_eq!(case.beats(), []);
}

#[test]
fn an_empty_server_beats_once_a_second_and_a_hosting_one_at_the_heartbeat() {
    let mut case = Case::new(2);
    let beats_until = |case: &mut Case, from: u64, to: u64| {
        (from..to).for_each(|it| case.pulse.beat_if_due(ms(it)));
        case.beats().len()
    };
    assert_eq!(beats_until(&mut case, 0, 3000), 3);
    assert!(case.pulse.host(true), "the threads are to look");
    assert!(!case.pulse.host(true));
    // The next one was due at 3000; rooms that are being opened are rooms.
    assert_eq!(beats_until(&mut case, 3000, 4000), 10);
    let progress = case.pulse.progress.load(Ordering::Relaxed);
    assert_eq!(beats_until(&mut case, 4000, 4100), 1);
    assert!(progress < case.pulse.progress.load(Ordering::Relaxed), "having nothing to do is progress");
    assert!(!case.pulse.host(false));
    assert!(beats_until(&mut case, 4100, 6000) <= 3);
}

#[test]
fn the_first_beat_of_a_room_does_not_wait_for_the_second_of_an_empty_server() {
    let mut case = Case::new(1);
    case.pulse.beat_if_due(ms(0));
    assert_eq!(case.pulse.due(), Some(ms(1000)));
    case.pulse.host(true);
    assert_eq!(case.pulse.due(), Some(ms(100)));
    assert_eq!(case.beats().len(), 1);
}

#[test]
fn a_late_beat_does_not_make_the_later_ones_late() {
    let case = Case::new(1);
    case.pulse.host(true);
    case.pulse.beat_if_due(ms(30));
    assert_eq!(case.pulse.due(), Some(ms(100)));
    case.pulse.beat_if_due(ms(550));
    assert_eq!(case.pulse.due(), Some(ms(650)), "those that were missed are not made up for");
}

#[test]
fn what_moved_before_the_stream_began_proves_nothing() {
    let mut case = Case::new(1);
    case.pulse.host(true);
    case.pulse.give(0);
    case.pulse.detach(StreamId(1));
    case.pulse.moved(0, 1, ms(10));
    let (outbox, outgoing) = outbox(1);
    case.pulse.attach(StreamId(2), outbox, HEARTBEAT, ms(20));
    case.outgoing = outgoing;
    case.pulse.beat_if_due(ms(30));
    assert_eq!(case.beats(), []);
    case.pulse.moved(0, 1, ms(40));
    assert_eq!(case.beats(), [(1, 2)]);
}

#[test]
fn a_stream_that_does_not_read_hears_no_more_beats() {
    let case = Case::new(1);
    case.pulse.host(true);
    for beat in 0..100_000 {
        case.pulse.beat_if_due(ms(beat * 100));
    }
    assert_eq!(case.pulse.due(), None);
    case.pulse.beat_if_due(ms(u64::MAX));
}

#[test]
fn only_echoes_of_beats_that_this_stream_heard_count() {
    let case = Case::new(1);
    let contact = case.pulse.contact();
    case.pulse.heard(StreamId(1), 1);
    assert_eq!(contact.silence(), None, "it was not sent yet");
    case.pulse.beat_if_due(ms(0));
    case.pulse.heard(StreamId(2), 1);
    assert_eq!(contact.silence(), None, "another stream");
    case.pulse.heard(StreamId(1), 1);
    assert!(contact.silence().is_some());
    let (outbox, _outgoing) = outbox(1);
    case.pulse.attach(StreamId(3), outbox, HEARTBEAT, ms(10));
    let other = Case::new(1);
    other.pulse.heard(StreamId(1), 0);
    assert_eq!(other.pulse.contact().silence(), None);
    case.pulse.detach(StreamId(1));
    assert!(case.pulse.due().is_some(), "the end of an older stream is no news");
}
