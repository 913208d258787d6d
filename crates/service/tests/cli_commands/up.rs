//! `up`: what it prints works as it stands, it stops in time, and the next one goes on.

use orders_proof::world::untested;

use crate::desk::{Said, number, program, run};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A data folder that PostgreSQL's user can reach, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!(
            "atomic-orders-cli-{}-{}",
            std::process::id(),
            number()
        )))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in the temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn typed(folder: &Path, args: &[&str]) -> Command {
    let mut command = program();
    command.args(args).env("ORDERS_DATA_DIR", folder);
    command
}

async fn types(folder: &Path, args: &[&str]) -> Said {
    run(typed(folder, args)).await
}

/// A running `up` and everything that it printed at its start.
struct Up {
    child: Child,
    rest: Lines<BufReader<ChildStdout>>,
    printed: String,
}

impl Up {
    async fn start(folder: &Path, more: &[&str]) -> Self {
        let mut command = typed(folder, &["up", "--listen", "127.0.0.1:0", "--sandbox-port", "0"]);
        command.args(more).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = String::new();
        while !printed.contains("Ctrl-C stops everything") {
            let line =
                tokio::time::timeout(Duration::from_mins(1), rest.next_line()).await.unwrap();
            let line = line.unwrap().unwrap_or_else(|| panic!("it ended: {printed}"));
            printed.push_str(&line);
            printed.push('\n');
        }
        Self { child, rest, printed }
    }

    fn after(&self, words: &str) -> &str {
        let at = self.printed.find(words).unwrap_or_else(|| panic!("{words}: {}", self.printed));
        self.printed[at + words.len()..].lines().next().unwrap()
    }

    /// The commands between two headings, as somebody would copy them.
    fn commands(&self) -> String {
        let (_, from) = self.printed.split_once("Place an order:\n").unwrap();
        let (commands, _) = from.split_once("The same from supabase-js").unwrap();
        commands.split_inclusive('\n').filter(|line| !line.ends_with(":\n")).collect()
    }

    async fn stop(mut self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        let begun = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let status = tokio::time::timeout(Duration::from_secs(25), self.child.wait()).await;
        assert!(
            matches!(&status, Ok(Ok(status)) if status.success()),
            "{status:?} after {:?}",
            begun.elapsed()
        );
        let mut last = String::new();
        while let Some(line) = self.rest.next_line().await.unwrap() {
            last = line;
        }
        assert!(last.starts_with("Stopped."), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_commands_place_pay_and_watch_an_order() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        return untested::because("curl is missing, so nobody typed what up prints");
    }
    let folder = Folder::new();
    let up = Up::start(&folder.0, &[]).await;
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &up.commands()]).kill_on_drop(true);
    let said = run(shell).await.ends(0);
    let mut lines = said.out.lines();
    let id = lines.next().unwrap().to_owned();
    let attached: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(attached["success"], Value::Bool(true), "{said:?}");
    assert_eq!(lines.next_back(), Some("\"status\":\"completed\""), "{said:?}");
    let history = types(&folder.0, &["orders", "history", &id]).await.ends(0);
    for sentence in
        ["Stripe confirmed the payment.", "The provider has the order.", "The order is complete."]
    {
        assert_eq!(history.out.matches(sentence).count(), 1, "{}", history.out);
    }
    types(&folder.0, &["verify"]).await.ends(0);
    let printed = up.printed.lines().find(|line| line.contains(" reconcile")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", printed]).kill_on_drop(true);
    let compared = run(shell).await.ends(0);
    assert!(compared.out.contains("1 payments, 0 refunds, 1 purchases, 1 orders"), "{compared:?}");
    up.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_up_goes_on_and_a_second_one_beside_it_is_refused() {
    let folder = Folder::new();
    let up = Up::start(&folder.0, &["--with-invoices"]).await;
    assert!(
        up.printed.contains("Real invoices: 423 accepted and paid, 89 rejected."),
        "{}",
        up.printed
    );
    let key = up.after("The API key: ").to_owned();
    let second = types(&folder.0, &["up", "--listen", "127.0.0.1:0"]).await.ends(1);
    assert!(second.err.contains("is in use by the program with pid"), "{}", second.err);
    let doctor = types(&folder.0, &["doctor"]).await.ends(0);
    assert!(doctor.out.contains("One engine was seen within the last minute."), "{}", doctor.out);
    assert!(doctor.out.contains("This shop is the sandbox's"), "{}", doctor.out);
    up.stop().await;

    let up = Up::start(&folder.0, &["--with-invoices"]).await;
    assert_eq!(up.after("The API key (the same as last time): "), key);
    assert!(up.printed.contains("no invoices were placed"), "{}", up.printed);
    up.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_up_goes_on_after_a_kill_though_its_sandbox_has_another_address() {
    let folder = Folder::new();
    let mut up = Up::start(&folder.0, &["--with-invoices"]).await;
    let end = Instant::now() + Duration::from_mins(1);
    // Some are with the provider, whose answer nobody will record.
    while !types(&folder.0, &["orders", "list", "--status", "submitting"]).await.out.contains("GBP")
    {
        assert!(Instant::now() < end, "nothing is being submitted");
    }
    up.child.kill().await.unwrap();
    let next = Up::start(&folder.0, &[]).await;
    assert_ne!(next.after("sandbox"), up.after("sandbox"), "the sandbox has another address");
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_of_the_sandbox_and_a_real_provider_never_meet() {
    let sandbox = Folder::new();
    Up::start(&sandbox.0, &[]).await.stop().await;
    for command in [
        &["up", "--listen", "127.0.0.1:0"][..],
        &["work"],
        &["serve", "--work", "--listen", "127.0.0.1:0"],
    ] {
        let mut real = typed(&sandbox.0, command);
        real.env("ZINC_TOKEN", "a-real-one");
        let said = run(real).await.ends(1);
        assert!(said.err.contains("made with sandbox partners"), "{command:?}: {}", said.err);
    }
    let real = Folder::new();
    let file = std::env::temp_dir().join(format!(
        "atomic-orders-cli-{}-{}.jsonl",
        std::process::id(),
        number()
    ));
    std::fs::write(&file, crate::desk::lines(&["1"])).unwrap();
    types(&real.0, &["import", file.to_str().unwrap(), "--format", "jsonl"]).await.ends(0);
    std::fs::remove_file(&file).unwrap();
    for (command, code) in [("verify", 1), ("recover", 1), ("doctor", 3)] {
        let other = types(&real.0, &[command, "--schema", "shop_b"]).await.ends(code);
        let told = other.out + &other.err;
        assert!(told.contains("schema shop_b holds no shop yet"), "{told}");
    }
    types(&real.0, &["verify"]).await.ends(0);
    let said =
        types(&real.0, &["up", "--listen", "127.0.0.1:0", "--sandbox-port", "0"]).await.ends(1);
    assert!(said.err.contains("the sandbox would only pretend to buy its orders"), "{}", said.err);
}
