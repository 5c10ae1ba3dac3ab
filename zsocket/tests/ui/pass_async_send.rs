//! Futures of sockets for tasks can go to another thread, whatever the pattern is.

use std::task::{Context as TaskContext, Waker};

use zsocket::{
    AsyncReceiver, AsyncSender, AsyncSocket, CanReceive, CanSend, CanSplit, Context, Message, PeerId,
    Pull, Req, Router, Socket,
};

fn sent<T: Send>(value: T) -> T {
    value
}

fn receives<P: CanReceive>(mut socket: AsyncSocket<P>, message: &mut Message) {
    drop(sent(socket.recv()));
    drop(sent(socket.recv_into(message)));
    drop(sent(socket.recv_from()));
    drop(sent(socket.connected(1)));
    let _ = socket.poll_recv(&mut TaskContext::from_waker(Waker::noop()));
    sent(socket);
}

fn sends<P: CanSend>(mut socket: AsyncSocket<P>) {
    drop(sent(socket.send("text")));
    drop(sent(socket.send(Message::from(["two", "frames"]))));
    let mut message = Message::from("x");
    let _ = socket.poll_send(&mut TaskContext::from_waker(Waker::noop()), &mut message);
}

fn routes(mut socket: AsyncSocket<Router>, mut half: AsyncSender<Router>, peer: PeerId) {
    drop(sent(socket.send_to(peer, "x")));
    drop(sent(half.send_to(peer, "x")));
}

fn halves<P: CanSplit>(mut receiver: AsyncReceiver<P>, mut sender: AsyncSender<P>) {
    drop(sent(receiver.recv()));
    drop(sent(receiver.recv_from()));
    drop(sent(sender.send("x")));
    sent((receiver, sender));
}

fn spawned(mut req: AsyncSocket<Req>) {
    tokio::spawn(async move {
        req.send("x").await?;
        let reply = req.recv().await?;
        println!("{} {:?}", req.as_socket().peers(), reply);
        Ok::<_, zsocket::Error>(())
    });
}

fn generic<P: CanReceive>(socket: Socket<P>) {
    let mut socket = socket.into_async();
    smol::spawn(async move { socket.recv().await.is_ok() }).detach();
}

fn main() {
    receives(Context::new().async_socket::<Pull>().unwrap(), &mut Message::new());
    let _ = (sends::<Req>, routes, halves::<Router>, spawned, generic::<Pull>);
}
