use serde_json::json;

use super::*;
use crate::arena::{Answer, Ended, Foul};
use crate::chaos::cast::{FLEETS, Fleet, Part};
use crate::chaos::evidence::Heard;

/// A case in the making: seconds are counted from the making of its room.
struct Story {
    start: Instant,
    hits: BTreeMap<String, Instant>,
    pods: Pods,
    case: Case,
}

impl Story {
    /// A room with a life of 30 seconds.
    fn of(fleet: Fleet, recovery: Recovery) -> Self {
        let life = Duration::from_secs(30);
        let part = Part { name: "duel".to_owned(), fleet, recovery, life, at: Duration::ZERO };
        let start = Instant::now();
        Self { start, hits: BTreeMap::new(), pods: Pods::new(), case: Case::new(part, start) }
    }

    fn shared(recovery: Recovery) -> Self {
        Self::of(FLEETS[1], recovery)
    }

    fn plain(recovery: Recovery) -> Self {
        Self::of(FLEETS[0], recovery)
    }

    fn at(&self, second: u64) -> Instant {
        self.start + Duration::from_secs(second)
    }

    /// Published on a server from a second to another. The process on pod `a` is `A`.
    fn on(mut self, pod: &str, epoch: i64, from: u64, until: u64) -> Self {
        self.case.tenancies.push(Tenancy {
            room: "duel".to_owned(),
            epoch,
            pod: pod.to_owned(),
            pod_uid: pod.to_owned(),
            boot: self.case.part.is_shared().then(|| pod.to_uppercase()),
            from: self.at(from),
            ended: Some(Ended { at: self.at(until), revision: until }),
        });
        self
    }

    /// Answered every second by a process, from a second to another.
    fn heard(mut self, boot: &str, asked: i64, epoch: i64, from: u64, until: u64) -> Self {
        for second in from..until {
            let room = self.case.part.is_shared().then_some((epoch, 30 * second));
            let now = self.at(second);
            self.case.hear(asked, Answer { boot: boot.to_owned(), room }, now);
        }
        self
    }

    /// What is usual: published and heard there.
    fn played(self, pod: &str, epoch: i64, from: u64, until: u64) -> Self {
        self.on(pod, epoch, from, until).heard(&pod.to_uppercase(), epoch, epoch, from, until)
    }

    fn hit(mut self, pod: &str, second: u64) -> Self {
        self.hits.insert(pod.to_owned(), self.at(second));
        self
    }

    /// A pod was seen to end well.
    fn succeeded(mut self, pod: &str) -> Self {
        let seen = LastSeen { has_succeeded: true, words: "Succeeded".to_owned() };
        self.pods.insert(pod.to_owned(), seen);
        self
    }

    /// Its player has ended the match.
    fn told(mut self, epoch: i64, second: u64) -> Self {
        let now = self.at(second);
        self.case.told.insert(epoch, now);
        self
    }

    fn ends(mut self, phase: &str, reason: &str, recoveries: i32) -> Self {
        let now = "2026-01-01T00:00:00Z";
        let condition = |type_: &str| json!({ "type": type_, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now });
        let status = json!({
            "phase": phase, "recoveries": recoveries, "result": { "result": "duel" },
            "conditions": [condition(PLACED), condition(FINISHED)],
        });
        self.case.end = Some(serde_json::from_value(status).unwrap());
        self
    }

    fn finished(self) -> Self {
        let recoveries = i32::try_from(self.case.tenancies.len()).unwrap() - 1;
        self.ends("Finished", reason::COMPLETED, recoveries)
    }

    fn judged(self) -> Findings {
        judge_all(vec![self])
    }
}

/// Judges stories that were told from the same second.
fn judge_all(stories: Vec<Story>) -> Findings {
    let mut evidence = Evidence {
        cases: Vec::new(),
        hits: BTreeMap::new(),
        pods: BTreeMap::new(),
        doubled: Vec::new(),
        told_to_end: Vec::new(),
        until: stories[0].at(600),
    };
    for story in stories {
        evidence.hits.extend(story.hits);
        evidence.pods.extend(story.pods);
        evidence.cases.push(story.case);
    }
    judge(&evidence)
}

