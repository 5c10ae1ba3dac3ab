use zsocket::{Sub, Socket};

fn misuse(sub: &Socket<Sub>) {
    let _ = sub.send("x");
}

fn main() {
    let _ = misuse;
}
