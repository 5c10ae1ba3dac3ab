use zsocket::{AsyncSocket, Push};

fn misuse(push: AsyncSocket<Push>) {
    let _ = push.split();
}

fn main() {
    let _ = misuse;
}