/// How many rooms were lost, doubled, and ended by us.
fn counts(findings: &Findings) -> (usize, usize, usize) {
    (findings.lost.len(), findings.doubled.len(), findings.ended_by_us.len())
}

fn is_clean(story: Story) {
    let findings = story.judged();
    assert!(findings.is_clean(), "{findings:#?}");
}

fn is_lost(story: Story) {
    assert_eq!(counts(&story.judged()), (1, 0, 0));
}

fn is_doubled(story: Story) {
    assert_eq!(counts(&story.judged()), (0, 1, 0));
}

fn is_ended_by_us(story: Story) {
    assert_eq!(counts(&story.judged()), (0, 0, 1));
}

#[test]
fn who_keeps_all_promises_is_found_clean() {
    is_clean(Story::shared(Recovery::Fail).played("a", 1, 0, 30).finished());
    is_clean(Story::plain(Recovery::Fail).played("a", 1, 0, 30).told(1, 30).finished());
    let hit = |story: Story| story.played("a", 1, 0, 10).hit("a", 9);
    is_clean(hit(Story::shared(Recovery::Restart)).played("b", 2, 12, 42).finished());
    is_clean(hit(Story::plain(Recovery::Restore)).played("b", 2, 12, 42).told(2, 42).finished());
    is_clean(hit(Story::shared(Recovery::Fail)).ends("Failed", reason::LOST, 0));
    is_clean(hit(Story::plain(Recovery::Fail)).ends("Failed", reason::LOST, 0));
}

#[test]
fn a_room_that_is_gone_or_never_ends_is_lost() {
    is_lost(Story::shared(Recovery::Fail).played("a", 1, 0, 30));
    is_lost(Story::shared(Recovery::Fail).ends("Pending", reason::NO_CAPACITY, 0));
    is_lost(Story::plain(Recovery::Restart).played("a", 1, 0, 9).hit("a", 9).ends(
        "Recovering",
        reason::SERVER_LOST,
        0,
    ));
    is_lost(Story::shared(Recovery::Fail).finished_unseen());
}

impl Story {
    /// Over without ever having been published.
    fn finished_unseen(self) -> Self {
        self.ends("Finished", reason::COMPLETED, 0)
    }
}

#[test]
fn a_room_that_does_not_do_as_its_recovery_says_is_lost() {
    let hit = |recovery| Story::shared(recovery).played("a", 1, 0, 10).hit("a", 9);
    is_lost(hit(Recovery::Restart).ends("Failed", reason::LOST, 0));
    is_lost(hit(Recovery::Fail).played("b", 2, 12, 42).finished());
    is_lost(hit(Recovery::Restart).ends("Failed", reason::UNCLAIMED, 0));
}

#[test]
fn a_room_without_its_result_is_lost() {
    let mut story = Story::shared(Recovery::Fail).played("a", 1, 0, 30).finished();
    story.case.end.as_mut().unwrap().result.clear();
    is_lost(story);
    let mut plain = Story::plain(Recovery::Fail).played("a", 1, 0, 30).told(1, 30).finished();
    plain.case.end.as_mut().unwrap().result.clear();
    is_clean(plain);
}

#[test]
fn a_room_that_is_finished_too_early_on_a_server_that_was_hit_is_lost() {
    is_lost(Story::shared(Recovery::Restart).played("a", 1, 0, 10).hit("a", 9).finished());
    // Its second match cannot have lasted since before the first was over.
    is_lost(
        Story::shared(Recovery::Restart)
            .played("a", 1, 0, 25)
            .hit("a", 25)
            .played("b", 2, 26, 40)
            .hit("b", 41)
            .finished(),
    );
}

