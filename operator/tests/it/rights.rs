//! The chart grants what the operator uses: no less, so that it works, and no more, so that it can
//! do no more harm than it must.

use std::{collections::BTreeSet, time::Duration};

use gamekeeper_crds::{conditions::reason, room::Phase};
use gamekeeper_testkit::ClientOptions;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{NAMESPACE, Stage};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/gamekeeper/templates/_rules.tpl");

/// Group, resource with subresource, verb.
type Right = (String, String, String);

/// The rights in the chart's template, of all three scopes together.
fn granted() -> BTreeSet<Right> {
    let text = std::fs::read_to_string(RULES).unwrap();
    let mut is_comment = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        is_comment |= line.starts_with("{{/*");
        if is_comment {
            is_comment = !line.ends_with("*/}}");
        } else if !line.starts_with("{{") {
            // The name of the Lease.
            lines.push(if line.contains("{{") { "  resourceNames: [lease]" } else { line });
        }
    }
    let scopes: Value = serde_yaml::from_str(&lines.join("\n")).unwrap();
    let mut granted = BTreeSet::new();
    for scope in ["cluster", "own", "watched"] {
        for rule in scopes[scope].as_array().unwrap() {
            let list = |field: &str| -> Vec<String> {
                let list = rule[field].as_array().unwrap_or_else(|| panic!("{field} of {rule}"));
                list.iter().map(|it| it.as_str().unwrap().to_owned()).collect()
            };
            for group in list("apiGroups") {
                for resource in list("resources") {
                    let rights = list("verbs").into_iter().map(|it| (group.clone(), resource.clone(), it));
                    granted.extend(rights);
                }
            }
        }
    }
    granted
}

/// All that an operator ever does.
async fn everything(stage: &Stage) {
    let first = stage.operator("operator-1");
    let spec = json!({ "replicas": 3, "revisionHistoryLimit": 1 });
    stage.create_fleet("arena", json!({ "spec": spec })).await;
    stage.eventually("the fleet is up", |it| it.ready("arena") == 3).await;

    // A room that is finished, and deleted by the operator after its time.
    stage.create_room("brief", json!({ "spec": { "ttlSecondsAfterFinished": 1 } })).await;
    stage.eventually("it is played", |it| it.is_played("brief")).await;
    stage.cluster.exit(NAMESPACE, &stage.server_of("brief").unwrap(), 0);
    stage.eventually("it is forgotten", |it| it.room("brief").is_none()).await;
    // One that is deleted by its maker: is it really gone?
    stage.play("duel").await;
    stage.delete_room("duel").await;
    // One that loses its server, and is told so.
    let server = stage.play("lasting").await;
    stage.cluster.kill(NAMESPACE, &server);
    stage.eventually("its loss is told", |it| it.event("lasting", reason::SERVER_LOST).is_some()).await;
    stage.eventually("it is played again", |it| it.is_played("lasting")).await;

    // Rollouts, beyond the history's limit; one of them crashes.
    for build in ["2", "3", "4"] {
        let label = json!({ "spec": { "template": { "metadata": { "labels": { "build": build } } } } });
        stage.patch_fleet("arena", label).await;
        stage
            .eventually("it is rolled out", |it| {
                it.fleet("arena").unwrap().status.unwrap().updated_replicas == 3
            })
            .await;
    }
    let image = |image: &str| json!({ "spec": { "template": { "spec": { "containers": [{ "name": "server", "image": image }] } } } });
    stage.patch_fleet("arena", image("crash")).await;
    stage.eventually("it is told", |it| it.event("arena", reason::CRASH_LOOP).is_some()).await;
    stage.patch_fleet("arena", image("arena")).await;
    stage.eventually("it is mended", |it| it.ready("arena") == 3).await;
    // Somebody weakens the disruption budget.
    let budget = ("policy", "poddisruptionbudgets");
    assert!(
        stage.api.edit(budget.0, budget.1, NAMESPACE, "arena", |it| it["spec"]["minAvailable"] = json!(1))
    );
    stage
        .eventually("it is mended", |it| {
            let budget = it.api.object(budget.0, budget.1, NAMESPACE, "arena").unwrap();
            budget["spec"]["minAvailable"] == i32::MAX
        })
        .await;

    // A second release looks again and again whether the first is still there.
    let second = ClientOptions::faulty("operator-of-another-release");
    let second = stage.operator_with(&second, "default=7000-7099", "another-lease");
    sleep(Duration::from_mins(1)).await;
    second.stop().await;

    // A pod vanishes while nobody looks: is it really gone?
    let server = stage.server_of("lasting").unwrap();
    first.stop().await;
    assert!(stage.api.erase("", "pods", NAMESPACE, &server));
    let _third = stage.operator("operator-3");
    stage
        .eventually("it is played again", |it| {
            it.phase("lasting") == Some(Phase::Running) && it.server_of("lasting") != Some(server.clone())
        })
        .await;
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 0 } })).await;
    stage.eventually("only the match is left", |it| it.pods().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_chart_grants_exactly_the_rights_that_the_operator_uses() {
    let stage = Stage::new(301);
    everything(&stage).await;
    // What was applied by server-side apply and did not exist counts as `create` too, as on a real server.
    let used = stage.api.verbs_used("operator");
    let granted = granted();
    let missing: Vec<&Right> = used.difference(&granted).collect();
    assert!(missing.is_empty(), "used and not granted: {missing:?}");
    let surplus: Vec<&Right> = granted.difference(&used).collect();
    assert!(surplus.is_empty(), "granted and not used: {surplus:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_what_the_operator_does_needs_more_than_the_chart_grants_it_in_each_scope() {
    let stage = Stage::new(302);
    everything(&stage).await;
    for entry in stage.api.log().iter().filter(|it| it.client.starts_with("operator")) {
        // `own`: one Lease in the release's namespace; `cluster`: nodes and reading others' Leases.
        let is_write = entry.verb.is_write();
        match entry.resource.as_str() {
            "nodes" => assert!(!is_write, "{entry}"),
            "leases" => {
                let own =
                    if entry.client.contains("another") { "another-lease" } else { "gamekeeper-operator" };
                let is_own = entry.namespace == "gamekeeper-system" && entry.name == own;
                assert!(is_own || !is_write, "{entry}");
            }
            _ => assert!(!is_write || entry.namespace == NAMESPACE, "{entry}"),
        }
    }
}
