//! A process that may not open descriptors, now and then.

use std::fs;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zexamples::Result;

use crate::stage::Stage;

/// Lowers the limit to about what is open, and raises it again after a while.
pub(super) fn run(stage: &Stage, mut rng: Rng) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    while !stage.stopping() {
        stage.pause(Duration::from_millis(rng.u64(500..4000)));
        let _nobody_depends_on_them = stage
            .descriptors
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let open = fs::read_dir("/proc/self/fd")?.count() as u64;
        let lowered = Rlimit {
            current: Some(open.saturating_sub(rng.u64(..8))),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, lowered)?;
        thread::sleep(Duration::from_millis(rng.u64(10..400)));
        setrlimit(Resource::Nofile, limit)?;
        stage.log.count("descriptors: times without any");
    }
    Ok(())
}
