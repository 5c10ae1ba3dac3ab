use zsocket::{Push, Socket};

fn share<T: Sync>(_: &T) {}

fn misuse(push: &Socket<Push>) {
    share(push);
}

fn main() {
    let _ = misuse;
}
