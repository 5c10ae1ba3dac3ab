use zsocket::{Push, Socket};

fn misuse(push: &Socket<Push>) {
    let _ = push.recv();
}

fn main() {
    let _ = misuse;
}
