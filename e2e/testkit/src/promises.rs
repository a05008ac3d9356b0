//! What operators lean on in an API server, as checks that run against any: the one in memory in
//! this crate's tests, and a real one in the end-to-end tests. So the fake is not trusted blindly.

use kube::{
    Api, Client,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
    },
};
use serde_json::{Value, json};

/// A check, by the promise it shows.
type Outcome = Result<(), String>;

/// Runs every check with `client` in `namespace`, which must exist and be empty.
///
/// # Errors
///
/// Every promise that was not kept.
pub async fn check(client: &Client, namespace: &str) -> Result<usize, Vec<String>> {
    let desk = Desk { client: client.clone(), namespace: namespace.to_owned() };
    let outcomes = [
        ("an old resourceVersion is refused in a PUT", desk.stale_put().await),
        ("an old resourceVersion or another uid is refused in a merge patch", desk.stale_patch().await),
        ("a deletion keeps its preconditions", desk.preconditions().await),
        ("a status write changes nothing else, and a write never the status", desk.status_apart().await),
        ("a generation counts changes of the spec only", desk.generation().await),
        ("a second create is refused as already existing", desk.already_exists().await),
        ("a write that changes nothing makes no new version", desk.no_op().await),
        ("an applied object is made if it is missing, and fields of others stay", desk.apply().await),
        ("a dry run makes nothing", desk.dry_run().await),
        ("a list goes by labels and in pages", desk.pages().await),
        ("an epoch never falls, and a match that is over stays over", desk.rules().await),
        ("a generated name begins with what was asked and is new every time", desk.generated_names().await),
    ];
    let count = outcomes.len();
    let broken: Vec<String> =
        outcomes.into_iter().filter_map(|(what, it)| Some(format!("{what}: {}", it.err()?))).collect();
    if broken.is_empty() { Ok(count) } else { Err(broken) }
}

struct Desk {
    client: Client,
    namespace: String,
}

