//! The plan of a storm: what happens in which order, drawn from the seed before anything has begun.
//!
//! What is drawn is the sequence, and every length in it; when each part of it happens follows from how
//! far the orders are, so that the storm lasts as long as they do on any machine.

use super::chance::Chance;
use std::path::PathBuf;

/// A kind of weather.
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
    /// The database is stopped without a word and copied, and started again.
    BackUp,
    /// The database is stopped without a word and put back to its last copy, an hour later, under the
    /// engines that run; a person lets the shop go on when it was compared with its partners. // G22
    Restore,
}

impl Weather {
    /// Every kind that can be asked for, in the order of the report's columns. Before each restore there
    /// is a backup.
    pub const ALL: [Self; 8] = [
        Self::Kill,
        Self::Stop,
        Self::Restart,
        Self::Cut,
        Self::Disk,
        Self::Jump,
        Self::Pool,
        Self::Restore,
    ];

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
            Self::BackUp => "backup",
            Self::Restore => "restore",
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

    /// The sequence: every kind as often as it is wanted, well mixed; restores at equal distances, each
    /// with its backup long before it.
    pub fn sequence(&self) -> Vec<Weather> {
        let mut all: Vec<Weather> = Weather::ALL
            .into_iter()
            .filter(|kind| *kind != Weather::Restore)
            .flat_map(|kind| (0..self.count(kind)).map(move |_| kind))
            .collect();
        let mut chance = Chance::of(self.seed, "sequence");
        for at in (1..all.len()).rev() {
            let other = usize::try_from(chance.between(0, at as u64)).unwrap_or(at);
            all.swap(at, other);
        }
        let restores = u64::from(self.count(Weather::Restore));
        let others = all.len() as u64;
        // From the last to the first, so that the places before it stay what they are.
        for number in (0..restores).rev() {
            let quarter = |of_four: u64| others * (4 * number + of_four) / (4 * restores);
            for (kind, from) in [(Weather::Restore, 3), (Weather::BackUp, 0)] {
                let place = chance.between(quarter(from), quarter(from + 1));
                all.insert(usize::try_from(place).unwrap_or(0), kind);
            }
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

    #[test]
    fn before_each_restore_there_is_a_backup_and_half_of_its_part_lies_between() {
        for seed in 1..=50 {
            let mut options = options(seed);
            options.weather.push((Weather::Restore, 3));
            let all = options.sequence();
            let places = |kind| {
                let at = all.iter().enumerate().filter(move |(_, one)| **one == kind);
                at.map(|(at, _)| at).collect::<Vec<_>>()
            };
            let (backups, restores) = (places(Weather::BackUp), places(Weather::Restore));
            assert_eq!((all.len(), backups.len(), restores.len()), (56, 3, 3));
            for (number, (backup, restore)) in backups.iter().zip(&restores).enumerate() {
                assert!(restore - backup >= 8, "{backups:?} {restores:?}");
                assert!(number == 0 || restores[number - 1] < *backup, "{backups:?} {restores:?}");
            }
        }
        let alone = Options { weather: vec![(Weather::Restore, 1)], ..options(1) };
        assert_eq!(alone.sequence(), [Weather::BackUp, Weather::Restore]);
    }
}
