//! Every committed seed passes its target's check, so that a regression shows without a fuzzer.

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use zlayers_fuzz::{
    command, connection, curve, exchange, frame, greeting, metadata, null, pgm, plain, traffic, v1,
    z85, zap, zpl, zws_frame, zws_upgrade,
};

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
fn greeting_seeds() {
    replay("greeting", greeting::check);
}

#[test]
fn v1_seeds() {
    replay("v1", v1::check);
}

#[test]
fn frame_seeds() {
    replay("frame", frame::check);
}

#[test]
fn command_seeds() {
    replay("command", command::check);
}

#[test]
fn metadata_seeds() {
    replay("metadata", metadata::check);
}

#[test]
fn null_seeds() {
    replay("null", null::check);
}

#[test]
fn pgm_seeds() {
    replay("pgm", pgm::check);
}

#[test]
fn plain_seeds() {
    replay("plain", plain::check);
}

#[test]
fn curve_seeds() {
    replay("curve", curve::check);
}

#[test]
fn zap_seeds() {
    replay("zap", zap::check);
}

#[test]
fn z85_seeds() {
    replay("z85", z85::check);
}

#[test]
fn zpl_seeds() {
    replay("zpl", zpl::check);
}

#[test]
fn zws_upgrade_seeds() {
    replay("zws_upgrade", zws_upgrade::check);
}

#[test]
fn zws_frame_seeds() {
    replay("zws_frame", zws_frame::check);
}

#[test]
fn connection_seeds() {
    replay("connection", connection::check);
}

#[test]
fn zws_connection_seeds() {
    replay("zws_connection", connection::check_websocket);
}

#[test]
fn traffic_seeds() {
    replay("traffic", |data| {
        if let Ok(script) = traffic::Script::arbitrary_take_rest(Unstructured::new(data)) {
            traffic::check(&script);
        }
    });
}

#[test]
fn exchange_seeds() {
    replay("exchange", |data| {
        if let Ok(script) = exchange::Script::arbitrary_take_rest(Unstructured::new(data)) {
            exchange::check(&script);
        }
    });
}
