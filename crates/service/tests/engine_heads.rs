//! The ends of histories in the log of an engine: told every hour, and held against the shop later. // G12
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_proof::world::Shop;
use orders_proof::world::worker::Setup;
use orders_store::verify;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Nothing has grown since then.
const IN_2100: i64 = 4_102_444_800;
/// Another name for whoever did it, and every hash after it made right again.
const REWRITTEN: &str = "do $$ declare e record; former bytea := '\\x'; begin
  set local session_replication_role = replica;
  for e in select x.* from {s}.order_events as x where x.order_id = '{order}' order by x.seq loop
    former := {s}.event_hash(former, e.order_id, e.seq, e.at, e.kind, e.status_before, e.status_after, 'nobody', e.actor_source, e.data);
    update {s}.order_events set actor = 'nobody', hash = former where order_id = e.order_id and seq = e.seq;
    update {s}.orders set head = former where id = e.order_id;
  end loop; end $$";

/// Holds a log against the shop; the exit code and what was said.
async fn held_against(shop: &Shop, log: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atomic-orders"));
    command.env("DATABASE_URL", shop.ground.address(&shop.database, &shop.app_role()));
    command.args(["verify", "--log"]).arg(log);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ends_of_histories_are_told_to_the_log_and_show_one_that_was_rewritten_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.log");
    let file = Arc::new(File::create(&path).unwrap());
    tracing_subscriber::fmt().json().with_writer(file).init();
    let shop = Shop::fresh().await;
    let engine = shop.prepared(Setup::default()).await.unwrap();
    let (code, said) = held_against(&shop, &path).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("has no ends of histories"), "{said}");

    let orders = [shop.place().await, shop.place().await, shop.place().await];
    assert!(engine.reconcile_if_due().await.unwrap().is_some(), "an hour's comparison");
    let (code, said) = held_against(&shop, &path).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 heads that were kept were compared; 0 do not stand"), "{said}");

    // What was told stands still when its history has grown; the ends of the last hour are told again.
    shop.as_app(&format!("select {{s}}.cancel_order('{}')::text", orders[0])).await;
    assert_eq!(engine.tell_heads().await.unwrap(), 3);
    assert_eq!(verify::grown(&shop.app, IN_2100, None, None).await.unwrap(), []);
    let (code, said) = held_against(&shop, &path).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("6 heads that were kept were compared; 0 do not stand"), "{said}");

    shop.sql(&REWRITTEN.replace("{order}", &orders[1].to_string())).await;
    assert_eq!(shop.clean().await.purchases_without_order, 0, "every chain is right again");
    let (code, said) = held_against(&shop, &path).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("history_rewritten") && said.contains(&orders[1].to_string()), "{said}");
    assert!(said.contains("6 heads that were kept were compared; 1 do not stand"), "{said}");
}
