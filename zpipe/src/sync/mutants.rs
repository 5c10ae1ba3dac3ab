//! Atomics of which one place at a time is weaker than written, for the runner in `zpipe/mutants`.
//!
//! A *place* is the source location of a call. The environment names the one that is mutated, so one
//! build serves all mutants:
//!
//! - `ZPIPE_MUTANT` is a line as below: that mutant is active.
//! - `ZPIPE_MUTANTS_LIST` names a file to which each mutant that could be made is appended when its
//!   place is first reached.
//!
//! ```text
//! zpipe/src/pipe.rs:261:14 Relaxed
//! zpipe/src/pipe.rs:275:9 no fence
//! zpipe/src/reader.rs:282:12 instead: false
//! ```

#[cfg(loom)]
use loom::sync::atomic as real;
#[cfg(not(loom))]
use std::sync::atomic as real;
use std::{
    collections::HashSet,
    io::Write,
    panic::Location,
    sync::{LazyLock, Mutex, PoisonError},
};

use real::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

/// The active mutant: where, and what.
static ACTIVE: LazyLock<Option<Mutant>> = LazyLock::new(|| {
    let line = std::env::var("ZPIPE_MUTANT").ok()?;
    Some(Mutant::parse(&line).expect("ZPIPE_MUTANT is FILE:LINE:COLUMN WHAT"))
});

/// The mutants that were listed already, and where to list more.
static LIST: LazyLock<Option<Mutex<List>>> = LazyLock::new(|| {
    let path = std::env::var_os("ZPIPE_MUTANTS_LIST")?;
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    Some(Mutex::new(List {
        known: HashSet::new(),
        file: file.expect("ZPIPE_MUTANTS_LIST can be written"),
    }))
});

struct List {
    known: HashSet<(&'static Location<'static>, &'static str)>,
    file: std::fs::File,
}

struct Mutant {
    file: String,
    line: u32,
    column: u32,
    what: String,
}

impl Mutant {
    fn parse(text: &str) -> Option<Self> {
        let (place, what) = text.split_once(' ')?;
        let mut place = place.splitn(3, ':');
        Some(Self {
            file: place.next()?.to_owned(),
            line: place.next()?.parse().ok()?,
            column: place.next()?.parse().ok()?,
            what: what.to_owned(),
        })
    }

    fn is_at(&self, place: &Location<'_>) -> bool {
        self.line == place.line() && self.column == place.column() && self.file == place.file()
    }
}

/// Whether the mutant `prefix` and `what` of the caller's place is active. Lists it.
fn chosen(place: &'static Location<'static>, prefix: &str, what: &'static str) -> bool {
    if let Some(list) = &*LIST {
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.known.insert((place, what)) {
            writeln!(list.file, "{place} {prefix}{what}").expect("the list can be written");
        }
    }
    ACTIVE
        .as_ref()
        .is_some_and(|active| active.is_at(place) && active.what.strip_prefix(prefix) == Some(what))
}

/// For `or_mutant!`.
#[track_caller]
pub(crate) fn is_active(what: &'static str) -> bool {
    chosen(Location::caller(), "instead: ", what)
}

/// The given order, or a weaker one.
#[track_caller]
fn weakened(order: Ordering) -> Ordering {
    let weaker: &[(&str, Ordering)] = match order {
        Acquire | Release => &[("Relaxed", Relaxed)],
        AcqRel | SeqCst => &[("Acquire", Acquire), ("Release", Release)],
        _ => &[],
    };
    let place = Location::caller();
    let chosen = weaker.iter().filter(|(name, _)| chosen(place, "", name));
    chosen.map(|(_, order)| *order).last().unwrap_or(order)
}

#[track_caller]
pub(crate) fn fence(order: Ordering) {
    if !chosen(Location::caller(), "", "no fence") {
        real::fence(order);
    }
}

macro_rules! atomics {
    ($($name:ident $(<$parameter:ident>)?: $value:ty),* $(,)?) => {$(
        #[derive(Debug)]
        pub(crate) struct $name $(<$parameter>)? (real::$name $(<$parameter>)?);

        #[allow(dead_code)] // The other crate types have calls that this one's users do not need.
        impl $(<$parameter>)? $name $(<$parameter>)? {
            pub(crate) fn new(value: $value) -> Self {
                Self(real::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.0.load(weakened(order))
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, weakened(order));
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                self.0.swap(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.0.compare_exchange(current, new, weakened(success), failure)
            }

            #[track_caller]
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.0.compare_exchange_weak(current, new, weakened(success), failure)
            }
        }
    )*};
}

macro_rules! numbers {
    ($($name:ident: $value:ty),* $(,)?) => {$(
        #[allow(dead_code)] // As above.
        impl $name {
            #[track_caller]
            pub(crate) fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_or(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_and(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_add(value, weakened(order))
            }

            #[track_caller]
            pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_sub(value, weakened(order))
            }
        }

        #[cfg(not(loom))]
        #[allow(dead_code)] // As above.
        impl $name {
            pub(crate) fn into_inner(self) -> $value {
                self.0.into_inner()
            }
        }
    )*};
}

atomics! {
    AtomicBool: bool,
    AtomicU8: u8,
    AtomicU32: u32,
    AtomicU64: u64,
    AtomicPtr<T>: *mut T,
}

numbers! {
    AtomicU8: u8,
    AtomicU32: u32,
    AtomicU64: u64,
}
