//! Whose turn it is, and who has to get a message: in terms of places in a socket's table of links, without
//! the links.

mod notices;
mod present;
mod rotation;
mod routes;
mod subscriptions;
mod topics;

pub(crate) use self::{
    notices::Notices,
    present::Present,
    rotation::Rotation,
    routes::Routes,
    subscriptions::Subscriptions,
    topics::{Cancelled, Subscribed, Topics},
};
