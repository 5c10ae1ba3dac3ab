//! Whose turn it is, and who has to get a message: in terms of places in a socket's table of links, without
//! the links.

mod rotation;
mod routes;

pub(crate) use self::{rotation::Rotation, routes::Routes};
