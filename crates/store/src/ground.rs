//! What `doctor` asks of a server: facts only, judged elsewhere.

use crate::{Error, Store};
use jiff::Timestamp;

/// Facts about the server and this connection.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The version in full: `15.14`.
    pub version: String,
    /// The version as a number: 150014.
    pub version_number: i32,
    /// What `pg_stat_user_functions` counts: `none`, `pl` or `all`.
    pub track_functions: String,
    /// The role of this connection.
    pub role: String,
    /// The database's name.
    pub database: String,
    /// The server's time.
    pub at: Timestamp,
    /// The port that the server itself listens on.
    pub port: Option<u16>,
}

/// Reads the facts.
pub async fn facts(store: &Store) -> Result<Facts, Error> {
    let rows = store.query("ground.facts", include_str!("../queries/ground.sql"), &[]).await?;
    let row = rows
        .first()
        .ok_or_else(|| Error::Inconsistent { what: "ground.facts", reason: "no row".to_owned() })?;
    Ok(Facts {
        version: row.get(0),
        version_number: row.get(1),
        track_functions: row.get(2),
        role: row.get(3),
        database: row.get(4),
        at: row.get(5),
        port: row.get::<_, String>(6).parse().ok(),
    })
}

/// The port that an address names, when it can be told.
pub fn port_of(address: &str) -> Option<u16> {
    let config: tokio_postgres::Config = address.parse().ok()?;
    config.get_ports().first().copied()
}

#[cfg(test)]
mod tests {
    use super::port_of;

    #[test]
    fn the_port_is_read_from_both_forms_of_an_address() {
        assert_eq!(port_of("postgres://u@localhost:6432/shop"), Some(6432));
        assert_eq!(port_of("host=/run/x port=5433 user=u"), Some(5433));
        assert_eq!(port_of("not an address"), None);
    }
}
