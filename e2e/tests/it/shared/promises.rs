//! A real API server keeps what the one in memory keeps: the same checks, asked of both.

use anyhow::{Result, anyhow};
use e2e::testenv;
use gamekeeper_testkit::promises;

#[tokio::test]
async fn a_real_api_server_keeps_the_promises_of_the_one_in_memory() -> Result<()> {
    testenv::scenario("promises", async |namespace| {
        let kept = promises::check(&namespace.client(), namespace.name()).await;
        kept.map(drop).map_err(|broken| anyhow!("not kept: {broken:#?}"))
    })
    .await
}
