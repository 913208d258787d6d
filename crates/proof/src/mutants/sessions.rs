//! Two sessions as a judge of what one cannot see: whether a function waits for the row that it decides about,
//! or leaves it to whoever has it.
//!
//! Promise: each scene begins with the shop as it was installed. That somebody waits is read from the server,
//! and every wait has an end: a changed function that does not wait, or waits where it must not, ends its scene
//! at once.

use super::change::Mutant;
use super::scenes::{Scene, Turn, about};
use super::suite::Verdict;
use crate::world::ground::Ground;
use anyhow::{Context, ensure};
use orders_store::transact::Transaction;
use orders_store::{Error, Store, schema};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// What the verdict names where the suite's file stands else.
const JUDGE: &str = "two sessions";
/// No statement of a scene takes as long, whoever it waits for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked whether one session waits for the other.
const LOOK: Duration = Duration::from_millis(2);
/// What each transaction of a scene begins with: the owner may execute what no door gives away.
const BEGIN: &str = "set local role public_orders_owner; set local search_path = public, stage";

/// What came of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What must come of it.
    Right,
    /// Something else.
    Wrong(String),
}

/// A shop that nobody else uses, with everything that the scenes speak of.
#[derive(Clone)]
pub struct Stage {
    admin: Store,
}

impl Stage {
    /// Prepares one.
    pub async fn set() -> anyhow::Result<Self> {
        let database = Ground::Shared.fresh_database().await;
        let admin = Ground::Shared.store(&database, "postgres", "public").with_limit(PATIENCE);
        schema::install(&admin).await.context("a shop")?;
        execute(&admin, &[include_str!("stage.sql")]).await.context("stage.sql")?;
        Ok(Self { admin })
    }

    /// What the scenes of its function say of a mutant that passes for the function itself in one session.
    ///
    /// # Errors
    ///
    /// The scene that notices fails with the function as it is as well: it would notice anything.
    pub async fn judge(&self, mutant: &Mutant, text: &str) -> anyhow::Result<Verdict> {
        if let Err(said) = self.make(&mutant.text(text)).await {
            return Ok(Verdict::Impossible(said.to_string()));
        }
        let mut noticed = None;
        for scene in about(&mutant.function) {
            if self.play(scene).await? != Outcome::Right {
                noticed = Some(scene);
                break;
            }
        }
        self.make(text).await.context("the function as it is")?;
        let Some(scene) = noticed else { return Ok(Verdict::Unnoticed) };
        let as_it_is = self.play(scene).await?;
        ensure!(as_it_is == Outcome::Right, "{scene:?} as it is: {as_it_is:?}");
        Ok(Verdict::Noticed(JUDGE.to_owned()))
    }

    /// Makes a function anew, with the patience that every function has here.
    async fn make(&self, text: &str) -> Result<(), Error> {
        let text = text.replace(":\"schema\"", "\"public\"");
        execute(&self.admin, &[&text, "select stage.be_patient()"]).await
    }

    /// Plays a scene from the beginning.
    pub async fn play(&self, scene: &Scene) -> anyhow::Result<Outcome> {
        execute(&self.admin, &["select stage.begin_anew()"]).await.context("an empty shop")?;
        play_on(&self.admin, scene).await
    }
}

/// Plays a scene on a shop where nothing is.
async fn play_on(admin: &Store, scene: &Scene) -> anyhow::Result<Outcome> {
    if let Err(said) = execute(admin, &[BEGIN, &spoken(scene.before)]).await {
        return Ok(Outcome::Wrong(format!("before: {said}")));
    }
    let mut one = Session::begin(admin, Task::Do(spoken(scene.meanwhile)));
    let Ok(holder) = (&mut one.stands).await else {
        return Ok(Outcome::Wrong(format!("meanwhile: {}", one.end(None).await)));
    };
    let mut other = Session::begin(admin, Task::Ask(spoken(scene.asked)));
    let Ok(asked) = (&mut other.stands).await else {
        return Ok(Outcome::Wrong(format!("asked: {}", other.end(None).await)));
    };
    let waits = waits_for(admin, &other, asked, holder).await?;
    if waits == (scene.turn == Turn::PassesBy) {
        drop(one.go_on.take());
        let _ = one.end(None).await;
        let answer = other.end(None).await;
        let did = if waits { "waited for the other" } else { "did not wait for the other" };
        return Ok(Outcome::Wrong(format!("who was asked {did}, and said `{answer}`")));
    }
    let then = match scene.turn {
        Turn::WaitsWhile(then) => spoken(then),
        Turn::Waits | Turn::PassesBy => String::new(),
    };
    let done = one.end(Some(then)).await;
    let answer = other.end(None).await;
    judged(admin, scene, &done, &answer).await
}

