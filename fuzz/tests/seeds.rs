//! Every committed seed passes its target's check, so that a regression shows without a fuzzer.

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use zlayers_fuzz::exchange::Script;

fn replay(target: &str, check: impl Fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&directory).expect("seeds are committed") {
        let path = entry.expect("readable").path();
        println!("{}", path.display());
        check(&fs::read(path).expect("readable"));
        seeds += 1;
    }
    assert!(seeds > 0, "{target} has no seeds");
}

#[test]
fn greeting() {
    replay("greeting", zlayers_fuzz::greeting::check);
}

#[test]
fn frame() {
    replay("frame", zlayers_fuzz::frame::check);
}

#[test]
fn command() {
    replay("command", zlayers_fuzz::command::check);
}

#[test]
fn connection() {
    replay("connection", zlayers_fuzz::connection::check);
}

#[test]
fn exchange() {
    replay("exchange", |data| {
        if let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(data)) {
            zlayers_fuzz::exchange::check(&script);
        }
    });
}
