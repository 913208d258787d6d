//! The official Stripe clients for Node and Python, unmodified: independent witnesses that our
//! signatures are Stripe's, and that our fake Stripe is one as far as a client can tell. // G23
//!
//! They are fetched at test time into a folder of their own. Where that cannot be done the test says
//! so and passes, except on CI, where a test that did not run is a failure.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_core::private::Private;
use orders_gateway::stripe::webhook::{sign, verify};
use orders_sandbox::{Options, Running, World};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "whsec_witness_secret";
const BODY: &str = "{\"id\":\"evt_witness\",\"object\":\"event\",\"type\":\"payment_intent.succeeded\",\"data\":{\"object\":{\"id\":\"pi_1\"}}}";

#[expect(clippy::disallowed_methods, reason = "the clients read the wall clock, so the test must")]
fn now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Runs a program in a folder and gives what it said; the error is a sentence.
fn run(
    folder: &Path,
    program: &str,
    args: &[&str],
    env: &[(&str, &str)],
) -> Result<String, String> {
    let done = Command::new(program)
        .args(args)
        .current_dir(folder)
        .envs(env.iter().copied())
        .output()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    if done.status.success() { Ok(told) } else { Err(format!("{program} failed:\n{told}")) }
}

/// A folder with a client in it.
fn installed(files: &[&str], steps: &[&[&str]]) -> Result<tempfile::TempDir, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stripe_sdk");
    for file in files {
        std::fs::copy(source.join(file), folder.path().join(file))
            .map_err(|error| error.to_string())?;
    }
    for step in steps {
        run(folder.path(), step[0], &step[1..], &[])?;
    }
    Ok(folder)
}

/// Says loudly that a client did not run; on CI that is a failure.
fn not_tested(client: &str, reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{client} cannot run: {reason}");
    // Past the test harness, which keeps what a passing test prints to itself.
    let said = format!("\n*** NOT TESTED: {client} did not run. {reason} ***\n\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}

/// What a client is told of the fake Stripe, and what we have signed for it.
fn surroundings(world: &Running) -> Vec<(&'static str, String)> {
    let port = world.base_url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    vec![
        ("STRIPE_PORT", port),
        ("STRIPE_KEY", "sk_test_sandbox".into()),
        ("SECRET", SECRET.into()),
        ("OTHER_SECRET", "whsec_another".into()),
        ("BODY", BODY.into()),
        ("HEADER", sign(BODY.as_bytes(), &Private::new(SECRET.to_owned()), now_s())),
    ]
}

/// Installs a client, lets it do its work against a fake Stripe, and verifies what it signed.
async fn witness(
    client: &'static str,
    files: &'static [&'static str],
    steps: &'static [&'static [&'static str]],
    work: &'static [&'static str],
    header: &'static str,
) {
    let folder = tokio::task::spawn_blocking(move || installed(files, steps)).await.unwrap();
    let folder = match folder {
        Ok(folder) => folder,
        Err(reason) => return not_tested(client, &reason),
    };
    let world = World::start(Options::default()).await.unwrap();
    let env = surroundings(&world);
    let ran = tokio::task::spawn_blocking(move || {
        let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let told = run(folder.path(), work[0], &work[1..], &env);
        (told, std::fs::read_to_string(folder.path().join(header)))
    });
    let (told, header) = ran.await.unwrap();
    let told = told.unwrap_or_else(|failure| panic!("{failure}"));
    let header = header.unwrap();
    let secrets = [Private::new("whsec_former".to_owned()), Private::new(SECRET.to_owned())];
    assert_eq!(verify(&header, BODY.as_bytes(), &secrets, now_s(), 300), Ok(()), "{header} {told}");
    assert!(verify(&header, b"{}", &secrets, now_s(), 300).is_err(), "of another body");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g23_the_official_node_client_signs_as_we_do_and_takes_our_fake_for_stripe() {
    witness(
        "the Stripe client for Node",
        &["package.json", "package-lock.json", "witness.mjs"],
        &[
            &["node", "--version"],
            &["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
        ],
        &["node", "--test-reporter=tap", "witness.mjs"],
        "header.txt",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g23_the_official_python_client_signs_as_we_do_and_takes_our_fake_for_stripe() {
    witness(
        "the Stripe client for Python",
        &["requirements.txt", "witness.py"],
        &[
            &["python3", "-m", "venv", "client"],
            &[
                "client/bin/pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
                "requirements.txt",
            ],
        ],
        &["client/bin/python", "witness.py"],
        "header_py.txt",
    )
    .await;
}