/// Compares what came of a scene with what must.
async fn judged(admin: &Store, scene: &Scene, done: &str, answer: &str) -> anyhow::Result<Outcome> {
    if !done.is_empty() {
        return Ok(Outcome::Wrong(format!("whoever was first: {done}")));
    }
    // What a refusal says after its SQLSTATE is for people.
    if answer.split(": ").next() != Some(scene.answer) {
        return Ok(Outcome::Wrong(format!("`{answer}` instead of `{}`", scene.answer)));
    }
    let broken = "(select string_agg(concat_ws(' ', rule, detail), ', ') from verify_orders(null, 1000) where rule is not null)";
    let whole = scene.is_whole.then_some((broken, ""));
    for (value, right) in scene.stands.into_iter().chain(whole) {
        let reader = Session::begin(admin, Task::Ask(spoken(value)));
        let stands = reader.end(None).await;
        if stands != right {
            return Ok(Outcome::Wrong(format!("{value} is `{stands}` instead of `{right}`")));
        }
    }
    Ok(Outcome::Right)
}

/// A text of a scene as SQL.
fn spoken(text: &str) -> String {
    text.replace("{a}", "ordered('a')").replace("{b}", "ordered('b')")
}

/// Statements in a transaction of their own.
async fn execute(store: &Store, statements: &[&str]) -> Result<(), Error> {
    let statements: Vec<String> = statements.iter().map(|sql| (*sql).to_owned()).collect();
    let run = store.transact("scene", move |tx| {
        let statements = statements.clone();
        Box::pin(async move {
            for sql in &statements {
                tx.execute(sql).await?;
            }
            Ok(())
        })
    });
    run.await
}

/// Whether a session comes to wait for another one before it has its answer.
async fn waits_for(
    admin: &Store,
    asked: &Session,
    waiting: i32,
    holder: i32,
) -> anyhow::Result<bool> {
    let sql = format!("select {holder} = any (pg_blocking_pids({waiting}))");
    let begun = Instant::now();
    loop {
        // Looked at first: who has answered waits for nobody.
        let answered = asked.ended.is_finished();
        if admin.query("scene.waits", &sql, &[]).await?[0].get(0) {
            return Ok(true);
        }
        if answered {
            return Ok(false);
        }
        ensure!(begun.elapsed() < PATIENCE, "neither an answer nor a lock: {asked:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// What a session does.
#[derive(Debug, Clone)]
enum Task {
    /// Does this, stands until it is told to go on, and commits.
    Do(String),
    /// Asks for this value as text, and commits.
    Ask(String),
}

/// A session with one transaction.
#[derive(Debug)]
struct Session {
    /// The server's number of the session, when what it does first is done, or when it begins to ask.
    stands: Receiver<i32>,
    /// Tells it what else to do before it commits; it rolls back when this is dropped.
    go_on: Option<Sender<String>>,
    ended: JoinHandle<Result<String, Error>>,
}

impl Session {
    fn begin(store: &Store, task: Task) -> Self {
        let (tell, stands) = channel();
        let (go_on, told) = channel();
        let once = Arc::new(Mutex::new(Some((tell, told))));
        let store = store.clone();
        let ended = tokio::spawn(async move {
            let played = store.transact("scene", move |tx| {
                // A scene is played once: what the database rolled back is its end.
                let first = once.lock().unwrap_or_else(PoisonError::into_inner).take();
                let task = task.clone();
                Box::pin(async move {
                    let (tell, told) = first.ok_or_else(|| over("the database rolled it back"))?;
                    play_part(tx, task, tell, told).await
                })
            });
            played.await
        });
        Self { stands, go_on: Some(go_on), ended }
    }

    /// Has it do the rest, and gives its answer, or its error.
    async fn end(mut self, then: Option<String>) -> String {
        if let (Some(go_on), Some(then)) = (self.go_on.take(), then) {
            // Whoever has ended meanwhile says why.
            let _ = go_on.send(then);
        }
        match self.ended.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => match error.sqlstate() {
                Some(code) => format!("error {code}: {error}"),
                None => format!("error: {error}"),
            },
            Err(error) => format!("error: {error}"),
        }
    }
}

/// Why a transaction of a scene ends without a commit.
fn over(reason: &str) -> Error {
    Error::Inconsistent { what: "scene", reason: reason.to_owned() }
}

/// One transaction of a scene.
async fn play_part(
    tx: &Transaction,
    task: Task,
    tell: Sender<i32>,
    told: Receiver<String>,
) -> Result<String, Error> {
    tx.execute(BEGIN).await?;
    let pid = tx.query("select pg_backend_pid()", &[]).await?[0].get(0);
    match task {
        Task::Do(sql) => {
            tx.execute(&sql).await?;
            // Nobody hears it when the scene is over already.
            let _ = tell.send(pid);
            let then = told.await.map_err(|_| over("nobody goes on with it"))?;
            tx.execute(&then).await.map(|()| String::new())
        }
        Task::Ask(value) => {
            let _ = tell.send(pid);
            let rows = tx.query(&format!("select ({value})::text"), &[]).await?;
            Ok(rows[0].get::<_, Option<String>>(0).unwrap_or_default())
        }
    }
}
