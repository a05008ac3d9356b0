//! What a failed scenario leaves to read: objects, events and logs.

use crate::chart;
use crate::progress::say;

use super::Namespace;

/// Lines of one section; a scenario may have hundreds of objects.
const LINES: usize = 400;

/// How far back the operator's log is searched for the namespace.
const LOG_TAIL: &str = "--tail=20000";

/// Prints what is in a namespace and what the operator says of it. Best effort: the failure itself is told elsewhere.
pub(super) async fn report(namespace: &Namespace) {
    let name = namespace.name();
    let kinds = "gamefleets,gamerooms,pods";
    let sections: [(&str, &[&str]); 4] = [
        ("objects", &["get", kinds, "--output=wide"]),
        ("objects in full", &["get", kinds, "--output=yaml"]),
        ("events", &["get", "events", "--sort-by=.metadata.creationTimestamp"]),
        (
            "pods say",
            &[
                "logs",
                "--selector=!none",
                "--all-containers",
                "--prefix",
                "--tail=20",
                "--max-log-requests=50",
            ],
        ),
    ];
    for (what, arguments) in sections {
        print(&format!("{name}: {what}"), namespace.kubectl(arguments).await, |_| true);
    }
    // What other scenarios left behind may be why.
    let all = ["get", "nodes,pods,gamerooms", "--all-namespaces", "--output=wide"];
    print(&format!("{name}: everywhere"), namespace.env().kubectl().run(&all).await, |_| true);
    let selector = format!("--selector=app.kubernetes.io/instance={}", chart::RELEASE);
    let logs = ["logs", &selector, "--all-containers", "--prefix", LOG_TAIL];
    let logs = namespace.env().kubectl().in_namespace(chart::NAMESPACE).run(&logs).await;
    let concerns_us = |line: &str| line.contains(name) || line.contains("ERROR") || line.contains("panicked");
    print(&format!("{name}: the operator says"), logs, concerns_us);
}

/// Prints the last lines of a text that are worth it, or why there is none.
fn print(title: &str, text: anyhow::Result<String>, is_worth_it: impl Fn(&str) -> bool) {
    say(&format!("──── {title}"));
    let text = text.unwrap_or_else(|error| format!("{error:#}"));
    let lines: Vec<_> = text.lines().filter(|line| is_worth_it(line)).collect();
    let left_out = lines.len().saturating_sub(LINES);
    if left_out > 0 {
        say(&format!("… {left_out} lines before these"));
    }
    lines.iter().skip(left_out).for_each(|line| say(line));
}
