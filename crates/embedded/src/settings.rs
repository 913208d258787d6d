//! What the server is told on its command line, where nothing in its files can overrule it.

use std::path::Path;

use crate::socket;

/// Sizes and habits that suit one shop on one machine. The caller's settings may change them.
const SUGGESTED: [(&str, &str); 10] = [
    ("shared_buffers", "128MB"),
    ("max_connections", "100"),
    // Room for a burst between checkpoints; a longer distance only lengthens recovery by seconds.
    ("max_wal_size", "2GB"),
    ("checkpoint_timeout", "15min"),
    ("checkpoint_completion_target", "0.9"),
    // What a shop asks is short, and compiling it costs a new session a tenth of a second.
    ("jit", "off"),
    // As much as an online backup (pg_basebackup) needs.
    ("wal_level", "replica"),
    ("max_wal_senders", "3"),
    ("timezone", "UTC"),
    ("cluster_name", "atomic-orders"),
];

/// What this crate promises, so the caller's settings come before them and cannot undo them.
const PROMISED: [(&str, &str); 13] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("track_functions", "pl"),
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    // One log, which the keeper opened; it is shown when a start fails.
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", "%m [%p] "),
    // A customer's name and address must not get into a log: no statements, no `DETAIL: Failing
    // row contains (...)`.
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("log_statement", "none"),
];

/// The arguments for `postgres`.
pub fn arguments(socket_dir: &Path, extra: &[(String, String)]) -> Vec<String> {
    let own = [
        ("port".to_owned(), socket::PORT.to_string()),
        ("unix_socket_directories".to_owned(), quoted(&socket_dir.to_string_lossy())),
    ];
    owned(&SUGGESTED)
        .chain(extra.iter().cloned())
        .chain(owned(&PROMISED))
        .chain(own)
        .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
        .collect()
}

fn owned(pairs: &'static [(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()))
}

/// The folder setting is a list: a comma or a space in a name would split it.
fn quoted(folder: &str) -> String {
    format!("\"{}\"", folder.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_value(arguments: &[String], name: &str) -> Option<String> {
        let start = format!("{name}=");
        arguments.iter().rev().find_map(|word| word.strip_prefix(&start).map(str::to_owned))
    }

    #[test]
    fn the_callers_settings_change_sizes_and_never_promises() {
        let extra = [
            ("shared_buffers".to_owned(), "1GB".to_owned()),
            ("fsync".to_owned(), "off".to_owned()),
            ("listen_addresses".to_owned(), "*".to_owned()),
        ];
        let arguments = arguments(Path::new("/a b,c"), &extra);
        assert_eq!(last_value(&arguments, "shared_buffers").unwrap(), "1GB");
        assert_eq!(last_value(&arguments, "fsync").unwrap(), "on");
        assert_eq!(last_value(&arguments, "listen_addresses").unwrap(), "");
        let folder = last_value(&arguments, "unix_socket_directories").unwrap();
        assert_eq!(folder, "\"/a b,c\"");
    }
}
