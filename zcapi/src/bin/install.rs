//! Puts library, headers, and what build systems look for in place.
fn main() {}
