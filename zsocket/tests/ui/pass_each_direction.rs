//! The counterpart of what fails: all of this is allowed.

use zsocket::{Context, Pull, Push, Router, Socket, Sub};

fn use_them(push: &Socket<Push>, pull: &Socket<Pull>, sub: &Socket<Sub>, router: &Socket<Router>) {
    let _ = push.send("x");
    let _ = pull.recv();
    let _ = sub.subscribe("x");
    let _ = router.set_mandatory(true);
}

fn moved_to_another_thread(push: Socket<Push>) {
    std::thread::spawn(move || push.send("x").is_ok());
}

fn main() {
    let _ = (use_them, moved_to_another_thread, Context::new);
}
