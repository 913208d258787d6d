//! A data folder without a shop: who looks or decides is told so, and nothing is made there.

use crate::desk::{program, run};

const LOOKING: [&[&str]; 13] = [
    &["verify"],
    &["orders", "list"],
    &["orders", "show", "1"],
    &["orders", "history", "1"],
    &["orders", "cancel", "1", "--reason", "x"],
    &["orders", "hold", "1", "--reason", "x"],
    &["orders", "release", "1", "--reason", "x"],
    &["orders", "resolve", "1", "--decision", "give_up", "--reason", "ticket 4711"],
    &["complete", "1"],
    &["recover"],
    &["keys", "add"],
    &["doctor"],
    &["doctor", "--json"],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_looks_or_decides_makes_no_shop() {
    let temporary = tempfile::tempdir().unwrap();
    let missing = temporary.path().join("missing");
    let empty = temporary.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for args in LOOKING {
        for folder in [&missing, &empty] {
            let mut command = program();
            command.args(args).arg("--data-dir").arg(folder);
            let said = run(command).await;
            let is_doctor = args[0] == "doctor";
            let said = said.ends(if is_doctor { 3 } else { 1 });
            let told = if is_doctor { &said.out } else { &said.err };
            let sentence = format!("there is no shop in {}: name its folder", folder.display());
            assert!(told.contains(&sentence), "{args:?}: {said:?}");
            assert!(!said.out.contains("whole") && !said.out.contains("Nothing is"), "{said:?}");
        }
        assert!(!missing.exists(), "{args:?}");
        assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0, "{args:?}");
    }
}
