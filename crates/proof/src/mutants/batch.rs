//! Many changed functions judged side by side, each worker with a shop of its own.

use super::change::Mutant;
use super::scenes;
use super::sessions::Stage;
use super::suite::{Suite, Verdict, shop};
use crate::storm::chance::Chance;
use anyhow::Context;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

/// A mutant that was judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What was changed.
    pub mutant: Mutant,
    /// What the suite says, or two sessions.
    pub verdict: Verdict,
}

/// So many of them, drawn by a seed.
pub fn sample(seed: u64, mut from: Vec<Mutant>, count: usize) -> Vec<Mutant> {
    let mut chance = Chance::of(seed, "mutants");
    from.sort_by_cached_key(|_| chance.number());
    from.truncate(count);
    from
}

/// What the workers share.
struct Shared<F> {
    suite: Suite,
    functions: BTreeMap<String, String>,
    waiting: Mutex<VecDeque<Mutant>>,
    /// Who judges a function, the likeliest to notice first.
    judges: Mutex<BTreeMap<String, Vec<usize>>>,
    until: Instant,
    told: F,
}

/// Judges mutants of these functions side by side and tells of each; begins none after a time.
pub async fn judge_all<F>(
    functions: &BTreeMap<String, String>,
    mutants: Vec<Mutant>,
    lanes: usize,
    until: Instant,
    told: F,
) -> anyhow::Result<()>
where
    F: Fn(Judged) + Send + Sync + 'static,
{
    let mut shops = Vec::new();
    for _ in 0..lanes.max(1) {
        shops.push(shop().await?);
    }
    let suite = Suite::read(&shops[0]).await?;
    let shared = Arc::new(Shared {
        suite,
        functions: functions.clone(),
        waiting: Mutex::new(mutants.into()),
        judges: Mutex::default(),
        until,
        told,
    });
    let mut running = tokio::task::JoinSet::new();
    for database in shops {
        let shared = Arc::clone(&shared);
        running.spawn_blocking(move || lane(&shared, &database));
    }
    while let Some(ended) = running.join_next().await {
        ended.context("a lane")??;
    }
    Ok(())
}

/// What two sessions say of a change that no file notices, where there is a scene about its function. Their stage
/// is prepared when the first change comes that needs it.
async fn two_sessions(
    stage: &OnceCell<Stage>,
    mutant: &Mutant,
    text: &str,
) -> anyhow::Result<Verdict> {
    if scenes::about(&mutant.function).is_empty() {
        return Ok(Verdict::Unnoticed);
    }
    stage.get_or_try_init(Stage::set).await?.judge(mutant, text).await
}

/// Judges what waits until nothing does.
fn lane<F: Fn(Judged)>(shared: &Shared<F>, database: &str) -> anyhow::Result<()> {
    let stage = OnceCell::new();
    loop {
        let next = shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(mutant) = next.filter(|_| Instant::now() < shared.until) else { return Ok(()) };
        let text = shared.functions.get(&mutant.function).context("a function that is gone")?;
        let known = || shared.judges.lock().unwrap_or_else(PoisonError::into_inner);
        let known_judges = known().get(&mutant.function).cloned();
        let mut judges =
            known_judges.unwrap_or_else(|| shared.suite.judges(&mutant.function, text));
        let mut verdict = shared.suite.judge(database, &mutant, text, &mut judges)?;
        known().insert(mutant.function.clone(), judges);
        if verdict == Verdict::Unnoticed {
            verdict = Handle::current().block_on(two_sessions(&stage, &mutant, text))?;
        }
        (shared.told)(Judged { mutant, verdict });
    }
}
