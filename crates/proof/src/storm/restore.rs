//! A database that is put back under a working shop: what is copied and when, how it comes back an hour
//! later, what everybody outside still knows, and the person who lets the shop go on. // G22
//!
//! The copy is that of a server that was stopped without a word, so it recovers when it is put back. Nobody
//! but the superuser is let into it until its clock is right, as nobody would be let into a restored
//! database before it is ready. Half of the restores happen when no engine is left that remembers
//! anything; under the others the engines run on.
//!
//! Orders that were placed after the copy are forgotten: some customers place theirs again, just as they
//! were (the storefront sends what it has no word of), others never come back. What somebody asked for of
//! his money and did not get is asked for again as well.

use super::chance::Chance;
use super::{DATABASE, Storm};
use anyhow::{Context as _, ensure};
use orders_store::Error;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// So long a database is away until it is put back.
const AWAY_S: i64 = 3600;
/// So long a person waits until no call of before can be under way any more.
const CALM_S: i64 = 120;
/// No comparison takes longer, with all that goes wrong in a storm.
const RELEASED_WITHIN: Duration = Duration::from_mins(3);
/// So long the partners go on lying when a database was put back.
const TROUBLED_FOR: Duration = Duration::from_secs(4);
/// An engine says more often that it lives.
const BEATEN_WITHIN: Duration = Duration::from_mins(1);
/// How often the person looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// So often the superuser asks a server that has just come back.
const TRIES: u32 = 200;

/// A copy of the database, and how far everybody was then.
struct Copy {
    /// What was acknowledged to the customers.
    placed: HashSet<Uuid>,
    /// How often the engines had said that they live.
    beats: String,
    /// The last line of Stripe's ledger.
    stripe_line: u64,
}

/// Everything about copies and restores.
#[derive(Default)]
pub(super) struct Copies {
    last: Option<Copy>,
    forgotten: Forgotten,
    /// How often a person let the shop go on.
    released: u32,
}

/// What the database has forgotten of Stripe's ledger: the lines behind the first number, up to the
/// second, of each restore.
#[derive(Debug, Clone, Default)]
pub struct Forgotten(Vec<(u64, u64)>);

impl Forgotten {
    /// Whether what this line tells of was forgotten.
    pub fn has(&self, line: u64) -> bool {
        self.0.iter().any(|(from, to)| (from + 1..=*to).contains(&line))
    }

    /// How often the database was put back.
    pub fn restores(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(super) fn between(from: u64, to: u64) -> Self {
        Self(vec![(from, to)])
    }
}

/// How the shop stands after a restore.
enum Standing {
    /// Nobody has seen it yet, or it is being compared.
    Waiting,
    /// It was compared, and waits for a person.
    Compared,
    /// It goes on.
    Free,
}

impl Storm {
    /// What was forgotten so far.
    pub(super) fn forgotten(&self) -> Forgotten {
        self.copies(|copies| copies.forgotten.clone())
    }

    /// How often a person let the shop go on.
    pub(super) fn released(&self) -> u32 {
        self.copies(|copies| copies.released)
    }

