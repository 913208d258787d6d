//! Verifying the whole shop, page by page, online. // G12

use crate::{Error, Store};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A rule that an order breaks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    /// The order.
    pub order_id: Uuid,
    /// The rule.
    pub rule: String,
    /// Where.
    pub detail: String,
}

/// What one page told.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// What is broken.
    pub broken: Vec<Broken>,
    /// How many orders were checked.
    pub orders: u64,
    /// How many events were checked.
    pub events: u64,
    /// The last order of the page; nothing when there are no more.
    pub last: Option<Uuid>,
}

/// Checks the page of orders after one.
pub async fn page(store: &Store, after: Option<Uuid>, page_size: i32) -> Result<Page, Error> {
    let rows = store
        .query(
            "verify.page",
            &store.in_schema("select * from {schema}.verify_orders($1, $2)"),
            &[(&after, Type::UUID), (&page_size, Type::INT4)],
        )
        .await?;
    let mut page = Page::default();
    for row in &rows {
        if let Some(rule) = row.get::<_, Option<String>>("rule") {
            page.broken.push(Broken {
                order_id: row.get("order_id"),
                rule,
                detail: row.get::<_, Option<String>>("detail").unwrap_or_default(),
            });
        } else {
            page.orders = row.get::<_, i64>("orders_checked").unsigned_abs();
            page.events = row.get::<_, i64>("events_checked").unsigned_abs();
            page.last = row.get("last_order");
        }
    }
    Ok(page)
}

/// The last of the next so many orders after one; nothing when there are fewer. Two pages can be checked
/// at once when the end of the first is known.
pub async fn boundary(
    store: &Store,
    after: Option<Uuid>,
    page_size: i32,
) -> Result<Option<Uuid>, Error> {
    let rows = store
        .query(
            "verify.boundary",
            &store.in_schema(
                "select o.id from {schema}.orders as o
                  where $1::uuid is null or o.id > $1 order by o.id offset $2::integer - 1 limit 1",
            ),
            &[(&after, Type::UUID), (&page_size, Type::INT4)],
        )
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The end of one order's chain: the hash of its event of that number. It holds all events before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The order.
    pub order_id: Uuid,
    /// The number of its last event.
    pub version: i64,
    /// The hash of that event.
    pub hash: Vec<u8>,
}

/// The ends of the chains of a page of orders, in the order of their ids. Whoever keeps them, or a
/// digest of all of them, elsewhere can prove later that no history was written anew.
pub async fn heads(store: &Store, after: Option<Uuid>, page_size: i64) -> Result<Vec<Head>, Error> {
    let rows = store
        .query(
            "verify.heads",
            &store.in_schema(
                "select o.id, o.version::bigint, o.head::bytea from {schema}.orders as o
                  where $1::uuid is null or o.id > $1 order by o.id limit $2",
            ),
            &[(&after, Type::UUID), (&page_size, Type::INT8)],
        )
        .await?;
    Ok(rows.iter().map(head).collect())
}

fn head(row: &tokio_postgres::Row) -> Head {
    Head { order_id: row.get(0), version: row.get(1), hash: row.get(2) }
}

/// The ends of the chains that have grown since then, in seconds since 1970, of the orders after one and
/// until another, in the order of their ids.
pub async fn grown(
    store: &Store,
    since_s: i64,
    after: Option<Uuid>,
    until: Option<Uuid>,
) -> Result<Vec<Head>, Error> {
    let rows = store
        .query(
            "verify.grown",
            &store.in_schema(
                "select o.id, o.version::bigint, o.head::bytea from {schema}.orders as o
                   join {schema}.order_events as e on e.order_id = o.id and e.seq = o.version
                  where ($1::uuid is null or o.id > $1) and ($2::uuid is null or o.id <= $2)
                    and e.at >= to_timestamp($3::bigint::float8) order by o.id",
            ),
            &[(&after, Type::UUID), (&until, Type::UUID), (&since_s, Type::INT8)],
        )
        .await?;
    Ok(rows.iter().map(head).collect())
}

/// Which of the kept heads do not stand any more in the history of their order. An order that has grown
/// since has its former head at its former number. // G12
pub async fn rewritten(store: &Store, kept: &[Head]) -> Result<Vec<Broken>, Error> {
    let orders: Vec<Uuid> = kept.iter().map(|head| head.order_id).collect();
    let versions: Vec<i64> = kept.iter().map(|head| head.version).collect();
    let hashes: Vec<&[u8]> = kept.iter().map(|head| head.hash.as_slice()).collect();
    let rows = store
        .query(
            "verify.rewritten",
            &store.in_schema(
                "select k.order_id, case when o.id is null then 'order_missing'
                            when o.version < k.version then 'history_shorter' else 'history_rewritten' end,
                        'event ' || k.version || ' was kept elsewhere' || case
                            when e.hash is null then ', and is gone' else ' with another hash' end
                   from unnest($1, $2, $3) as k (order_id, version, hash)
                   left join {schema}.orders as o on o.id = k.order_id
                   left join {schema}.order_events as e on e.order_id = k.order_id and e.seq = k.version
                  where o.id is null or o.version < k.version or e.hash is distinct from k.hash",
            ),
            &[
                (&orders, Type::UUID_ARRAY),
                (&versions, Type::INT8_ARRAY),
                (&hashes, Type::BYTEA_ARRAY),
            ],
        )
        .await?;
    let broken = |row: &tokio_postgres::Row| Broken {
        order_id: row.get(0),
        rule: row.get(1),
        detail: row.get(2),
    };
    Ok(rows.iter().map(broken).collect())
}

/// A database role that could break the rules by force.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Danger {
    /// The role; several where all have it in the same way.
    pub role: String,
    /// What it can do, and how it comes to that.
    pub sentence: String,
}

/// Who could break the rules by force: superusers and members of the owner, who may write past the
/// functions, and whoever owns the shop's schema or may create objects in it. (The functions do not look
/// for operators or functions there; whoever owns the schema may drop what is in it.) // G38
pub async fn dangerous_roles(store: &Store) -> Result<Vec<Danger>, Error> {
    let names = crate::schema::names(store.schema())?;
    let sql = names.render(include_str!("../queries/dangerous_roles.sql"));
    let rows = crate::schema::ask(store, "verify.roles", sql).await?;
    Ok(rows.iter().map(|row| Danger { role: row.get(0), sentence: row.get(1) }).collect())
}
