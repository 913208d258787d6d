//! To see the tests fail: a file of SQL that breaks something in every shop of a run.

use orders_store::{Error, Store};

/// Runs the file that `ATOMIC_ORDERS_TEST_BREAK` names, if it does, and writes down what stands then,
/// as an installation does: no engine starts on what is not as it was installed.
pub async fn on_purpose(admin: &Store) {
    let Ok(file) = std::env::var("ATOMIC_ORDERS_TEST_BREAK") else { return };
    let schema = admin.schema().to_owned();
    let sql = std::fs::read_to_string(file).expect("a file of SQL").replace("{s}", &schema);
    let stands = include_str!("../../../store/queries/objects.sql")
        .replace(":\"schema\"", &format!("\"{schema}\""))
        .replace(":'owner'", &format!("'{schema}_orders_owner'"));
    let write_down = format!(
        "set local search_path = pg_catalog, pg_temp;
         create temporary table stands on commit drop as select s.kind, s.parent, s.name,
           sha256(convert_to(s.definition::text, 'UTF8')) as digest from ({stands}) as s;
         delete from \"{schema}\".protected_functions;
         delete from \"{schema}\".protected_objects;
         insert into \"{schema}\".protected_functions (signature, digest, release)
           select name, digest, 'broken' from stands where kind = 'function';
         insert into \"{schema}\".protected_objects (kind, parent, name, digest, release)
           select kind, parent, name, digest, 'broken' from stands where kind <> 'function'"
    );
    let broken = admin.transact("test.break", move |tx| {
        let (sql, write_down) = (sql.clone(), write_down.clone());
        Box::pin(async move {
            tx.execute(&sql).await?;
            tx.execute(&write_down).await
        })
    });
    let outcome: Result<(), Error> = broken.await;
    outcome.expect("what breaks the shop");
}