    fn copies<T>(&self, of: impl FnOnce(&mut Copies) -> T) -> T {
        of(&mut self.copies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops the server without a word and copies what it has written. In the copy nobody but the
    /// superuser is let in.
    pub(super) async fn back_up(&self) -> anyhow::Result<()> {
        self.until_begun().await?;
        self.insist(&admission(0)).await.context("closing the database")?;
        self.ground.halt().await?;
        let placed = self.customers.lock().await.placed.keys().copied().collect();
        let stripe_line = self.last_line();
        self.ground.copy().await?;
        self.ground.revive().await?;
        let beats = self.insist("select beats::text from {schema}.shop").await.context("beats")?;
        let beats = beats.into_iter().next().context("a number of beats")?;
        self.copies(|copies| copies.last = Some(Copy { placed, beats, stripe_line }));
        self.let_in().await
    }

    /// Waits until an engine has begun: a copy in which none ever worked does not tell that it is one.
    async fn until_begun(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self
            .insist("select place from {schema}.shop where place is not null")
            .await?
            .is_empty()
        {
            self.check()?;
            ensure!(begun.elapsed() < BEATEN_WITHIN, "no engine begins");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until every engine that runs has said since the copy that it lives: an hour is longer than
    /// the seconds between two beats.
    async fn until_beaten(&self, beats: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let names = self.fleet.lock().await.names().join("', '");
            let sql = format!(
                "select count(*)::text from {{schema}}.workers where worker in ('{names}') and beats <= {beats}"
            );
            if self.insist(&sql).await.context("the engines' beats")? == ["0"] {
                return Ok(());
            }
            self.check()?;
            ensure!(begun.elapsed() < BEATEN_WITHIN, "engines run and do not say that they live");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Puts the last copy back, and waits until the shop goes on. Whether there was one.
    pub(super) async fn restore(&self, chance: &mut Chance) -> anyhow::Result<bool> {
        let nobody_remembers = chance.happens(50);
        if !self.clock.has_room(AWAY_S + 3 * CALM_S) {
            return Ok(false);
        }
        let Some(copy) = self.copies(|copies| copies.last.take()) else { return Ok(false) };
        self.until_beaten(&copy.beats).await?;
        let at = {
            let _turn = self.clock_turn.lock().await;
            self.ground.halt().await?;
            if nobody_remembers {
                self.fleet.lock().await.kill_engines();
            }
            // Nobody orders and nobody is answered while all this happens.
            let mut customers = self.customers.lock().await;
            self.ground.put_back().await?;
            self.ground.revive().await?;
            self.clock.has_passed(&self.shop, AWAY_S).await?;
            let now_line = self.last_line();
            let known = self.known().await?;
            let gone = copy.placed.iter().filter(|order| !known.contains(order));
            for order in gone {
                let wrong = format!("order {order} was acknowledged before the backup and is gone");
                self.note(|happened| happened.wrong.push(wrong));
            }
            customers.forgotten_but(&self.shop, &known);
            self.takeovers.lock().await.forget();
            self.copies(|copies| copies.forgotten.0.push((copy.stripe_line, now_line)));
            let now = self.insist("select {schema}.clock_now()::text").await.context("its time")?;
            self.let_in().await?;
            now.into_iter().next().context("a time")?
        };
        self.until_released(&at).await?;
        Ok(true)
    }

    /// The database lets everybody in.
    async fn let_in(&self) -> anyhow::Result<()> {
        self.insist(&admission(-1)).await.context("opening the database")?;
        self.ground.open();
        Ok(())
    }

    /// The last line of Stripe's ledger.
    fn last_line(&self) -> u64 {
        self.shop.stripe().ledger().last().map_or(0, |line| line.seq)
    }

    /// The orders that the shop knows.
    async fn known(&self) -> anyhow::Result<HashSet<Uuid>> {
        let ids =
            self.insist("select id::text from {schema}.orders").await.context("its orders")?;
        ids.iter().map(|id| id.parse().context("the id of an order")).collect()
    }

    /// Asks as the superuser until he is answered, with texts: connections of before are found dead one
    /// after the other. What is asked so changes nothing when it is said twice.
    async fn insist(&self, sql: &str) -> Result<Vec<String>, Error> {
        let sql = self.shop.admin.in_schema(sql);
        let mut tries = 0;
        loop {
            match self.shop.admin.query("storm.insist", &sql, &[]).await {
                Err(_) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(rows) => return Ok(rows.iter().map(|row| row.get(0)).collect()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the shop goes on. Comparing may fail at first like all else; but a provider whose outage
    /// is counted in calls would not end it while nobody calls, so after a while both partners answer.
    async fn until_released(&self, restored_at: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut is_calm = false;
        while !matches!(self.standing(restored_at).await, Ok(Standing::Free)) {
            self.check()?;
            if !is_calm && begun.elapsed() > TROUBLED_FOR {
                self.calm()?;
                is_calm = true;
            }
            ensure!(
                begun.elapsed() < RELEASED_WITHIN,
                "a shop that was restored does not go on: {}",
                self.shop.story().await
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.trouble()
    }

    async fn standing(&self, restored_at: &str) -> Result<Standing, Error> {
        let sql = format!(
            "select s.held_since is not null,
                    s.held_because not in ('unwatched', 'failed_over') and s.compared_at is not null,
                    exists (select from {{schema}}.findings as f
                             where f.kind = 'shop_released' and f.opened_at >= '{restored_at}')
               from {{schema}}.shop as s"
        );
        let sql = self.shop.admin.in_schema(&sql);
        let rows = self.shop.admin.query("storm.standing", &sql, &[]).await?;
        let Some(row) = rows.first() else { return Ok(Standing::Waiting) };
        let is = |at: usize| row.get::<_, Option<bool>>(at).unwrap_or(false);
        Ok(match (is(0), is(1), is(2)) {
            (true, true, _) => Standing::Compared,
            (false, _, true) => Standing::Free,
            _ => Standing::Waiting,
        })
    }

    /// The person who lets a restored shop go on, whenever it was compared, until everything is over: an
    /// engine that stood still may see much later than the others that the database went back. Without a
    /// restore nobody comes: a shop that is held then is a fault.
    pub(super) async fn attend(self: Arc<Self>) {
        while !self.over.is_cancelled() {
            if self.forgotten().restores() > 0
                && matches!(self.standing("infinity").await, Ok(Standing::Compared))
            {
                // What cannot be done now is done at the next look.
                let _ = self.release().await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn release(&self) -> Result<(), Error> {
        {
            let _turn = self.clock_turn.lock().await;
            self.clock.passes(&self.shop, CALM_S).await?;
        }
        let sql = "select {schema}.release_shop('restored in a storm') ->> 'success'";
        let sql = self.shop.app.in_schema(sql);
        let rows = self.shop.app.query("storm.release", &sql, &[]).await?;
        if rows.first().and_then(|row| row.get::<_, Option<String>>(0)).as_deref() == Some("true") {
            self.copies(|copies| copies.released += 1);
        }
        Ok(())
    }
}

/// How many besides the superuser are let in: -1 is everybody.
fn admission(most: i32) -> String {
    format!("alter database {DATABASE} connection limit {most}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_behind_the_copy_until_it_was_put_back_is_forgotten() {
        let forgotten = Forgotten::between(10, 12);
        let lines = [10, 11, 12, 13].map(|line| forgotten.has(line));
        assert_eq!((lines, forgotten.restores()), ([false, true, true, false], 1));
        assert!(!Forgotten::default().has(1));
    }
}
