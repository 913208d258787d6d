//! A shop that was dumped and restored is what was installed: nothing in the digests is an OID, a
//! position or a form that the server writes differently the second time. // G21
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_embedded::testing::shared_cluster;
use orders_store::schema;
use shop::{Shop, address, fresh_database, store};
use std::path::PathBuf;
use std::process::Command;

/// A `pg_dump` that is not older than the server.
fn pg_dump() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .map(|(major, path)| (major, path.join("bin/pg_dump")))
        .filter(|(major, program)| *major >= shared_cluster().major() && program.exists())
        .collect();
    found.sort();
    found.pop().map(|(_, program)| program)
}

#[tokio::test]
async fn g21_a_shop_that_was_dumped_and_restored_is_as_it_was_released() {
    let Some(pg_dump) = pg_dump() else {
        eprintln!("SKIPPED LOUDLY: no installed pg_dump of this server's version or a newer one");
        assert!(
            std::env::var_os("CI").is_none() || shared_cluster().major() > 15,
            "the gate needs an installed PostgreSQL"
        );
        return;
    };
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.accept(id, token, "req-1").await;
    let dump = Command::new(pg_dump)
        .args(["--inserts", "--dbname"])
        .arg(address(&shop.database, "postgres"))
        .output()
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    // What begins so is meant for psql, which is not needed for the rest.
    let sql: String = String::from_utf8(dump.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('\\'))
        .flat_map(|line| [line, "\n"])
        .collect();
    let database = fresh_database().await;
    let restored = Shop {
        schema: "public".into(),
        admin: store(&database, "postgres", "public"),
        app: store(&database, "public_orders_app", "public"),
        database,
    };
    restored.session("postgres").await.batch_execute(&sql).await.unwrap();
    assert_eq!(schema::drift(&restored.app).await.unwrap(), Vec::<String>::new());
    schema::check_ground(&restored.app).await.unwrap();
    assert_eq!(restored.everything(id).await, shop.everything(id).await);
    schema::install(&restored.admin).await.unwrap();
    schema::check_ground(&restored.app).await.unwrap();
    restored.verify().await;
}
