//! Every rule of the definitions, asked of a real API server.

use anyhow::{Context as _, Result, bail, ensure};
use e2e::paths;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gamekeeper_crds::examples::{Example, examples};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use crate::support::{Arena, together};

/// Examples at a time.
const AT_ONCE: usize = 8;

#[tokio::test]
async fn every_rule_accepts_and_refuses_its_examples() -> Result<()> {
    together("rules", async |arena| {
        let all = examples();
        ensure!(!all.is_empty(), "there are no examples");
        let checks = all.iter().enumerate().map(|(number, example)| async move {
            let shown = show(arena, number, example).await;
            shown.with_context(|| format!("the example of {:?}: {:?}", example.kind, example.says))
        });
        stream::iter(checks).buffer_unordered(AT_ONCE).try_collect().await
    })
    .await
}

#[tokio::test]
async fn the_definitions_are_applied_plainly() -> Result<()> {
    together("definitions", async |arena| {
        for kind in ["gamefleets", "gamerooms"] {
            let file = paths::repository().join(format!("crds/{kind}.gamekeeper.dev.yaml"));
            let file = file.display().to_string();
            // Not by server-side apply: then the whole definition must fit into an annotation.
            let applied =
                arena.namespace().kubectl(&["apply", "--dry-run=server", "--filename", &file]).await?;
            ensure!(applied.contains("(server dry run)"), "{applied}");
        }
        Ok(())
    })
    .await
}

async fn show(arena: &Arena, number: usize, example: &Example) -> Result<()> {
    let url = format!(
        "/apis/gamekeeper.dev/v1alpha1/namespaces/{}/{}s",
        arena.namespace().name(),
        example.kind.to_lowercase()
    );
    let server = Server { client: arena.namespace().client(), url };
    match &example.before {
        None => {
            judge(example, &example.accepted, server.create(&example.accepted).await)?;
            judge(example, &example.refused, server.create(&example.refused).await)
        }
        Some(before) => {
            let name = format!("rule-{number}");
            server.make(&name, before).await.context("make the object before")?;
            judge(example, &example.accepted, server.change(&name, &example.accepted).await)?;
            judge(example, &example.refused, server.change(&name, &example.refused).await)
        }
    }
}

fn judge(example: &Example, object: &Value, answer: kube::Result<Value>) -> Result<()> {
    let is_accepted = *object == example.accepted;
    match answer {
        Ok(_) if is_accepted => Ok(()),
        Err(kube::Error::Api(status)) if !is_accepted && status.message.contains(&example.says) => Ok(()),
        Ok(_) => bail!("accepted: {object}"),
        Err(error) => bail!("refused otherwise than expected: {error}: {object}"),
    }
}

/// The objects of a kind; but for `make`, nothing is stored.
struct Server {
    client: Client,
    url: String,
}

impl Server {
    async fn create(&self, object: &Value) -> kube::Result<Value> {
        self.send(Method::POST, "?dryRun=All&fieldValidation=Strict", "json", object).await
    }

    async fn make(&self, name: &str, object: &Value) -> kube::Result<Value> {
        let mut object = object.clone();
        json_patch::merge(&mut object, &json!({ "metadata": { "name": name } }));
        self.send(Method::POST, "", "json", &object).await?;
        let patch = parts(&object);
        self.send(Method::PATCH, &format!("/{name}/status"), "json-patch+json", &patch).await
    }

    /// The operator writes too, so the change names what it changes and no version.
    async fn change(&self, name: &str, object: &Value) -> kube::Result<Value> {
        let of_status = if object.get("status").is_some() { "/status" } else { "" };
        let path = format!("/{name}{of_status}?dryRun=All&fieldValidation=Strict");
        self.send(Method::PATCH, &path, "json-patch+json", &parts(object)).await
    }

    async fn send(&self, method: Method, path: &str, content: &str, body: &Value) -> kube::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Content-Type", format!("application/{content}"))
            .body(body.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }
}

/// Spec and status of an object as a JSON patch.
fn parts(object: &Value) -> Value {
    let part =
        |name: &str| Some(json!({ "op": "add", "path": format!("/{name}"), "value": object.get(name)? }));
    ["spec", "status"].into_iter().filter_map(part).collect()
}
