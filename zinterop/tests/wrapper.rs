//! The wrapper itself: that this is the libzmq it says it is, and that each call arrives.

use std::thread;
use std::time::Duration;

use zinterop::PATIENCE;
use zinterop::sys::{self, ctx_opt, event, opt, socket_type};
use zinterop::zmq::{self, Context, Error, Msg, PollItem};

fn pair(context: &Context) -> (zmq::Socket, zmq::Socket) {
    let pull = context.socket(socket_type::PULL).unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let push = context.socket(socket_type::PUSH).unwrap();
    push.connect(&endpoint).unwrap();
    (push, pull)
}

#[test]
fn it_is_libzmq_4_3_5_with_everything_on() {
    assert_eq!(zmq::version(), (4, 3, 5));
    for capability in ["ipc", "curve", "draft", "WS"] {
        assert!(zmq::has(capability), "built without {capability}");
    }
    assert!(!zmq::has("pgm"));
}

#[test]
fn draft_sockets_exist() {
    let context = Context::new();
    for kind in socket_type::PAIR..=socket_type::CHANNEL {
        let socket = context.socket(kind).unwrap();
        assert_eq!(socket.option_int(opt::TYPE), Ok(kind));
    }
    assert_eq!(context.socket(99).unwrap_err(), Error::InvalidArgument);
}

#[test]
fn context_options_are_set_and_read() {
    let context = Context::new();
    context.set(ctx_opt::IO_THREADS, 2).unwrap();
    assert_eq!(context.get(ctx_opt::IO_THREADS), Ok(2));
    assert_eq!(
        context.get(ctx_opt::MSG_T_SIZE),
        Ok(size_of::<sys::zmq_msg_t>() as i32)
    );
    assert_eq!(
        context.set(ctx_opt::IO_THREADS, -1),
        Err(Error::InvalidArgument)
    );
}

#[test]
fn options_of_each_type_are_set_and_read() {
    let context = Context::new();
    let socket = context.socket(socket_type::DEALER).unwrap();
    socket.set_int(opt::SNDHWM, 7).unwrap();
    socket.set_i64(opt::MAXMSGSIZE, 1 << 40).unwrap();
    socket.set_bytes(opt::ROUTING_ID, b"me").unwrap();
    assert_eq!(socket.option_int(opt::SNDHWM), Ok(7));
    assert_eq!(socket.option_i64(opt::MAXMSGSIZE), Ok(1 << 40));
    assert_eq!(socket.option_bytes(opt::ROUTING_ID).unwrap(), b"me");
    assert_eq!(
        socket.set_int(opt::MAXMSGSIZE, 1),
        Err(Error::InvalidArgument)
    );
}

#[test]
fn failures_have_causes() {
    let context = Context::new();
    let (push, pull) = pair(&context);
    let taken = pull.last_endpoint().unwrap();
    assert_eq!(push.recv(), Err(Error::NotSupported));
    assert_eq!(pull.send(&["x"]), Err(Error::NotSupported));
    assert_eq!(pull.try_recv(), Err(Error::WouldBlock));
    assert_eq!(
        pull.recv_timeout(Duration::from_millis(5)),
        Err(Error::WouldBlock)
    );
    assert_eq!(push.bind(&taken), Err(Error::AddressInUse));
    assert_eq!(push.bind("nonsense"), Err(Error::InvalidArgument));
    assert_eq!(
        push.connect("tcp://127.0.0.1:1\0"),
        Err(Error::InvalidArgument)
    );
    assert_eq!(
        push.disconnect("tcp://127.0.0.1:1"),
        Err(Error::NoSuchEndpoint)
    );
    assert_eq!(push.unbind("tcp://127.0.0.1:1"), Err(Error::NoSuchEndpoint));
    let req = context.socket(socket_type::REQ).unwrap();
    assert_eq!(req.recv(), Err(Error::WrongState));
}

#[test]
fn shutdown_wakes_a_waiting_call() {
    let context = Context::new();
    let pull = context.socket(socket_type::PULL).unwrap();
    let waiting = thread::spawn(move || pull.recv());
    context.shutdown();
    assert_eq!(waiting.join().unwrap(), Err(Error::Terminated));
    assert_eq!(
        context.socket(socket_type::PULL).unwrap_err(),
        Error::Terminated
    );
}