#[test]
fn two_processes_that_answer_under_one_epoch_are_doubled() {
    is_doubled(
        Story::shared(Recovery::Fail)
            .on("a", 1, 0, 30)
            .heard("A", 1, 1, 0, 20)
            .heard("B", 1, 1, 20, 30)
            .finished(),
    );
    let story =
        Story::plain(Recovery::Fail).on("a", 1, 0, 30).heard("A", 1, 0, 0, 15).heard("B", 1, 0, 15, 30);
    is_doubled(story.told(1, 30).finished());
}

#[test]
fn an_answer_under_a_lower_epoch_than_is_published_is_doubled() {
    is_doubled(Story::shared(Recovery::Fail).on("a", 2, 0, 30).heard("A", 2, 1, 0, 30).finished());
    let back = Story::shared(Recovery::Fail).on("a", 1, 0, 30).heard("A", 1, 1, 0, 10);
    is_doubled(back.heard("B", 1, 2, 10, 20).heard("C", 1, 3, 20, 25).heard("B", 1, 2, 25, 30).finished());
}

#[test]
fn the_answers_of_a_server_that_was_hit_do_not_count() {
    let story = Story::shared(Recovery::Restart).played("a", 1, 0, 10).hit("a", 8);
    // Deleted by force, it runs on for a moment, and its successor has its port.
    is_clean(story.on("b", 2, 11, 41).heard("A", 2, 1, 11, 12).heard("B", 2, 2, 12, 41).finished());
    let story = Story::plain(Recovery::Restart).played("a", 1, 0, 10).hit("a", 8);
    // The status still names the port of a server that is dead, and another one has got it.
    is_clean(story.heard("C", 1, 0, 10, 11).played("b", 2, 12, 42).told(2, 42).finished());
}

#[test]
fn a_plain_server_that_two_rooms_have_is_doubled() {
    let one = Story::plain(Recovery::Fail).played("a", 1, 0, 30).told(1, 30).finished();
    let mut other = Story::plain(Recovery::Fail);
    other.case.part.name = "final".to_owned();
    let other = other.on("b", 2, 1, 31).heard("A", 2, 0, 1, 31).told(2, 31).finished();
    assert_eq!(counts(&judge_all(vec![one, other])), (0, 1, 0));
}

#[test]
fn a_match_that_leaves_a_server_which_was_not_hit_is_ended_by_us() {
    is_ended_by_us(Story::shared(Recovery::Restart).played("a", 1, 0, 10).played("b", 2, 12, 42).finished());
    is_ended_by_us(Story::shared(Recovery::Fail).played("a", 1, 0, 10).ends("Failed", reason::LOST, 0));
    // Hit when it was over.
    let late = Story::shared(Recovery::Restart).played("a", 1, 0, 10).hit("a", 11);
    is_ended_by_us(late.played("b", 2, 12, 42).finished());
}

#[test]
fn a_match_that_goes_on_in_its_process_under_a_higher_epoch_is_not_ended() {
    let story = Story::shared(Recovery::Restart).on("a", 1, 0, 10).on("a", 2, 10, 30).heard("A", 1, 1, 0, 10);
    let mut story = story.finished();
    story.case.tenancies[1].boot = Some("A".to_owned());
    for second in 10..30 {
        let (answer, now) = (Answer { boot: "A".to_owned(), room: Some((2, 30 * second)) }, story.at(second));
        story.case.hear(2, answer, now);
    }
    is_clean(story);
}

#[test]
fn a_match_that_is_finished_before_its_time_is_ended_by_us() {
    is_ended_by_us(Story::shared(Recovery::Fail).played("a", 1, 0, 20).finished());
    is_ended_by_us(Story::plain(Recovery::Fail).played("a", 1, 0, 20).finished());
}

