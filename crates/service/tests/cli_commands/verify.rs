//! `verify`: whole, or exactly what is broken.

use crate::desk::{Desk, lines, text};
use serde_json::json;

async fn three() -> Desk {
    let desk = Desk::fresh().await;
    let path = desk.file("orders.jsonl", &lines(&["1", "2", "3"]));
    desk.types(&["import", text(&path), "--format", "jsonl"]).await.ends(0);
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_shop_has_one_digest_however_it_is_paged() {
    let desk = three().await;
    let said = desk.types(&["verify", "--json"]).await.ends(0).json();
    assert_eq!(
        (&said["good"], &said["orders"], &said["events"]),
        (&json!(true), &json!(3), &json!(3))
    );
    let paged = desk.types(&["verify", "--page-size", "1", "--json"]).await.ends(0).json();
    assert_eq!(said["heads_sha256"], paged["heads_sha256"]);
    assert_eq!(paged["orders"], 3);
    let told = desk.types(&["verify"]).await.ends(0);
    assert!(
        told.out.contains("Everything is whole: 3 orders and 3 events were checked."),
        "{}",
        told.out
    );
    assert!(told.err.contains("postgres"), "the superuser is worth a note: {}", told.err);
    desk.types(&["orders", "cancel", "1", "--reason", "x"]).await.ends(0);
    let later = desk.types(&["verify", "--json"]).await.ends(0).json();
    assert_ne!(said["heads_sha256"], later["heads_sha256"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_force_is_named_with_order_and_rule() {
    let desk = three().await;
    let id = desk.id("2").await;
    desk.by_force("update orders set total_minor = 9999 where order_number = '2'").await;
    desk.by_force("delete from order_events as e using orders as o where o.id = e.order_id and o.order_number = '3'").await;
    let said = desk.types(&["verify", "--json"]).await.ends(3).json();
    let broken = said["broken"].as_array().unwrap();
    assert!(
        broken.iter().any(|one| one["order_id"] == json!(id) && one["rule"] != json!("")),
        "{said}"
    );
    assert!(broken.iter().all(|one| one["order_id"] != json!(null)), "{said}");
    let told = desk.types(&["verify"]).await.ends(3);
    assert!(told.out.contains(&id) && told.out.contains("rules are broken"), "{}", told.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_protected_function_is_drift() {
    let desk = three().await;
    desk.sql("alter function setting_number(text) volatile").await;
    let said = desk.types(&["verify", "--json"]).await;
    let drift = said.json()["drift"].to_string();
    assert!(said.code == Some(3) && drift.contains("setting_number"), "{said:?}");
}

/// The chain of an order, written anew from its beginning with another actor: every hash is right again.
const REWRITTEN: &str = "do $$ declare e record; former bytea := '\\x'; begin
  for e in select x.* from order_events as x join orders as o on o.id = x.order_id where o.order_number = '2' order by x.seq loop
    former := event_hash(former, e.order_id, e.seq, e.at, e.kind, e.status_before, e.status_after, 'nobody', e.actor_source, e.data);
    update order_events set actor = 'nobody', hash = former where order_id = e.order_id and seq = e.seq;
    update orders set head = former where id = e.order_id;
  end loop; end $$";

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_was_rewritten_whole_is_found_by_the_heads_that_were_exported() {
    let desk = three().await;
    let (first, second) = (desk.file("first.jsonl", ""), desk.file("second.jsonl", ""));
    let (first, second) = (text(&first).to_owned(), text(&second).to_owned());
    let said = desk.types(&["verify", "--export", &first, "--json"]).await.ends(0).json();
    let kept = std::fs::read_to_string(&first).unwrap();
    assert_eq!(kept.lines().count(), 4, "{kept}");
    assert!(
        kept.ends_with(&format!("{{\"orders\":3,\"heads_sha256\":{}}}\n", said["heads_sha256"]))
    );
    // What grows stands still.
    desk.types(&["orders", "cancel", "1", "--reason", "x"]).await.ends(0);
    let grown = desk.types(&["verify", "--against", &first, "--json"]).await.ends(0).json();
    assert_eq!((&grown["heads_held_against"], &grown["broken"]), (&json!(3), &json!([])));
    let id = desk.id("2").await;
    desk.by_force(REWRITTEN).await;
    desk.types(&["verify"]).await.ends(0);
    let said = desk.types(&["verify", "--against", &first, "--export", &second, "--json"]).await;
    assert!(said.err.contains("nothing was exported"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&second).unwrap(), "", "it was not there, and is not");
    let broken = said.ends(3).json()["broken"].clone();
    assert_eq!(broken.as_array().unwrap().len(), 1, "{broken}");
    assert_eq!(
        (&broken[0]["order_id"], &broken[0]["rule"]),
        (&json!(id), &json!("history_rewritten"))
    );
    let told = desk.types(&["verify", "--against", &first]).await.ends(3);
    assert!(
        told.out.contains("3 heads that were kept were compared; 1 do not stand"),
        "{}",
        told.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_of_heads_is_refused_with_its_line() {
    let desk = three().await;
    let path = desk.file("heads.jsonl", "");
    desk.types(&["verify", "--export", text(&path)]).await.ends(0);
    let kept = std::fs::read_to_string(&path).unwrap();
    let line: Vec<&str> = kept.lines().collect();
    for (content, at, why) in [
        (String::new(), "line 1", "was cut"),
        (lines_of(&line[..2]), "line 3", "was cut"),
        (kept[..kept.len() - 5].to_owned(), "line 4", "was cut"),
        (lines_of(&[line[1], line[0]]), "line 2", "in the order of their ids"),
        (lines_of(&[line[0], line[0]]), "line 2", "in the order of their ids"),
        (lines_of(&[line[0], line[3]]), "line 2", "number and digest"),
        (kept.replacen("\"head\":\"", "\"head\":\"x", 1), "line 1", "hex digits"),
        (kept.replacen("version", "Version", 1), "line 1", "no line that"),
        (format!("{kept}{kept}"), "line 4", "something follows"),
        (format!("{{{}}}\n", " ".repeat(9000)), "line 1", "longer than"),
    ] {
        let broken = desk.file("broken.jsonl", &content);
        let said = desk.types(&["verify", "--against", text(&broken)]).await.ends(1);
        assert!(said.err.contains(at) && said.err.contains(why), "{at} {why}: {}", said.err);
    }
    let said = desk.types(&["verify", "--against", "no/such/file"]).await.ends(1);
    assert!(said.err.contains("cannot read no/such/file"), "{}", said.err);
}

fn lines_of(lines: &[&str]) -> String {
    lines.join("\n") + "\n"
}
