//! How each kind of weather happens. What concerns the database happens one after the other; an engine
//! that stands still does so beside everything else.

use super::chance::Chance;
use super::disk::Full;
use super::fleet::LEASE;
use super::plan::{Options, Weather};
use super::{Progress, Storm};
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// So long, without one order more, and a storm has come to a standstill.
const PATIENCE: Duration = Duration::from_mins(10);

/// Taking every free connection takes no longer.
const TAKING_MAX: Duration = Duration::from_secs(20);

/// What has happened.
#[derive(Debug, Clone, Default)]
pub struct Happened {
    /// How often each kind of weather did what it should.
    pub weather: BTreeMap<Weather, u32>,
    /// Processes that did not get as far as running, because the world was away.
    pub in_vain: u32,
    /// What must not be, seen while it happened.
    pub wrong: Vec<String>,
}

impl Storm {
    /// Brings the weather of the plan, as far as the orders have come.
    pub(super) async fn bring(
        self: &Arc<Self>,
        options: &Options,
        until: Option<Instant>,
        tell: &(impl Fn(Progress) + Sync),
    ) -> anyhow::Result<()> {
        let sequence = options.sequence();
        let mut chance = Chance::of(options.seed, "weather");
        let mut stopped = JoinSet::new();
        for (number, kind) in sequence.iter().enumerate() {
            // With what is under way when the first comes, and the last before the last order is placed.
            let share = |number: usize| options.orders * number / (sequence.len() + 1);
            self.allowed.store(share(number + 2).max(options.open_max), Ordering::SeqCst);
            let pause = Duration::from_millis(chance.between(50, 600));
            if !self.placed_at_least(share(number + 1), until).await? {
                break;
            }
            tokio::time::sleep(pause).await;
            if let Err(error) = self.happen(*kind, &mut chance, &mut stopped).await {
                self.fail(&format!("{kind:?}: {error:#}"));
            }
            tell(self.progress(number + 1).await);
        }
        self.allowed.store(usize::MAX, Ordering::SeqCst);
        while self.placed.load(Ordering::SeqCst) < options.orders && !is_over(until) {
            self.check()?;
            tell(self.progress(sequence.len()).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        while let Some(woken) = stopped.join_next().await {
            woken.context("an engine that stood still")?;
        }
        Ok(())
    }

    /// Waits until so many orders are placed; whether the storm goes on.
    async fn placed_at_least(&self, count: usize, until: Option<Instant>) -> anyhow::Result<bool> {
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            self.check()?;
            let placed = self.placed.load(Ordering::SeqCst);
            if is_over(until) || placed >= count {
                return Ok(!is_over(until));
            }
            if placed != last {
                (last, moved) = (placed, Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                bail!("{placed} orders were placed and no more");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn happen(
        self: &Arc<Self>,
        kind: Weather,
        chance: &mut Chance,
        stopped: &mut JoinSet<()>,
    ) -> anyhow::Result<()> {
        let length = Duration::from_millis(chance.between(800, 2500));
        let done = match kind {
            Weather::Kill => self.fleet.lock().await.kill(chance),
            Weather::Stop => {
                let beyond = LEASE + Duration::from_millis(chance.between(1000, 3000));
                if let Some(name) = self.fleet.lock().await.stop(chance) {
                    stopped.spawn(Arc::clone(self).wake(name, beyond));
                }
                // Counted when it goes on.
                false
            }
            Weather::Restart => {
                self.ground.restart().await?;
                true
            }
            Weather::Cut => self.fleet.lock().await.cut(chance),
            Weather::Disk => {
                let what = if chance.happens(50) { Full::Log } else { Full::Data };
                self.ground.fill(what, length).await?
            }
            Weather::Jump => {
                let _turn = self.clock_turn.lock().await;
                let by_s = i64::try_from(chance.between(2 * 60, 60 * 60))?;
                if chance.happens(50) {
                    self.clock.goes_ahead(&self.shop, by_s, length).await?
                } else {
                    self.clock.falls_behind(&self.shop, by_s, length).await?
                }
            }
            Weather::Pool => self.starve(length).await,
            Weather::BackUp => {
                self.back_up().await?;
                true
            }
            Weather::Restore => self.restore(chance).await?,
        };
        if done {
            self.note(|happened| *happened.weather.entry(kind).or_default() += 1);
        }
        Ok(())
    }

    /// Wakes an engine that stood still for longer than its lease.
    async fn wake(self: Arc<Self>, name: String, beyond: Duration) {
        tokio::time::sleep(beyond).await;
        if self.fleet.lock().await.go_on(&name) {
            self.note(|happened| *happened.weather.entry(Weather::Stop).or_default() += 1);
        }
    }

    /// Somebody else takes every connection that is free, ends those that stand, and takes their places
    /// too; after a while he goes. Whether the server ever refused for want of room.
    async fn starve(&self, length: Duration) -> bool {
        let role = self.shop.app_role();
        let (mut held, mut full_since) = (Vec::new(), None::<Instant>);
        let begun = Instant::now();
        while begun.elapsed() < TAKING_MAX && full_since.is_none_or(|it| it.elapsed() < length) {
            if let Some(session) = self.ground.enter(&self.shop.database, &role).await {
                held.push(session);
                continue;
            }
            full_since.get_or_insert_with(Instant::now);
            // Those in work, now and then: whoever wants to go on needs a new one. The room that is kept
            // for the superuser is enough for this.
            let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                        where application_name = 'atomic-orders' and usename <> 'postgres'
                        order by query_start desc limit 3";
            let _ = self.shop.admin.query("storm.starve", sql, &[]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(held);
        full_since.is_some()
    }
}

fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}
