//! `zmtp` alone on a blocking TCP socket against libzmq: every mechanism in both roles, with all that ZAP
//! may answer and all that may not fit, and peers of older versions.

mod example;
mod mechanisms;
mod misfits;
mod support;
mod versions;
mod zap;
