//! The server in memory keeps what a real one keeps; the end-to-end tests ask the real one the same.

use gamekeeper_testkit::{FakeApi, promises};

#[tokio::test(start_paused = true)]
async fn the_server_in_memory_keeps_the_promises_of_a_real_one() {
    let api = FakeApi::new(1);
    promises::check(&api.client(), "games").await.unwrap();
}
