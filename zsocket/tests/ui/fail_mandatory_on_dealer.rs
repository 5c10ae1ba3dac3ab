use zsocket::{Dealer, Socket};

fn misuse(dealer: &Socket<Dealer>) {
    let _ = dealer.set_mandatory(true);
}

fn main() {
    let _ = misuse;
}
