use zsocket::{Pull, Socket};

fn misuse(pull: &Socket<Pull>) {
    let _ = pull.subscribe("x");
}

fn main() {
    let _ = misuse;
}
