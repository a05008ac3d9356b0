//! Running programs: what they printed, or an error that says which program failed and why.

use std::ffi::OsStr;
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How much of a failed program's last words an error repeats.
const LAST_WORDS: usize = 2_000;

/// A program to run, ended with us should we give up waiting for it.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs `command` to its end and returns what it printed.
pub async fn output(command: &mut Command) -> Result<String> {
    let output = command.output().await.with_context(|| cannot_start(command))?;
    succeeded(command, output)
}

/// The same, given `input`.
pub async fn output_of_input(command: &mut Command, input: &[u8]) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    let mut stdin = child.stdin.take().context("no stdin to write to")?;
    // Both at once: a program that prints before it has read all would wait for us as we for it.
    let feed = async {
        // A program that ends before it has read all closes the pipe; its exit code tells why.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    succeeded(command, output.with_context(|| cannot_start(command))?)
}

/// Runs `command`, which prints to our stderr as it goes: for what takes long.
pub async fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(std::io::stderr()).status().await.with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("{} failed: {status}", line(command));
    }
    Ok(())
}

fn succeeded(command: &Command, output: Output) -> Result<String> {
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.trim();
        let from = words.floor_char_boundary(words.len().saturating_sub(LAST_WORDS));
        bail!("{} failed ({}): {}", line(command), output.status, words.get(from..).unwrap_or_default());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} did not print text", line(command)))
}

fn cannot_start(command: &Command) -> String {
    format!("cannot run {}", line(command))
}

/// The command as one would type it, shortened: an error message is not the place for a script.
fn line(command: &Command) -> String {
    const LONGEST: usize = 300;
    let command = command.as_std();
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    if line.len() > LONGEST {
        line.truncate(line.floor_char_boundary(LONGEST));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_tells_the_command_and_its_last_words() {
        let error =
            output(program("sh").args(["-c", "echo because >&2; exit 3"])).await.unwrap_err().to_string();
        assert!(
            error.contains("sh -c") && error.contains("exit status: 3") && error.contains("because"),
            "{error}"
        );
        let error = output(&mut program("/no/such/program")).await.unwrap_err().to_string();
        assert!(error.contains("/no/such/program"), "{error}");
    }

    #[tokio::test]
    async fn input_larger_than_a_pipe_comes_back_whole() {
        let input = "x".repeat(1 << 20);
        assert_eq!(output_of_input(&mut program("cat"), input.as_bytes()).await.unwrap(), input);
        output_of_input(&mut program("true"), input.as_bytes()).await.unwrap();
    }
}
