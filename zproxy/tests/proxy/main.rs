//! A proxy between sockets of every kind.

mod capture;
mod control;
mod ends;
mod pressure;
mod support;
mod types;
