use zsocket::{AsyncSocket, Req};

fn misuse(req: AsyncSocket<Req>) {
    let _ = req.split();
}

fn main() {
    let _ = misuse;
}
