//! Malformed and unusual input: what a connection of ours does, beside libzmq.
//!
//! `docs/MALFORMED.md` is made from this. With `UPDATE_DOCS=1` the test writes it anew.

use shared::{Column, Input, Report, connection};

mod shared;

/// Every difference from libzmq has an explanation, every explanation a difference, and the document says so.
// spec: WIRE-8/reactions: each malformed or unusual input has the effect that docs/MALFORMED.md names
#[test]
fn every_input_has_the_reaction_that_is_documented() {
    let mut report = Report::load();
    for input in &Input::load_all("malformed.txt") {
        report.set(input, Column::Connection, connection::react(input));
    }
    report.finish(Column::Connection);
}

/// What arrives in pieces has the same effect, except where the effect is that of coming too soon.
#[test]
fn the_effect_does_not_depend_on_how_the_input_is_cut() {
    for input in &Input::load_all("malformed.txt") {
        if input.id == "hello-and-initiate-in-one-write" {
            continue;
        }
        let whole = connection::react(input);
        for chunk in [1, 7] {
            let cut = connection::react_in_pieces(input, chunk);
            // What was said before the end may differ, not how it ended.
            let ends = |reaction: &shared::Reaction| {
                (
                    reaction.is_open,
                    reaction.delivered.clone(),
                    reaction.events.clone(),
                    reaction.cause.clone(),
                )
            };
            assert_eq!(ends(&cut), ends(&whole), "{}", input.key());
            assert!(
                !whole.is_open || cut.reply == whole.reply,
                "{}",
                input.key()
            );
        }
    }
}
