//! How far the search goes, and which rules are broken on purpose.

/// Rooms and servers that there may be at most; operators are two.
pub const ROOMS: usize = 2;
/// See [`ROOMS`].
pub const SERVERS: usize = 3;
/// See [`ROOMS`].
pub const OPERATORS: usize = 2;

/// The fence's time, in steps of the clock.
pub const FENCE: u8 = 2;

/// What may happen, and how often: a history ends when its time is over, and everything is tried within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Rooms, from 1 to [`ROOMS`].
    pub rooms: u8,
    /// Servers, from 2 to [`SERVERS`].
    pub servers: u8,
    /// Steps of the clock: each is half of the fence's time.
    pub steps: u8,
    /// Processes that die, servers and operators.
    pub crashes: u8,
    /// Messages that are lost, late or doubled: between operator and server, to and from the API server and the store.
    pub messages: u8,
    /// Processes that stand still for a while, servers and operators.
    pub pauses: u8,
    /// Servers that are cut off from operators and store for a while; their players may reach them.
    pub cuts: u8,
    /// Servers that are cut off from operators alone for a while: the store hears them.
    pub partings: u8,
    /// Others reach whoever is cut off, and operators know.
    pub is_reached: bool,
    /// Pods of servers out of reach that somebody deletes, although their processes run.
    pub deletions: u8,
    /// Servers that are found to hang and do not.
    pub alarms: u8,
    /// Matches that come to their end.
    pub ends: u8,
    /// Rooms are not placed yet when the history begins.
    pub is_fresh: bool,
    /// The search gives up at so many states.
    pub states: usize,
}

impl Bounds {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        rooms: 1,
        servers: 3,
        steps: 4,
        crashes: 0,
        messages: 0,
        pauses: 0,
        cuts: 0,
        partings: 0,
        is_reached: false,
        deletions: 0,
        alarms: 0,
        ends: 0,
        is_fresh: false,
        states: 50_000_000,
    };
}

/// A rule that is broken, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// None is.
    Kept,
    /// A server activates a room without asking the store.
    NoCompareAndSet,
    /// A new tenancy gets the epoch of the one before.
    EqualEpochs,
    /// A new leader leads under the term of the one before.
    RepeatedTerm,
    /// A new leader takes servers that it has not heard for empty ones, as soon as it has heard another.
    UnheardIsAbsent,
    /// A server ticks on whoever has not been heard.
    NoFreeze,
    /// A loop that stood still ticks on without asking the store.
    NoQuestion,
    /// A new owner does not wait for one that may still be alive.
    NoFence,
    /// After a proven loss nobody waits for a server that was sent the room since and did not answer.
    UnansweredIsRefused,
    /// A new leader closes a later owner that nobody was told of, because the published server answers.
    PublishedWins,
    /// A room is taken from an owner that others reach after hardly any silence.
    NoSilence,
}

/// Every rule, by its name.
pub const RULES: [(&str, Rule); 11] = [
    ("Kept", Rule::Kept),
    ("NoCompareAndSet", Rule::NoCompareAndSet),
    ("EqualEpochs", Rule::EqualEpochs),
    ("RepeatedTerm", Rule::RepeatedTerm),
    ("UnheardIsAbsent", Rule::UnheardIsAbsent),
    ("NoFreeze", Rule::NoFreeze),
    ("NoQuestion", Rule::NoQuestion),
    ("NoFence", Rule::NoFence),
    ("UnansweredIsRefused", Rule::UnansweredIsRefused),
    ("PublishedWins", Rule::PublishedWins),
    ("NoSilence", Rule::NoSilence),
];

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = RULES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, rule)| *rule)
            .ok_or_else(|| format!("one of {}", RULES.map(|(name, _)| name).join(", ")))
    }
}
