//! `import`: each order once, nothing by halves, every reject with its place.

use crate::desk::{Desk, lines, order, text};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const HEADER: &str = "order_number,retailer,currency,product_id,quantity,unit_price,\
    recipient_first_name,recipient_last_name,recipient_address_line1,recipient_zip_code,\
    recipient_city,recipient_state,recipient_country,recipient_phone_number\n";

fn row(number: &str, quantity: &str) -> String {
    format!(
        "{number},amazon_uk,GBP,85123A,{quantity},2.55,Ada,Miller,12 Elm Street,SW1A 1AA,London,Greater London,GB,+442079460000\n"
    )
}

fn rejects(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_again_places_nothing_and_other_content_is_a_conflict() {
    let desk = Desk::fresh().await;
    let path = desk.file("orders.jsonl", &lines(&["1", "2", "3"]));
    let import = ["import", text(&path), "--format", "jsonl", "--json"];
    let first = desk.types(&import).await.ends(0).json();
    assert_eq!((&first["new"], &first["duplicate"]), (&json!(3), &json!(0)));
    let second = desk.types(&import).await.ends(0).json();
    assert_eq!((&second["new"], &second["duplicate"]), (&json!(0), &json!(3)));
    assert_eq!(second["rejects_file"], Value::Null);

    let mut other = order("2");
    other["total_minor"] = json!(1600);
    let path = desk.file("orders.jsonl", &format!("{}{other}\n", lines(&["1", "4"])));
    let third =
        desk.types(&["import", text(&path), "--format", "jsonl", "--json"]).await.ends(3).json();
    let counts = ["new", "duplicate", "conflict", "rejected"].map(|name| third[name].clone());
    assert_eq!(counts, [json!(1), json!(1), json!(1), json!(0)]);
    let rejects = rejects(Path::new(third["rejects_file"].as_str().unwrap()));
    assert_eq!((&rejects[0]["line"], &rejects[0]["kind"]), (&json!(3), &json!("conflict")));
    assert_eq!(rejects[0]["order_number"], "2");
    assert_eq!(rejects[0]["column"]["name"], "order_number");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_row_is_rejected_with_its_place_and_everything_else_stands() {
    let desk = Desk::fresh().await;
    let broken =
        format!("{HEADER}{}{}{}{}", row("1", "6"), row("2", "six"), row("3", "6"), row("4", "0"));
    let path = desk.file("orders.csv", &broken);
    let import = ["import", text(&path), "--format", "csv"];
    let said = desk.types(&import).await.ends(3);
    assert!(said.err.contains("orders.csv, line 3, column 5 (quantity), order 2:"), "{}", said.err);
    assert!(said.out.contains("rejected by the reader"), "{}", said.out);

    let file = desk.folder.path().join("orders.csv.rejects.jsonl");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let places: Vec<_> = rejects(&file)
        .iter()
        .map(|one| {
            (one["line"].clone(), one["order_number"].clone(), one["column"]["name"].clone())
        })
        .collect();
    let column = json!("quantity");
    assert_eq!(places, [(json!(3), json!("2"), column.clone()), (json!(5), json!("4"), column)]);
    desk.types(&["orders", "show", "2"]).await.ends(1);

    desk.file("orders.csv", &broken.replace("six", "6").replace(",0,2.55", ",1,2.55"));
    let said = desk.types(&[&import[..], &["--json"]].concat()).await.ends(0).json();
    assert_eq!((&said["new"], &said["duplicate"]), (&json!(2), &json!(2)));
    assert!(!file.exists(), "rejects of an earlier run would mislead");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_rows_stand_apart_is_not_placed_in_part() {
    let desk = Desk::fresh().await;
    let torn = format!("{HEADER}{}{}{}", row("1", "6"), row("2", "6"), row("1", "7"));
    let path = desk.file("orders.csv", &torn);
    let said =
        desk.types(&["import", text(&path), "--format", "csv", "--json"]).await.ends(3).json();
    assert_eq!((&said["new"], &said["kinds"]["repeated"]["reasons"]), (&json!(1), &json!(2)));
    desk.types(&["orders", "show", "1"]).await.ends(1);
    desk.types(&["orders", "show", "2"]).await.ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_a_broken_row_apart_is_not_placed_in_part_and_counts_once() {
    let desk = Desk::fresh().await;
    let good = ["t1", "t2", "t3"].map(|number| row(number, "6"));
    let short = good[0].rsplit_once(',').unwrap().0;
    let path =
        desk.file("orders.csv", &format!("{HEADER}{}{}{short}\n{}", good[0], good[1], good[2]));
    let said =
        desk.types(&["import", text(&path), "--format", "csv", "--json"]).await.ends(3).json();
    assert_eq!((&said["new"], &said["rejected"]), (&json!(2), &json!(1)));
    let rejects = rejects(Path::new(said["rejects_file"].as_str().unwrap()));
    let lines: Vec<_> = rejects.iter().map(|reject| reject["line"].clone()).collect();
    assert_eq!(lines, [json!(2), json!(4), json!(4)]);
    assert!(rejects.iter().all(|reject| reject["order_number"] == "t1"), "{rejects:?}");
    desk.types(&["orders", "show", "t1"]).await.ends(1);
    desk.types(&["orders", "show", "t3"]).await.ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_invoices_are_placed_once_and_their_rejects_are_counted() {
    let desk = Desk::fresh().await;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/online-retail");
    let (orders, recipient) = (examples.join("orders.csv"), examples.join("recipient.json"));
    let file = desk.folder.path().join("rejects.jsonl");
    let import = [
        "import",
        text(&orders),
        "--format",
        "online-retail",
        "--recipient",
        text(&recipient),
        "--retailer",
        "amazon_uk",
        "--currency",
        "GBP",
        "--product-map",
        "identity",
        "--rejects",
        text(&file),
        "--json",
    ];
    let said = desk.types(&import).await.ends(3).json();
    assert_eq!((&said["new"], &said["rejected"]), (&json!(423), &json!(89)));
    assert_eq!(said["kinds"]["credit_note"]["orders"], 43);
    let again = desk.types(&import).await.ends(3).json();
    assert_eq!((&again["new"], &again["duplicate"]), (&json!(0), &json!(423)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_says_what_stands() {
    let desk = Desk::fresh().await;
    let mut command = desk.program_as("public_orders_app");
    command.args(["import", "-", "--format", "jsonl", "--json"]).current_dir(desk.folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines(&["1", "2"]).as_bytes()).await.unwrap();
    input.flush().await.unwrap();
    // The level: both stand, although the input has not ended.
    while desk.types(&["orders", "list", "--json"]).await.out.lines().count() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output());
    let output = ended.await.expect("it ends with its input still open").unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["new"], &said["interrupted"]), (&json!(2), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_database_ends_the_import_and_one_of_an_order_does_not() {
    let desk = Desk::fresh().await;
    let intent = |number: &str| {
        let mut order = order(number);
        order["payment_intent"] = json!("pi_1");
        format!("{order}\n")
    };
    let path = desk.file("orders.jsonl", &(intent("1") + &lines(&["3"])));
    let import = ["import", text(&path), "--format", "jsonl", "--json"];
    desk.types(&import).await.ends(0);
    // One PaymentIntent pays one order: the database does not take the second.
    desk.file("orders.jsonl", &(intent("2") + &lines(&["4"])));
    let said = desk.types(&import).await.ends(3).json();
    assert_eq!((&said["new"], &said["refused"]), (&json!(1), &json!(1)));
    let reject = &rejects(Path::new(said["rejects_file"].as_str().unwrap()))[0];
    assert_eq!((&reject["line"], &reject["kind"]), (&json!(1), &json!("database")));
    assert_eq!(reject["column"]["name"], "payment_intent");
    assert_eq!(reject["reason"], "this PaymentIntent pays another order");

    // A constraint that no rule of ours stands before: its name is nobody's business outside.
    desk.sql("alter table order_items add constraint probe check (quantity <> 7)").await;
    let odd = order("5").to_string().replace("\"quantity\":6", "\"quantity\":7");
    desk.file("orders.jsonl", &odd.replace("1530", "1785"));
    let said = desk.types(&import).await.ends(3).json();
    let reject = &rejects(Path::new(said["rejects_file"].as_str().unwrap()))[0];
    assert_eq!((&said["refused"], &reject["kind"]), (&json!(1), &json!("database")));
    for raw in ["probe", "constraint", "relation", "SQLSTATE"] {
        assert!(!reject.to_string().contains(raw), "{reject}");
    }

    desk.sql("revoke execute on function place_order(jsonb, jsonb) from public_orders_app").await;
    let said = desk.types(&import).await.ends(1);
    assert!(said.err.contains("it is safe to run the same command again"), "{}", said.err);
    assert_eq!(said.json()["new"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_is_told_before_anything_is_done() {
    let desk = Desk::without_shop().await;
    let path = desk.file("orders.csv", HEADER);
    let said = desk.types(&["import", text(&path), "--format", "online-retail"]).await.ends(2);
    assert!(said.err.contains("--recipient is needed"), "{}", said.err);
    let said = desk.types(&["import", "-", "--format", "csv"]).await.ends(2);
    assert!(said.err.contains("read twice"), "{}", said.err);
    desk.types(&["import", text(&path), "--format", "xml"]).await.ends(2);
    let said = desk
        .types(&["import", text(&path), "--format", "csv", "--rejects", text(&path)])
        .await
        .ends(2);
    assert!(said.err.contains("would overwrite the file that is imported"), "{}", said.err);
    let missing = desk.folder.path().join("missing.jsonl");
    let said = desk.types(&["import", text(&missing), "--format", "jsonl"]).await.ends(1);
    assert!(said.err.contains("missing.jsonl cannot be read"), "{}", said.err);
    let headless = desk.file("headless.csv", "a,b\n");
    let said = desk.types(&["import", text(&headless), "--format", "csv"]).await.ends(1);
    assert!(said.err.contains("must name the columns"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_that_would_overwrite_an_input_or_cannot_be_written_stop_everything_at_once() {
    // There is no shop, so whatever got as far as the database would say so.
    let desk = Desk::without_shop().await;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/online-retail");
    let recipient = std::fs::read_to_string(examples.join("recipient.json")).unwrap();
    let recipient = desk.file("rcp.json", &recipient);
    let products = desk.file("products.csv", "stock_code,product_id\nA,B0\n");
    let link = desk.folder.path().join("link.json");
    std::os::unix::fs::symlink(&recipient, &link).unwrap();
    let orders = examples.join("orders.csv");
    let nowhere = desk.folder.path().join("missing/rejects.jsonl");
    for (rejects, code, sentence) in [
        (&recipient, 2, "the rejects would overwrite the file of --recipient"),
        (&link, 2, "the rejects would overwrite the file of --recipient"),
        (&products, 2, "the rejects would overwrite the file of --product-map"),
        (&orders, 2, "the rejects would overwrite the file that is imported"),
        (&nowhere, 1, "missing/rejects.jsonl cannot be written; name another with --rejects"),
    ] {
        let mut import = vec!["import", text(&orders), "--format", "online-retail"];
        import.extend(["--retailer", "amazon_uk", "--currency", "GBP"]);
        import.extend(["--recipient", text(&recipient), "--product-map", text(&products)]);
        import.extend(["--rejects", text(rejects)]);
        let before = std::fs::read(rejects).ok();
        let said = desk.types(&import).await.ends(code);
        assert!(said.err.contains(sentence), "{}", said.err);
        assert_eq!(std::fs::read(rejects).ok(), before);
    }
    let unmade = desk.folder.path().join("rejects.jsonl");
    let import = ["import", text(&recipient), "--format", "jsonl", "--rejects", text(&unmade)];
    desk.types(&import).await.ends(1);
    assert!(!unmade.exists(), "an import that did not begin leaves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_read_once_and_a_table_is_refused_from_it() {
    let desk = Desk::fresh().await;
    let pipe = desk.folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for format in ["csv", "online-retail"] {
        let said = desk.types(&["import", text(&pipe), "--format", format]).await.ends(2);
        let sentence =
            "pipe is not a regular file: it can be read once only, and a table is read twice";
        assert!(said.err.contains(sentence), "{}", said.err);
    }
    let mut command = desk.program_as("public_orders_app");
    command.args(["import", text(&pipe), "--format", "jsonl", "--json"]);
    command.current_dir(desk.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // Opening waits for the reader, and whoever looked at the beginning only would break the pipe.
    let writer = tokio::task::spawn_blocking(move || std::fs::write(&pipe, lines(&["1", "2"])));
    writer.await.unwrap().unwrap();
    let ended = tokio::time::timeout(Duration::from_mins(1), child.wait_with_output());
    let output = ended.await.expect("the pipe is opened once").unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &said["new"]), (Some(0), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_header_prints_nothing_of_a_customer() {
    let desk = Desk::without_shop().await;
    let path = desk.file("orders.csv", &row("1", "6"));
    let said = desk.types(&["import", text(&path), "--format", "csv"]).await.ends(1);
    assert!(said.err.contains("the first line must name the columns"), "{}", said.err);
    for private in ["Ada", "Elm", "SW1A", "+44"] {
        assert!(!said.err.contains(private), "{}", said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_nobody_costs_no_order_beside_it() {
    let desk = Desk::fresh().await;
    let rows = [row("tA", "6"), row("", "6"), row("tB", "6"), row("tC", "6")].concat();
    let path = desk.file("orders.csv", &format!("{HEADER}{rows}"));
    let said = desk.types(&["import", text(&path), "--format", "csv", "--json"]).await.ends(3);
    assert_eq!((&said.json()["new"], &said.json()["rejected"]), (&json!(3), &json!(1)));
}
