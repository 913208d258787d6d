//! The plan of a storm: what happens in which order, drawn from the seed before anything has begun.
//!
//! What is drawn is the sequence, and every length in it; when each part of it happens follows from how
//! far the orders are, so that the storm lasts as long as they do on any machine.

use super::chance::Chance;
use std::path::PathBuf;

/// A kind of weather. What a restore of an old backup does to a shop would be one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weather {
    /// A process dies by SIGKILL, and a new one is started at once.
    Kill,
    /// An engine stands still by SIGSTOP for longer than a lease, and goes on.
    Stop,
    /// The database is stopped without a word, as by `pg_ctl stop -m immediate`, and started again.
    Restart,
    /// Connections break: before a statement, between a commit and its answer, in a partner's answer.
    Cut,
    /// The database's disk is full: for data, or for its log, at which the server gives up.
    Disk,
    /// The database's clock is wrong by minutes up to an hour, and later right again.
    Jump,
    /// Somebody else holds every free connection, and those that stand are ended.
    Pool,
}

impl Weather {
    /// Every kind, in the order of the report's columns.
    pub const ALL: [Self; 7] =
        [Self::Kill, Self::Stop, Self::Restart, Self::Cut, Self::Disk, Self::Jump, Self::Pool];

    /// The word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Cut => "cut",
            Self::Disk => "disk",
            Self::Jump => "clock",
            Self::Pool => "pool",
        }
    }
}

/// What a storm is to bring.
#[derive(Debug, Clone)]
pub struct Options {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many orders are placed.
    pub orders: usize,
    /// How many engines run side by side, without the older one.
    pub engines: usize,
    /// How often each kind of weather happens.
    pub weather: Vec<(Weather, u32)>,
    /// No new order and no new weather after so many seconds, however far it is.
    pub seconds: Option<u64>,
    /// Whether some engines reach the database through `PgBouncer`.
    pub pooler: bool,
    /// A program of an older release that takes part as one more engine.
    pub older: Option<PathBuf>,
    /// How many orders are under way at once.
    pub open_max: usize,
}

impl Options {
    /// How often a kind of weather is to happen.
    pub fn count(&self, kind: Weather) -> u32 {
        self.weather.iter().filter(|(one, _)| *one == kind).map(|(_, count)| count).sum()
    }

    /// The sequence: every kind as often as it is wanted, well mixed.
    pub fn sequence(&self) -> Vec<Weather> {
        let mut all: Vec<Weather> = Weather::ALL
            .into_iter()
            .flat_map(|kind| (0..self.count(kind)).map(move |_| kind))
            .collect();
        let mut chance = Chance::of(self.seed, "sequence");
        for at in (1..all.len()).rev() {
            let other = usize::try_from(chance.between(0, at as u64)).unwrap_or(at);
            all.swap(at, other);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(seed: u64) -> Options {
        Options {
            seed,
            orders: 10,
            engines: 2,
            weather: vec![(Weather::Kill, 30), (Weather::Jump, 10), (Weather::Kill, 10)],
            seconds: None,
            pooler: false,
            older: None,
            open_max: 10,
        }
    }

    #[test]
    fn a_sequence_has_every_kind_as_often_as_wanted_and_is_the_seeds() {
        let all = options(3).sequence();
        let count = |kind| all.iter().filter(|one| **one == kind).count();
        assert_eq!((all.len(), count(Weather::Kill), count(Weather::Jump)), (50, 40, 10));
        assert_eq!(all, options(3).sequence());
        assert_ne!(all, options(4).sequence());
        assert!(all[..25].contains(&Weather::Jump) && all[25..].contains(&Weather::Jump));
    }
}
