//! The links to all controlled servers.

use std::{collections::HashMap, sync::Arc};

use gamekeeper_control::ToServer;
use tokio::{
    sync::{Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
};

use super::{
    connector::Connector,
    link::{COMMANDS_MAX, Common, Heard, Link, Order, Report, Target},
};

/// Servers dialled at once.
const DIALS_MAX: usize = 64;

/// Reports that wait for the operator's main loop. When it is full, links slow down.
const REPORTS_MAX: usize = 4096;

/// Keeps a link to every server that it was told of.
pub struct Links {
    tasks: JoinSet<()>,
    lines: HashMap<String, Line>,
    common: Common,
}

struct Line {
    target: Target,
    orders: mpsc::Sender<Order>,
    task: AbortHandle,
}

/// There is no link to the server, or it does not take commands.
#[derive(Debug, thiserror::Error)]
#[error("there is no link to the server, or it takes no commands")]
pub struct NoLink;

impl Links {
    /// Links of the leadership with this term, and where their reports come out.
    pub fn new(connector: Connector, term: u32, identity: &str) -> (Self, mpsc::Receiver<Report>) {
        let (reports, receiver) = mpsc::channel(REPORTS_MAX);
        let common = Common {
            connector,
            term,
            identity: identity.to_owned(),
            dials: Arc::new(Semaphore::new(DIALS_MAX)),
            reports,
            heard: Heard::new(),
        };
        (Self { tasks: JoinSet::new(), lines: HashMap::new(), common }, receiver)
    }

    /// When a beat with progress came last, of any server.
    pub fn heard(&self) -> Option<tokio::time::Instant> {
        self.common.heard.last()
    }

    /// Whom the link to the server `uid` is to, if there is one or one is being made.
    pub fn target(&self, uid: &str) -> Option<&Target> {
        self.lines.get(uid).map(|it| &it.target)
    }

    /// Links to the server `uid` from now on. Returns whether a link to another target has ended for it.
    pub fn watch(&mut self, uid: &str, target: Target) -> bool {
        if self.lines.get(uid).is_some_and(|it| it.target == target) {
            return false;
        }
        let is_replaced = self.forget(uid);
        self.begin(uid, target);
        is_replaced
    }

    fn begin(&mut self, uid: &str, target: Target) {
        while self.tasks.try_join_next().is_some() {}
        let (orders, commands) = mpsc::channel(COMMANDS_MAX);
        let link = Link { uid: uid.to_owned(), target: target.clone(), common: self.common.clone() };
        let task = self.tasks.spawn(link.keep(commands));
        self.lines.insert(uid.to_owned(), Line { target, orders, task });
    }

    /// Ends the link to the server `uid`. Returns whether there was one.
    pub fn forget(&mut self, uid: &str) -> bool {
        let line = self.lines.remove(uid);
        if let Some(line) = &line {
            line.task.abort();
        }
        line.is_some()
    }

    /// Sends a command to the server `uid`.
    pub fn send(&self, uid: &str, command: ToServer) -> Result<(), NoLink> {
        self.order(uid, Order::Send(command))
    }

    /// Greets the server `uid` anew, after what was ordered before.
    pub fn greet(&self, uid: &str) -> Result<(), NoLink> {
        self.order(uid, Order::Greet)
    }

    /// Begins the link to the server `uid` anew, whatever it is doing.
    pub fn renew(&mut self, uid: &str) {
        if let Some(line) = self.lines.remove(uid) {
            line.task.abort();
            self.begin(uid, line.target);
        }
    }

    fn order(&self, uid: &str, order: Order) -> Result<(), NoLink> {
        self.lines.get(uid).and_then(|it| it.orders.try_send(order).ok()).ok_or(NoLink)
    }
}
