//! Starts a private cluster and holds it until its standard input ends.
//!
//! `hold-cluster <data folder> [automatic|installed|carried|<folder of programs>]` prints one line,
//! `ready <pid> <socket folder>`, when the server lets somebody in. The tests kill it in every way;
//! by hand it gives a `psql` something to talk to.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use orders_embedded::{Cluster, Error, Options};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(data_dir) = words.next().map(PathBuf::from) else {
        eprintln!("usage: hold-cluster <data folder> [<source>]");
        return ExitCode::FAILURE;
    };
    let source = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
    match hold(&Options { data_dir, source, ..Options::default() }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn hold(options: &Options) -> Result<(), Error> {
    let cluster = Cluster::start(options)?;
    println!("ready {} {}", cluster.pid(), cluster.socket_dir().display());
    let _ = io::stdout().flush();
    // Whatever comes, or the end of it, or an error: each time the holder is done.
    let _ = io::stdin().read(&mut [0]);
    cluster.stop()
}
