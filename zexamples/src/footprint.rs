//! What a process takes up.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;

/// Memory and file descriptors of this process, as Linux counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of private memory that are resident: heap and stacks, without files.
    pub anonymous: u64,
    /// Bytes that are resident, with the program's own pages.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
}

impl Footprint {
    /// As it is now.
    ///
    /// # Errors
    /// If `/proc` does not tell.
    pub fn now() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let entries = fs::read_dir("/proc/self/fd")?.count();
        Ok(Self {
            anonymous: kib(&status, "RssAnon")?,
            resident: kib(&status, "VmRSS")?,
            threads: field(&status, "Threads")?.parse()?,
            // One of the entries is the directory that is being read.
            descriptors: entries.saturating_sub(1) as u64,
        })
    }

    /// As one line of words, for another process.
    #[must_use]
    pub fn to_words(self) -> String {
        format!(
            "{} {} {} {}",
            self.anonymous, self.resident, self.descriptors, self.threads
        )
    }

    /// What [`to_words`](Self::to_words) wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_words(words: &str) -> Result<Self> {
        let numbers: Vec<u64> = words
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let [anonymous, resident, descriptors, threads] = *numbers.as_slice() else {
            return Err(format!("not a footprint: {words:?}").into());
        };
        Ok(Self {
            anonymous,
            resident,
            descriptors,
            threads,
        })
    }
}

fn field<'s>(status: &'s str, name: &str) -> Result<&'s str> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(value
        .ok_or_else(|| format!("/proc/self/status has no {name}"))?
        .trim())
}

/// A field in bytes.
fn kib(status: &str, name: &str) -> Result<u64> {
    let value = field(status, name)?;
    let number = value
        .strip_suffix("kB")
        .ok_or_else(|| format!("{name} is not in kB: {value}"))?;
    Ok(number.trim().parse::<u64>()? * 1024)
}

/// Lets this process, and the children that it starts, open as many descriptors as the system
/// allows it to. Returns how many that are; `u64::MAX` if there is no limit.
///
/// # Errors
/// If the system refuses.
pub fn raise_descriptor_limit() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        )?;
    }
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_kib() {
        let status = "VmRSS:\t    2048 kB\nRssAnon:\t     100 kB\nThreads:\t3\n";
        assert_eq!(kib(status, "VmRSS").unwrap(), 2048 * 1024);
        assert_eq!(kib(status, "RssAnon").unwrap(), 100 * 1024);
        assert_eq!(field(status, "Threads").unwrap(), "3");
        assert!(kib(status, "Rss").is_err());
        assert!(kib(status, "Threads").is_err());
    }

    #[test]
    fn this_process_takes_up_something_and_says_so_in_words() {
        let now = Footprint::now().unwrap();
        assert!(now.anonymous > 0 && now.resident > now.anonymous && now.descriptors > 2);
        assert_eq!(Footprint::from_words(&now.to_words()).unwrap(), now);
        assert!(Footprint::from_words("1 2").is_err());
    }
}
