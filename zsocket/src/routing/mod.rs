//! Whose turn it is, and who has to get a message: in terms of places in a socket's table of links, without
//! the links.

mod prefixes;
mod rotation;
mod routes;
mod subscriptions;
mod topics;

pub(crate) use self::{rotation::Rotation, routes::Routes};
#[expect(
    unused_imports,
    reason = "the patterns that publish and subscribe come next"
)]
pub(crate) use self::{
    subscriptions::Subscriptions,
    topics::{Cancelled, Subscribed, Topics},
};