#[test]
fn a_match_that_begins_anew_in_its_process_is_ended_by_us() {
    let mut story = Story::shared(Recovery::Fail).on("a", 1, 0, 40).heard("A", 1, 1, 0, 10);
    let (answer, now) = (Answer { boot: "A".to_owned(), room: Some((1, 5)) }, story.at(10));
    story.case.hear(1, answer, now);
    is_ended_by_us(story.heard("A", 1, 1, 11, 40).finished());
}

#[test]
fn a_match_that_nobody_answers_for_any_more_is_ended_by_us() {
    is_ended_by_us(Story::shared(Recovery::Fail).on("a", 1, 0, 45).heard("A", 1, 1, 0, 15).finished());
    is_ended_by_us(
        Story::plain(Recovery::Fail).on("a", 1, 0, 40).heard("A", 1, 0, 0, 15).told(1, 30).finished(),
    );
    // After its time it is quiet, until somebody takes down that it is over.
    is_clean(Story::shared(Recovery::Fail).on("a", 1, 0, 60).heard("A", 1, 1, 0, 30).finished());
    is_clean(Story::plain(Recovery::Fail).on("a", 1, 0, 60).heard("A", 1, 0, 0, 30).told(1, 30).finished());
    // Nor does a server that was hit answer.
    let hit = Story::shared(Recovery::Restart).on("a", 1, 0, 20).heard("A", 1, 1, 0, 5).hit("a", 5);
    is_clean(hit.played("b", 2, 21, 51).finished());
}

#[test]
fn a_room_that_is_said_to_run_and_not_where_is_homeless() {
    let mut story = Story::shared(Recovery::Fail).played("a", 1, 0, 30).finished();
    story.case.is_homeless = true;
    let findings = story.judged();
    assert!(findings.homeless.len() == 1 && !findings.is_clean());
}

#[test]
fn a_match_that_is_played_again_because_its_end_was_not_seen_is_told_of_and_breaks_no_promise() {
    let over = || Story::plain(Recovery::Restart).played("a", 1, 0, 30).told(1, 30);
    let again = |story: Story| story.played("b", 2, 33, 63).told(2, 63).finished();
    let findings = again(over().succeeded("a")).judged();
    assert!(findings.is_clean() && findings.unseen_ends.len() == 1, "{findings:#?}");
    is_ended_by_us(again(over()));
    is_ended_by_us(again(Story::plain(Recovery::Restart).played("a", 1, 0, 30).succeeded("a")));
    // One that is not played again fails.
    let over = || Story::plain(Recovery::Fail).played("a", 1, 0, 30).told(1, 30);
    let findings = over().succeeded("a").ends("Failed", reason::LOST, 0).judged();
    assert!(findings.is_clean() && findings.unseen_ends.len() == 1, "{findings:#?}");
    is_ended_by_us(over().ends("Failed", reason::LOST, 0));
    is_ended_by_us(Story::plain(Recovery::Fail).played("a", 1, 0, 30).succeeded("a").ends(
        "Failed",
        reason::LOST,
        0,
    ));
}

#[test]
fn what_the_referees_book_says_is_counted() {
    let story = Story::shared(Recovery::Fail).played("a", 1, 0, 30).finished();
    let foul = |room: &str| Foul { room: room.to_owned(), what: "seen".to_owned() };
    let evidence = Evidence {
        until: story.at(600),
        cases: vec![story.case],
        hits: BTreeMap::new(),
        pods: BTreeMap::new(),
        doubled: vec![foul("duel")],
        told_to_end: vec![foul("duel"), foul("final")],
    };
    assert_eq!(counts(&judge(&evidence)), (0, 1, 2));
}

#[test]
fn answers_in_a_row_are_noted_once() {
    let story = Story::shared(Recovery::Fail).heard("A", 1, 1, 0, 10).heard("B", 2, 2, 12, 14);
    let noted: Vec<_> = story.case.heard.iter().map(|it: &Heard| (it.boot.as_str(), it.answers)).collect();
    assert_eq!(noted, [("A", 10), ("B", 2)]);
}