impl Desk {
    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version, plural) = match kind {
            "Pod" => ("", "v1", "pods"),
            "ConfigMap" => ("", "v1", "configmaps"),
            "Lease" => ("coordination.k8s.io", "v1", "leases"),
            _ => ("gamekeeper.dev", "v1alpha1", "gamerooms"),
        };
        let gvk = kube::core::GroupVersionKind::gvk(group, version, kind);
        Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &ApiResource::from_gvk_with_plural(&gvk, plural),
        )
    }

    async fn create(&self, kind: &str, object: Value) -> Result<DynamicObject, String> {
        let object = serde_json::from_value(object).map_err(|it| it.to_string())?;
        self.api(kind).create(&PostParams::default(), &object).await.map_err(|it| it.to_string())
    }

    async fn room(&self, name: &str) -> Result<DynamicObject, String> {
        self.create(
            "GameRoom",
            json!({
                "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
                "metadata": { "name": name, "labels": { "suite": "promises" } },
                "spec": { "fleetName": "arena" },
            }),
        )
        .await
    }

    async fn merge(&self, name: &str, patch: Value) -> kube::Result<DynamicObject> {
        self.api("GameRoom").patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
    }

    async fn merge_status(&self, name: &str, patch: Value) -> kube::Result<DynamicObject> {
        self.api("GameRoom").patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await
    }

    async fn stale_put(&self) -> Outcome {
        let old = self.room("stale-put").await?;
        self.merge("stale-put", json!({ "spec": { "priority": 1 } })).await.map_err(|it| it.to_string())?;
        let answer = self.api("GameRoom").replace("stale-put", &PostParams::default(), &old).await;
        expect(matches!(&answer, Err(kube::Error::Api(status)) if status.is_conflict()), &answer)
    }

    async fn stale_patch(&self) -> Outcome {
        let old = self.room("stale-patch").await?;
        self.merge("stale-patch", json!({ "spec": { "priority": 1 } })).await.map_err(|it| it.to_string())?;
        let stale = json!({ "resourceVersion": old.metadata.resource_version });
        let answer = self.merge("stale-patch", json!({ "metadata": stale, "spec": { "priority": 2 } })).await;
        expect(matches!(&answer, Err(kube::Error::Api(status)) if status.is_conflict()), &answer)?;
        let another = json!({ "metadata": { "uid": "another" }, "spec": { "priority": 2 } });
        let answer = self.merge("stale-patch", another).await;
        // A real server says Invalid for custom resources and Conflict for its own kinds.
        let is_refused = |status: &kube::core::Status| status.is_conflict() || status.is_invalid();
        expect(matches!(&answer, Err(kube::Error::Api(status)) if is_refused(status)), &answer)?;
        Ok(())
    }

    async fn preconditions(&self) -> Outcome {
        let old = self.room("preconditions").await?;
        let new = self
            .merge("preconditions", json!({ "spec": { "priority": 1 } }))
            .await
            .map_err(|it| it.to_string())?;
        let delete = async |uid: Option<String>, version: Option<String>| {
            let preconditions = Some(Preconditions { uid, resource_version: version });
            let params = DeleteParams { preconditions, ..DeleteParams::default() };
            self.api("GameRoom").delete("preconditions", &params).await
        };
        for (uid, version) in [(Some("another".into()), None), (None, old.metadata.resource_version)] {
            let answer = delete(uid, version).await;
            expect(matches!(&answer, Err(kube::Error::Api(status)) if status.is_conflict()), &answer)?;
        }
        let answer = delete(new.metadata.uid, new.metadata.resource_version).await;
        expect(answer.is_ok(), &answer)
    }

    async fn status_apart(&self) -> Outcome {
        self.room("status-apart").await?;
        let patch = json!({ "spec": { "priority": 9 }, "status": { "phase": "Running" } });
        let after = self.merge_status("status-apart", patch).await.map_err(|it| it.to_string())?;
        expect(after.data["spec"]["priority"] != 9 && after.data["status"]["phase"] == "Running", &after)?;
        let patch = json!({ "spec": { "priority": 7 }, "status": { "phase": "Failed" } });
        let after = self.merge("status-apart", patch).await.map_err(|it| it.to_string())?;
        expect(after.data["spec"]["priority"] == 7 && after.data["status"]["phase"] == "Running", &after)
    }

    async fn generation(&self) -> Outcome {
        let first = self.room("generation").await?;
        let patch = json!({ "metadata": { "labels": { "a": "b" } } });
        let labelled = self.merge("generation", patch).await.map_err(|it| it.to_string())?;
        let patch = json!({ "status": { "phase": "Pending" } });
        let reported = self.merge_status("generation", patch).await.map_err(|it| it.to_string())?;
        let patch = json!({ "spec": { "priority": 3 } });
        let changed = self.merge("generation", patch).await.map_err(|it| it.to_string())?;
        let generations = [first, labelled, reported, changed].map(|it| it.metadata.generation);
        expect(generations == [Some(1), Some(1), Some(1), Some(2)], &generations)
    }

    async fn already_exists(&self) -> Outcome {
        self.room("twice").await?;
        let again = serde_json::from_value(json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
            "metadata": { "name": "twice" }, "spec": { "fleetName": "arena" },
        }));
        let again: DynamicObject = again.map_err(|it: serde_json::Error| it.to_string())?;
        let answer = self.api("GameRoom").create(&PostParams::default(), &again).await;
        expect(matches!(&answer, Err(kube::Error::Api(status)) if status.is_already_exists()), &answer)
    }

    async fn no_op(&self) -> Outcome {
        let first = self.room("no-op").await?;
        let same = self
            .merge("no-op", json!({ "spec": { "fleetName": "arena" } }))
            .await
            .map_err(|it| it.to_string())?;
        let versions = [first.metadata.resource_version, same.metadata.resource_version];
        expect(versions[0] == versions[1], &versions)
    }

    async fn apply(&self) -> Outcome {
        let params = |manager: &str| PatchParams::apply(manager).force();
        let map = |key: &str| {
            Patch::Apply(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "applied" }, "data": { key: "x" },
            }))
        };
        let maps = self.api("ConfigMap");
        maps.patch("applied", &params("one"), &map("one")).await.map_err(|it| it.to_string())?;
        let both = maps.patch("applied", &params("two"), &map("two")).await.map_err(|it| it.to_string())?;
        expect(both.data["data"] == json!({ "one": "x", "two": "x" }), &both)
    }

    async fn dry_run(&self) -> Outcome {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "generateName": "dry-" },
            "spec": { "containers": [{ "name": "server", "image": "none" }] },
        });
        let pod: DynamicObject = serde_json::from_value(pod).map_err(|it| it.to_string())?;
        let params = PostParams { dry_run: true, ..PostParams::default() };
        let answer = self.api("Pod").create(&params, &pod).await;
        expect(answer.is_ok(), &answer)?;
        let pods = self.api("Pod").list(&ListParams::default()).await.map_err(|it| it.to_string())?;
        expect(pods.items.is_empty(), &pods.items.len())
    }

    async fn pages(&self) -> Outcome {
        for index in 0..3 {
            self.room(&format!("page-{index}")).await?;
            let patch = json!({ "metadata": { "labels": { "page": "yes" } } });
            self.merge(&format!("page-{index}"), patch).await.map_err(|it| it.to_string())?;
        }
        let params = ListParams::default().labels("page=yes").limit(2);
        let first = self.api("GameRoom").list(&params).await.map_err(|it| it.to_string())?;
        let token = first.metadata.continue_.clone().unwrap_or_default();
        let second =
            self.api("GameRoom").list(&params.continue_token(&token)).await.map_err(|it| it.to_string())?;
        expect((first.items.len(), second.items.len()) == (2, 1), &(first.items.len(), second.items.len()))
    }

    async fn rules(&self) -> Outcome {
        self.room("rules").await?;
        let status = async |phase: &str, epoch: i64| {
            self.merge_status("rules", json!({ "status": { "phase": phase, "epoch": epoch } })).await
        };
        let answer = status("Running", 5).await;
        expect(answer.is_ok(), &answer)?;
        let answer = status("Running", 4).await;
        expect(matches!(&answer, Err(kube::Error::Api(status)) if status.is_invalid()), &answer)?;
        let answer = status("Finished", 5).await;
        expect(answer.is_ok(), &answer)?;
        let answer = status("Running", 6).await;
        expect(matches!(&answer, Err(kube::Error::Api(status)) if status.is_invalid()), &answer)
    }

    async fn generated_names(&self) -> Outcome {
        let map =
            || json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "generateName": "made-" } });
        let names = [self.create("ConfigMap", map()).await?, self.create("ConfigMap", map()).await?];
        let names = names.map(|it| it.metadata.name.unwrap_or_default());
        expect(names[0] != names[1] && names.iter().all(|it| it.starts_with("made-")), &names)
    }
}

fn expect(holds: bool, found: &impl std::fmt::Debug) -> Outcome {
    if holds { Ok(()) } else { Err(format!("found {found:?}")) }
}
