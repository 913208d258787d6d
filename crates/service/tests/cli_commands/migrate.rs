//! `migrate`: settings are judged before anything is written, and a reader may leave early.

use crate::desk::{Desk, Said, program, run};
use std::process::Stdio;

async fn migrate(desk: &Desk, args: &[&str]) -> Said {
    let mut command = desk.program_as("postgres");
    command.arg("migrate").args(args);
    run(command).await
}

async fn setting(desk: &Desk, name: &str) -> String {
    let sql = format!("select value from settings where name = '{name}'");
    desk.admin.query("test", &sql, &[]).await.unwrap()[0].get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_out_of_its_range_is_refused_and_nothing_is_written() {
    let desk = Desk::fresh().await;
    let secret = setting(&desk, "shop_secret").await;
    for (pair, rule) in [
        (
            "processing_bound_ms=0",
            "processing_bound_ms must be a whole number from 60000 to 3600000",
        ),
        ("processing_bound_ms=-1", "from 60000"),
        ("processing_bound_ms=abc", "from 60000"),
        ("complete_on=never", "complete_on must be one of delivered, placed"),
        ("generations_max=0", "generations_max must be a whole number from 1 to 100"),
        ("poll_ms=99999999999999999999", "poll_ms must be a whole number from 10000"),
        ("nonsense=1", "there is no such setting; there are processing_bound_ms, poll_ms,"),
        ("poll_ms", "there is no ="),
    ] {
        let said = migrate(&desk, &["--set", "calls_max=7", "--set", pair]).await.ends(2);
        assert!(said.err.contains(rule), "{pair}: {}", said.err);
        assert!(said.err.contains("--set"), "{pair}: {}", said.err);
    }
    let said = migrate(&desk, &["--set", "shop_secret=feedfeedfeed"]).await.ends(2);
    assert!(said.err.contains("never set") && !said.err.contains("feed"), "{}", said.err);
    assert_eq!(setting(&desk, "calls_max").await, "12", "a good pair beside a wrong one");
    assert_eq!(setting(&desk, "shop_secret").await, secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_within_its_range_is_written_and_told() {
    let desk = Desk::fresh().await;
    let said = migrate(&desk, &["--set", "complete_on=placed", "--set", "poll_ms=600000"]).await;
    let said = said.ends(0);
    assert!(said.out.contains("The setting complete_on is placed;"), "{}", said.out);
    assert_eq!(setting(&desk, "complete_on").await, "placed");
    assert_eq!(setting(&desk, "poll_ms").await, "600000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_early_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = program();
    command.args(["migrate", "--print"]).stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().await.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""));
}
