//! The process as its supervisor sees it: exit codes, and errors that say what to do.

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gamekeeper-operator"));
    command.env_clear().env("HOME", "/nonexistent").args(args);
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_command_line_ends_with_2_and_says_what_is_wrong() {
    let base = ["run", "--identity", "a", "--namespace", "b"];
    for (more, message) in [
        (&["--host-port-range", "default=9-1"][..], "FROM must not be above TO"),
        (&["--admin-address", "nowhere"][..], "invalid socket address"),
        (&["--log-format", "xml"][..], "[possible values: json, text]"),
    ] {
        let output = run(&[&base[..], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains(message), "{}", told(&output));
    }
    assert!(told(&run(&["run"])).contains("--identity"));
}

#[test]
fn without_a_cluster_it_ends_with_1_and_says_so() {
    let output = run(&["run", "--identity", "a", "--namespace", "b", "--admin-address", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("no way to reach a cluster"), "{}", told(&output));
}

#[test]
fn a_bad_log_filter_ends_with_1_and_says_so() {
    let output = run(&["run", "--identity", "a", "--namespace", "b", "--log", "loud=very=much"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("the log filter is not valid"), "{}", told(&output));
}

#[test]
fn the_definitions_can_be_had_from_the_binary() {
    let output = run(&["crds"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("name: gamefleets.gamekeeper.dev") && text.contains("name: gamerooms.gamekeeper.dev")
    );
}