#[test]
fn one_message_object_receives_every_frame() {
    let context = Context::new();
    let (push, pull) = pair(&context);
    push.send_msg(&mut Msg::copy_from(b"first").unwrap(), sys::SNDMORE)
        .unwrap();
    push.send_buf(&[7; 100], 0).unwrap();
    let mut uninitialised = Msg::with_size(20).unwrap();
    push.send_msg(&mut uninitialised, 0).unwrap();
    assert!(uninitialised.is_empty());

    let mut msg = Msg::new();
    pull.recv_msg(&mut msg, 0).unwrap();
    assert_eq!((msg.as_slice(), msg.more()), (b"first".as_slice(), true));
    pull.recv_msg(&mut msg, 0).unwrap();
    assert_eq!((msg.as_slice(), msg.more()), ([7; 100].as_slice(), false));
    pull.recv_msg(&mut msg, 0).unwrap();
    assert_eq!((msg.len(), msg.more()), (20, false));
}

#[test]
fn a_buffer_that_is_too_small_tells_the_full_length() {
    let context = Context::new();
    let (push, pull) = pair(&context);
    push.send_buf(b"abcdef", 0).unwrap();
    let mut room = [0; 4];
    assert_eq!(pull.recv_buf(&mut room, 0), Ok(6));
    assert_eq!(&room, b"abcd");
}

#[test]
fn poll_tells_which_socket_is_ready() {
    let context = Context::new();
    let (push, pull) = pair(&context);
    let (_other_push, other_pull) = pair(&context);
    push.send(&["x"]).unwrap();
    let mut items = [PollItem::readable(&other_pull), PollItem::readable(&pull)];
    assert_eq!(zmq::poll(&mut items, Some(PATIENCE)), Ok(1));
    assert!(!items[0].is_ready());
    assert!(items[1].is_ready());
    let mut items = [PollItem::readable(&other_pull)];
    assert_eq!(zmq::poll(&mut items, Some(Duration::ZERO)), Ok(0));
    let mut items = [PollItem::writable(&push)];
    assert_eq!(zmq::poll(&mut items, None), Ok(1));
}

#[test]
fn a_monitor_sees_the_handshake_and_the_end() {
    let context = Context::new();
    let pull = context.socket(socket_type::PULL).unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let monitor = pull.monitor(event::ALL).unwrap();
    let push = context.socket(socket_type::PUSH).unwrap();
    push.connect(&endpoint).unwrap();
    let accepted = monitor.wait_for(event::ACCEPTED, PATIENCE).unwrap();
    assert_eq!(accepted.endpoint, endpoint);
    monitor.wait_for_handshake(PATIENCE).unwrap();
    drop(push);
    monitor.wait_for(event::DISCONNECTED, PATIENCE).unwrap();
}

#[test]
fn curve_encrypts_with_fresh_keys() {
    let context = Context::new();
    let (server_public, server_secret) = zmq::curve_keypair().unwrap();
    let (client_public, client_secret) = zmq::curve_keypair().unwrap();
    assert_ne!(server_public, client_public);

    let rep = context.socket(socket_type::REP).unwrap();
    rep.set_int(opt::CURVE_SERVER, 1).unwrap();
    rep.set_bytes(opt::CURVE_SECRETKEY, server_secret.as_bytes())
        .unwrap();
    let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap();

    let req = context.socket(socket_type::REQ).unwrap();
    req.set_bytes(opt::CURVE_SERVERKEY, server_public.as_bytes())
        .unwrap();
    req.set_bytes(opt::CURVE_PUBLICKEY, client_public.as_bytes())
        .unwrap();
    req.set_bytes(opt::CURVE_SECRETKEY, client_secret.as_bytes())
        .unwrap();
    req.connect(&endpoint).unwrap();

    req.send(&["sealed"]).unwrap();
    assert_eq!(rep.recv_timeout(PATIENCE).unwrap(), [b"sealed"]);
    rep.send(&["opened"]).unwrap();
    assert_eq!(req.recv_timeout(PATIENCE).unwrap(), [b"opened"]);
}
