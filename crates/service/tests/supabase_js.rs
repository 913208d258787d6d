//! The official supabase-js client, unmodified, against our server: an independent peer. // D1
//!
//! It is fetched at test time into a folder of its own. Where that cannot be done the test says so
//! and passes, except on CI, where a test that did not run is a failure.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

#[path = "api_http/desk.rs"]
mod desk;

use desk::Desk;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Whatever this test needs of its folder.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "calls.mjs"];

/// Runs a program in a folder; the error is a sentence.
fn run(
    folder: &Path,
    program: &str,
    args: &[&str],
    env: &[(&str, &str)],
) -> Result<Output, String> {
    Command::new(program)
        .args(args)
        .current_dir(folder)
        .envs(env.iter().copied())
        .output()
        .map_err(|error| format!("{program} cannot be started: {error}"))
}

/// A folder with the client in it.
fn installed() -> Result<tempfile::TempDir, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/supabase");
    for file in FILES {
        std::fs::copy(source.join(file), folder.path().join(file))
            .map_err(|error| error.to_string())?;
    }
    run(folder.path(), "node", &["--version"], &[])?;
    let args = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    let done = run(folder.path(), "npm", &args, &[])?;
    if done.status.success() {
        Ok(folder)
    } else {
        Err(format!("npm ci failed:\n{}", String::from_utf8_lossy(&done.stderr)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_gets_what_a_supabase_user_expects() {
    let folder = match tokio::task::spawn_blocking(installed).await.unwrap() {
        Ok(folder) => folder,
        Err(reason) => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "supabase-js cannot run: {reason}"
            );
            // Past the test harness, which keeps what a passing test prints to itself.
            let said = format!("\n*** NOT TESTED: supabase-js did not run. {reason} ***\n\n");
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return;
        }
    };
    let desk = Desk::open().await;
    let [paid, other] = [desk.paid("1").await, desk.paid("2").await].map(|id| id.to_string());
    let unpaid = desk.place("3").await.to_string();
    let (url, key) = (format!("http://{}", desk.address), desk.key.clone());
    let given = (paid.clone(), other.clone());
    let ran = tokio::task::spawn_blocking(move || {
        let env = [
            ("SHOP_URL", url.as_str()),
            ("SHOP_KEY", &key),
            ("PAID", &given.0),
            ("OTHER", &given.1),
            ("UNPAID", &unpaid),
            ("NO_COLOR", "1"),
        ];
        run(folder.path(), "node", &["--test-reporter=tap", "calls.mjs"], &env)
    });
    let ran = ran.await.unwrap().unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{told}");
    assert!(told.contains("# pass 10") && told.contains("# fail 0"), "{told}");

    assert_eq!(
        desk.text("select count(*) from findings where kind = 'request_id_conflict'").await,
        "1"
    );
    assert_eq!(
        desk.text(&format!("select status from orders where id = '{paid}'")).await,
        "completed"
    );
    assert_eq!(
        desk.text(&format!("select status from orders where id = '{other}'")).await,
        "pending"
    );
    assert_eq!(desk.world.world.zinc.purchases_of(&paid).len(), 1);
    assert!(desk.world.world.zinc.purchases_of(&other).is_empty());
}
