//! A player who follows its room from one server to another.

use std::time::Duration;

use gamekeeper_client::{Credentials, Event, Player, Stay, endpoint};
use gamekeeper_player::frame::Redirect;
use tokio::time::timeout;

use crate::support::{SOON, Server, joined, until};

#[tokio::test]
async fn a_player_follows_its_room_with_the_same_secret_and_loses_no_input() {
    timeout(SOON, follow()).await.expect("it takes a moment");
}

async fn follow() {
    let (old, new) = (Server::new(5), Server::new(6));
    let stay = Stay::new("duel", Credentials::Open("ann".to_owned()));
    let mut ann = Player::join(endpoint().unwrap(), stay, old.place());
    let (mut here, epoch) = tokio::join!(old.admit(0), until(&mut ann, joined));
    assert_eq!(epoch, 5);
    ann.input(b"one").unwrap();
    assert_eq!(here.inputs().await, [(1, b"one".to_vec())]);

    let deadline = Duration::from_secs(10);
    let redirect = Redirect { room: "uid-of-duel".to_owned(), epoch: 6, place: new.place(), deadline };
    here.session.redirect(redirect, here.start.elapsed()).unwrap();
    here.flush().await;
    let (mut there, epoch) = tokio::join!(new.admit(1), until(&mut ann, joined));
    assert_eq!((epoch, there.secret), (6, here.secret));
    ann.input(b"two").unwrap();
    assert_eq!(there.inputs().await, [(2, b"two".to_vec())]);
    there.show(101, b"moved");
    until(&mut ann, |event| matches!(event, Event::Shown { tick: 101 }).then_some(())).await;
    assert_eq!(ann.shown(), b"moved");
    assert_eq!(ann.statistics().losses, 0);
}
