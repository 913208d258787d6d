//! The pgTAP suite of the folder `pgtap/` as a judge of changed functions: which of its files call which
//! function, and whether one of them notices a change.
//!
//! Each file is one transaction that is rolled back, so that one shop serves for all changes. The change
//! is made in that transaction by the owner (the variable `broken` of `pgtap/begin.psql`).

use super::change::Mutant;
use crate::world::ground::Ground;
use anyhow::{Context, bail, ensure};
use orders_embedded::testing::shared_cluster;
use orders_store::schema;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The installer of the shops here: roles belong to the whole server.
const INSTALLER: &str = "mutants_installer";
/// No statement of the suite takes as long; a changed function may never end.
const STATEMENT_MAX: &str = "20s";

/// The folder of a part of the project.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// The files of a folder with an ending, in order, by their names without it.
fn files(name: &str) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in folder(name).read_dir().with_context(|| format!("the folder {name}"))? {
        let path = entry.context("a file of it")?.path();
        if path.extension().is_some_and(|ending| ending == "sql") {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((stem, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Every function of the shop: its name and its text.
pub fn functions() -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (name, path) in files("crates/store/functions")? {
        found.insert(name, std::fs::read_to_string(path).context("a function's file")?);
    }
    Ok(found)
}

/// What the suite says of a changed function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This file notices, or two sessions do.
    Noticed(String),
    /// No file that calls the function notices.
    Unnoticed,
    /// The database refuses to make such a function.
    Impossible(String),
}

/// The suite, and what is known of it.
#[derive(Debug, Clone)]
pub struct Suite {
    psql: PathBuf,
    files: Vec<(String, PathBuf)>,
    /// Per function the files that call it, as numbers, the quickest first; nothing for a function whose
    /// calls are not counted.
    callers: BTreeMap<String, Vec<usize>>,
}

/// Why the suite cannot run on this machine, if it cannot.
pub async fn missing() -> anyhow::Result<Option<String>> {
    if psql().is_none() {
        return Ok(Some("there is no installed psql".into()));
    }
    let offered = "select from pg_available_extensions where name = 'pgtap'";
    let store = Ground::Shared.store("postgres", "postgres", "public");
    let absent = store.query("mutants.offered", offered, &[]).await?.is_empty();
    let major = shared_cluster().major();
    Ok(absent
        .then(|| format!("PostgreSQL {major} offers no pgTAP; install postgresql-{major}-pgtap")))
}

/// The newest installed psql.
fn psql() -> Option<PathBuf> {
    let installed = Path::new("/usr/lib/postgresql").read_dir().ok()?.flatten();
    installed
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .map(|(major, path)| (major, path.join("bin/psql")))
        .filter(|(_, program)| program.exists())
        .max()
        .map(|(_, program)| program)
}

impl Suite {
    /// The suite, with what its files call counted on a shop.
    pub async fn read(database: &str) -> anyhow::Result<Self> {
        let psql = psql().context("there is no installed psql")?;
        let mut suite = Self { psql, files: files("pgtap")?, callers: BTreeMap::new() };
        let mut took = Vec::new();
        let mut before = calls(database).await?;
        for index in 0..suite.files.len() {
            let begun = Instant::now();
            let (copy, name) = (suite.clone(), database.to_owned());
            tokio::task::spawn_blocking(move || copy.pass(&name, index)).await??;
            took.push(begun.elapsed());
            let after = calls(database).await?;
            for (function, count) in &after {
                if before.get(function) != Some(count) {
                    suite.callers.entry(function.clone()).or_default().push(index);
                }
            }
            before = after;
        }
        for callers in suite.callers.values_mut() {
            callers.sort_by_key(|index| took[*index]);
        }
        Ok(suite)
    }

    /// The files that may notice a change of a function, as numbers.
    pub fn judges(&self, function: &str, text: &str) -> Vec<usize> {
        // Without a path of its own a function is made part of its caller's statement, and not counted.
        let counted = text.contains("set search_path");
        match self.callers.get(function) {
            Some(callers) if counted => callers.clone(),
            None if counted => Vec::new(),
            _ => (0..self.files.len()).collect(),
        }
    }

    /// Asks the files in this order whether one of them notices; the one that does comes first next time.
    ///
    /// # Errors
    ///
    /// `psql` does not start, or the file that notices fails here with the function as it is as well: it
    /// would notice anything.
    pub fn judge(
        &self,
        database: &str,
        mutant: &Mutant,
        text: &str,
        judges: &mut Vec<usize>,
    ) -> anyhow::Result<Verdict> {
        let broken = mutant.text(text).replace(":\"schema\"", "\"public\"");
        for (position, index) in judges.clone().into_iter().enumerate() {
            let ran = self.run(database, index, Some(&broken))?;
            if !ran.text.contains("# taken away") {
                return Ok(Verdict::Impossible(ran.text.trim().to_owned()));
            }
            if !ran.passed() {
                self.pass(database, index)?;
                let first = judges.remove(position);
                judges.insert(0, first);
                return Ok(Verdict::Noticed(self.files[index].0.clone()));
            }
        }
        Ok(Verdict::Unnoticed)
    }

    /// Demands that a file passes with everything as it is.
    fn pass(&self, database: &str, file: usize) -> anyhow::Result<()> {
        let ran = self.run(database, file, None)?;
        ensure!(ran.passed(), "{} fails as it is:\n{}", self.files[file].0, ran.text);
        Ok(())
    }

    fn run(&self, database: &str, file: usize, broken: Option<&str>) -> anyhow::Result<Ran> {
        let mut command = Command::new(&self.psql);
        let address = shared_cluster().connection_string(database, INSTALLER);
        command.args(["-X", "-d", &address, "-f"]).arg(&self.files[file].1);
        command.env("PGOPTIONS", format!("-c statement_timeout={STATEMENT_MAX}"));
        if let Some(broken) = broken {
            command.args(["-v", &format!("broken={broken}")]);
        }
        let output = command.output().context("starting psql")?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Ran { text, ended: output.status.success() })
    }
}

/// What a run of a file printed, and whether psql reached its end.
struct Ran {
    text: String,
    ended: bool,
}

impl Ran {
    fn passed(&self) -> bool {
        let lines = |start: &str| self.text.lines().filter(|line| line.starts_with(start)).count();
        let plan = self.text.lines().find_map(|line| line.strip_prefix("1..")?.trim().parse().ok());
        self.ended && lines("not ok ") == 0 && plan == Some(lines("ok "))
    }
}

/// How often each function was called so far: what a session counted is there when it has ended.
async fn calls(database: &str) -> anyhow::Result<BTreeMap<String, i64>> {
    let store = Ground::Shared.store(database, "postgres", "public");
    let left = format!(
        "select count(*) from pg_stat_activity where usename = '{INSTALLER}' and datname = current_database()"
    );
    let begun = Instant::now();
    while store.query("mutants.left", &left, &[]).await?[0].get::<_, i64>(0) > 0 {
        if begun.elapsed() > Duration::from_secs(20) {
            bail!("a session of psql stays");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sql = "select funcname::text, sum(calls)::bigint from pg_stat_user_functions where schemaname = 'public' group by 1";
    let rows = store.query("mutants.calls", sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// A shop of its own to judge on, made by an installer who is no superuser, with pgTAP beside it.
pub async fn shop() -> anyhow::Result<String> {
    let database = Ground::Shared.fresh_database().await;
    let admin = Ground::Shared.store(&database, "postgres", "public");
    let role = format!(
        "do $$ begin create role {INSTALLER} login createrole;
           exception when duplicate_object or unique_violation then null; end $$"
    );
    let before = [
        role,
        format!("alter role {INSTALLER} set track_functions = 'all'"),
        format!("alter database {database} owner to {INSTALLER}"),
    ];
    for sql in before {
        admin.query("mutants.before", &sql, &[]).await.context(sql)?;
    }
    schema::install(&Ground::Shared.store(&database, INSTALLER, "public")).await?;
    let after = [
        "create schema extensions".to_owned(),
        "create extension pgtap with schema extensions".to_owned(),
        "grant usage on schema extensions to public".to_owned(),
        // So that no file waits until another ends its membership.
        format!(
            "grant public_orders_owner, public_orders_app, service_role, anon, authenticated to {INSTALLER}"
        ),
    ];
    for sql in after {
        admin.query("mutants.after", &sql, &[]).await.context(sql)?;
    }
    Ok(database)
}
