//! Installing: twice changes nothing, foreign objects are left alone, bad ground is refused.

mod shop;

use orders_store::schema;
use shop::Shop;

#[tokio::test]
async fn installing_twice_changes_nothing() {
    let shop = Shop::fresh().await;
    let before = catalogue(&shop).await;
    let again = schema::install(&shop.admin).await.unwrap();
    assert_eq!(again.migrations, Vec::<String>::new());
    assert_eq!(catalogue(&shop).await, before);
    assert_eq!(schema::drift(&shop.app).await.unwrap(), Vec::<String>::new());
    schema::check_ground(&shop.app).await.unwrap();
}

/// Everything that an installation makes, as text.
async fn catalogue(shop: &Shop) -> String {
    shop.text(
        "select string_agg(line, E'\\n' order by line) from (
           select 'f ' || p.oid::regprocedure || md5(pg_get_functiondef(p.oid)) || coalesce(p.proacl::text, '') as line
             from pg_proc as p where p.pronamespace = 'public'::regnamespace
           union all
           select 't ' || c.relname || coalesce(c.relacl::text, '') || c.relrowsecurity from pg_class as c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'i')
           union all
           select 'c ' || conrelid::regclass || conname || pg_get_constraintdef(oid) || convalidated from pg_constraint
            where connamespace = 'public'::regnamespace
           union all
           select 'g ' || tgrelid::regclass || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
           union all
           select 's ' || name || md5(value) from settings) as x",
    )
    .await
}
