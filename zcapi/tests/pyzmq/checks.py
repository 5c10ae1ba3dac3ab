"""Checks of pyzmq, which has to be built against the library that they are about.

    python checks.py LIBRARY     LIBRARY is the file that has to be loaded, libzmq.so.5

Prints a line for each check, and ends with 1 if one has failed.
"""

import asyncio
import faulthandler
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
import traceback

import zmq
import zmq.asyncio
import zmq.auth
from zmq.auth.asyncio import AsyncioAuthenticator
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import recv_monitor_message

PATIENCE = 20_000  # ms

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class Scene:
    """A context whose sockets wait for so long at most, and which ends with the check."""

    def __init__(self, context=None):
        self.context = context or zmq.Context()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)

    def socket(self, kind, **options):
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = PATIENCE
        for name, value in options.items():
            setattr(socket, name, value)
        return socket

    def pair(self, bound, connected, endpoint="tcp://127.0.0.1", **options):
        a, b = self.socket(bound, **options), self.socket(connected, **options)
        if endpoint.startswith("tcp"):
            port = a.bind_to_random_port(endpoint)
            b.connect(f"{endpoint}:{port}")
        else:
            a.bind(endpoint)
            b.connect(endpoint)
        return a, b


def raises(errno, call, *arguments, **more):
    try:
        call(*arguments, **more)
    except zmq.ZMQError as error:
        assert error.errno == errno, (error.errno, str(error))
        return
    raise AssertionError(f"{call} has not failed")


# ---- The library ----


@check
def the_right_library_is_loaded():
    wanted = os.path.realpath(sys.argv[1])
    loaded = {line.split()[-1] for line in open("/proc/self/maps") if "libzmq" in line}
    assert {os.path.realpath(path) for path in loaded} == {wanted}, loaded
    assert zmq.zmq_version_info() == (4, 3, 5)


@check
def capabilities_are_told():
    assert zmq.has("curve") and zmq.has("ipc")
    assert not zmq.has("nonsense") and not zmq.has("pgm")


@check
def errors_have_text():
    assert zmq.strerror(zmq.ETERM) == "Context was terminated"
    assert "again" in str(zmq.Again()) or "unavailable" in str(zmq.Again())


# ---- Requests and replies ----


@check
def requests_are_answered_over_every_transport():
    with tempfile.TemporaryDirectory() as directory:
        for endpoint in ["tcp://127.0.0.1", "inproc://requests", f"ipc://{directory}/socket"]:
            with Scene() as scene:
                rep, req = scene.pair(zmq.REP, zmq.REQ, endpoint)
                for number in range(50):
                    req.send_json({"number": number})
                    assert rep.recv_json() == {"number": number}
                    rep.send_pyobj(number + 1)
                    assert req.recv_pyobj() == number + 1


@check
def out_of_turn_is_an_error():
    with Scene() as scene:
        rep, req = scene.pair(zmq.REP, zmq.REQ)
        raises(zmq.EFSM, req.recv)
        raises(zmq.EFSM, rep.send, b"x")
        req.send(b"question")
        raises(zmq.EFSM, req.send, b"another")
        assert rep.recv() == b"question"
        raises(zmq.EFSM, rep.recv)


@check
def a_relaxed_requester_goes_on():
    with Scene() as scene:
        rep, req = scene.socket(zmq.REP), scene.socket(zmq.REQ, req_relaxed=1, req_correlate=1)
        port = rep.bind_to_random_port("tcp://127.0.0.1")
        req.connect(f"tcp://127.0.0.1:{port}")
        req.send(b"first")
        assert rep.recv() == b"first"
        req.send(b"second")
        rep.send(b"to the first")
        assert rep.recv() == b"second"
        rep.send(b"to the second")
        assert req.recv() == b"to the second"


# ---- Publishing ----


@check
def subscribers_get_what_they_ask_for():
    with Scene() as scene:
        xpub, sub = scene.socket(zmq.XPUB), scene.socket(zmq.SUB)
        port = xpub.bind_to_random_port("tcp://127.0.0.1")
        sub.subscribe("weather.")
        sub.connect(f"tcp://127.0.0.1:{port}")
        assert xpub.recv() == b"\1weather."
        xpub.send_multipart([b"news", b"no"])
        xpub.send_multipart([b"weather.zurich", b"sunny"])
        assert sub.recv_multipart() == [b"weather.zurich", b"sunny"]
        sub.unsubscribe("weather.")
        assert xpub.recv() == b"\0weather."


@check
def a_publisher_never_waits():
    with Scene() as scene:
        pub, sub = scene.pair(zmq.PUB, zmq.SUB)
        assert pub.get(zmq.EVENTS) == zmq.POLLOUT
        for _ in range(5000):
            pub.send(b"to nobody")
        sub.subscribe(b"")
        poller = zmq.Poller()
        poller.register(sub, zmq.POLLIN)
        deadline = time.monotonic() + PATIENCE / 1000
        while not poller.poll(10):
            pub.send(b"hello")
            assert time.monotonic() < deadline
        assert sub.recv() == b"hello"


@check
def updates_go_through_a_proxy():
    with Scene() as scene:
        xsub, xpub = scene.socket(zmq.XSUB), scene.socket(zmq.XPUB)
        xsub.bind("inproc://publishers")
        xpub.bind("inproc://subscribers")

        def run():
            try:
                zmq.proxy(xsub, xpub)
            except zmq.ContextTerminated:
                pass
            xsub.close()
            xpub.close()

        thread = threading.Thread(target=run)
        thread.start()
        pub, sub = scene.socket(zmq.XPUB), scene.socket(zmq.SUB)
        pub.connect("inproc://publishers")
        sub.subscribe("a")
        sub.connect("inproc://subscribers")
        assert pub.recv() == b"\1a"
        pub.send(b"abc")
        assert sub.recv() == b"abc"
        pub.close()
        sub.close()
        scene.context.term()
        thread.join(10)
        assert not thread.is_alive()


# ---- Routing ----


@check
def a_router_knows_its_dealers():
    with Scene() as scene:
        router = scene.socket(zmq.ROUTER)
        port = router.bind_to_random_port("tcp://127.0.0.1")
        dealers = {}
        for name in [b"anna", b"bert"]:
            dealers[name] = scene.socket(zmq.DEALER, routing_id=name)
            dealers[name].connect(f"tcp://127.0.0.1:{port}")
            dealers[name].send_multipart([b"", b"hello"])
        heard = dict((name, rest) for name, *rest in (router.recv_multipart() for _ in dealers))
        assert heard == {name: [b"", b"hello"] for name in dealers}
        for name, dealer in dealers.items():
            router.send_multipart([name, b"you are", name])
            assert dealer.recv_multipart() == [b"you are", name]


@check
def a_mandatory_router_says_that_nobody_is_there():
    with Scene() as scene:
        router = scene.socket(zmq.ROUTER)
        router.send_multipart([b"nobody", b"dropped"])
        router.router_mandatory = 1
        raises(zmq.EHOSTUNREACH, router.send_multipart, [b"nobody", b"x"])


@check
def messages_have_many_parts():
    with Scene() as scene:
        a, b = scene.pair(zmq.PAIR, zmq.PAIR)
        parts = [bytes([number]) * number * 37 for number in range(200)]
        a.send_multipart(parts)
        assert b.recv_multipart() == parts
        a.send(b"one", zmq.SNDMORE)
        raises(zmq.EAGAIN, b.recv, zmq.NOBLOCK)
        a.send(b"two")
        assert b.recv() == b"one" and b.rcvmore
        assert b.recv() == b"two" and not b.rcvmore


# ---- Messages ----


@check
def large_messages_are_not_copied_and_given_back():
    with Scene() as scene:
        for endpoint in ["tcp://127.0.0.1", "inproc://large"]:
            push, pull = scene.pair(zmq.PUSH, zmq.PULL, endpoint)
            body = os.urandom(3_000_000)
            tracker = push.send(body, copy=False, track=True)
            frame = pull.recv(copy=False)
            assert frame.bytes == body
            del frame
            tracker.wait(PATIENCE / 1000)
            assert tracker.done


@check
def frames_tell_about_their_peer():
    with Scene() as scene:
        push, pull = scene.pair(zmq.PUSH, zmq.PULL)
        push.send(b"x" * 10)
        frame = pull.recv(copy=False)
        assert frame.get("Socket-Type") == "PUSH"
        assert frame.get("Peer-Address") == "127.0.0.1"


@check
def buffers_are_filled():
    with Scene() as scene:
        push, pull = scene.pair(zmq.PUSH, zmq.PULL)
        buffer = bytearray(8)
        for body, size in [(b"12345678", 8), (b"1234", 4), (b"", 0)]:
            push.send(body)
            try:
                assert pull.recv_into(buffer) == size
            except AttributeError:  # Before pyzmq 26.4.
                assert pull.recv() == body


# ---- Waiting ----


@check
def a_poller_tells_states():
    with Scene() as scene:
        rep, req = scene.pair(zmq.REP, zmq.REQ)
        poller = zmq.Poller()
        for socket in [rep, req]:
            poller.register(socket, zmq.POLLIN | zmq.POLLOUT)

        def settle(states):
            deadline = time.monotonic() + PATIENCE / 1000
            while dict(poller.poll(10)) != states:
                assert time.monotonic() < deadline, (dict(poller.poll(0)), states)

        settle({req: zmq.POLLOUT})
        req.send(b"question")
        settle({rep: zmq.POLLIN})
        rep.recv()
        settle({rep: zmq.POLLOUT})
        rep.send(b"answer")
        settle({req: zmq.POLLIN})
        req.recv()
        settle({req: zmq.POLLOUT})


@check
def a_poller_waits_for_descriptors_and_time():
    with Scene() as scene:
        pull = scene.socket(zmq.PULL)
        out, into = os.pipe()
        try:
            poller = zmq.Poller()
            poller.register(pull, zmq.POLLIN)
            poller.register(out, zmq.POLLIN)
            begin = time.monotonic()
            assert poller.poll(100) == []
            assert 0.09 < time.monotonic() - begin < 5
            os.write(into, b"x")
            assert poller.poll(PATIENCE) == [(out, zmq.POLLIN)]
        finally:
            os.close(out)
            os.close(into)


@check
def timeouts_are_kept():
    with Scene() as scene:
        pull, push = scene.socket(zmq.PULL), scene.socket(zmq.PUSH)
        pull.rcvtimeo = push.sndtimeo = 50
        for call, arguments in [(pull.recv, ()), (push.send, (b"x",))]:
            begin = time.monotonic()
            raises(zmq.EAGAIN, call, *arguments)
            assert 0.04 < time.monotonic() - begin < 5


@check
def signals_do_not_end_calls_and_keyboard_interrupts_do():
    with Scene() as scene:
        pull = scene.socket(zmq.PULL)
        seen = []
        before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            pull.rcvtimeo = 200
            raises(zmq.EAGAIN, pull.recv)
            assert seen == [1]

            def interrupt(*_):
                raise KeyboardInterrupt

            signal.signal(signal.SIGALRM, interrupt)
            pull.rcvtimeo = PATIENCE
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            begin = time.monotonic()
            try:
                pull.recv()
                raise AssertionError("nothing has come")
            except KeyboardInterrupt:
                assert time.monotonic() - begin < PATIENCE / 2000
        finally:
            signal.signal(signal.SIGALRM, before)


# ---- Contexts ----


@check
def the_end_of_a_context_ends_calls():
    context = zmq.Context()
    pull = context.socket(zmq.PULL)
    ended = []

    def wait():
        try:
            pull.recv()
        except zmq.ContextTerminated:
            ended.append(1)
        pull.close()

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)
    context.term()
    thread.join(10)
    assert ended == [1] and context.closed
    raises(zmq.ENOTSOCK, pull.recv)


@check
def many_sockets_come_and_go():
    context = zmq.Context()
    for _ in range(20):
        sockets = [context.socket(zmq.REP) for _ in range(60)]
        for socket in sockets:
            socket.close()
    assert context.get(zmq.MAX_SOCKETS) == 1023
    context.term()


@check
def options_read_back():
    with Scene() as scene:
        pub = scene.context.socket(zmq.PUB)
        pub.linger = 11
        pub.set_hwm(77)
        pub.setsockopt(zmq.IDENTITY, b"me")
        assert (pub.linger, pub.sndhwm, pub.rcvhwm, pub.identity) == (11, 77, 77, b"me")
        assert isinstance(pub.get(zmq.FD), int) and pub.get(zmq.TYPE) == zmq.PUB
        unreadable = ("HWM", "ROUTER", "XPUB", "TCP", "FAIL", "REQ_", "CURVE_", "PROBE_ROUTER", "IPC_FILTER", "GSSAPI",
                      "STREAM_", "VMCI_", "BLOCKY", "IN_BATCH_SIZE", "OUT_BATCH_SIZE", "WSS_TRUST_SYSTEM",
                      "ONLY_FIRST_SUBSCRIBE", "PRIORITY", "RECONNECT_STOP", "NORM_", "BUSY_POLL", "XSUB_VERBOSE_",
                      "TOPICS_")
        for option in zmq.SocketOption:
            if option._opt_type.name in ("int", "int64") and not option.name.startswith(unreadable):
                assert isinstance(pub.get(option), int), option
        raises(zmq.EINVAL, pub.setsockopt, 9999, 1)
        raises(zmq.EINVAL, pub.set, zmq.EVENTS, 1)
        raises(zmq.EPROTONOSUPPORT, pub.connect, "pigeon://roof")
        raises(zmq.EINVAL, pub.connect, "tcp://")


@check
def a_forked_child_has_a_context_of_its_own():
    with Scene() as scene:
        pull = scene.socket(zmq.PULL)
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        child = os.fork()
        if child == 0:
            try:
                context = zmq.Context()
                push = context.socket(zmq.PUSH)
                push.connect(f"tcp://127.0.0.1:{port}")
                push.send(b"from the child")
                push.close()
                context.term()
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert pull.recv() == b"from the child"
        assert os.waitpid(child, 0)[1] == 0


# ---- Monitors ----


@check
def a_monitor_tells_of_connections():
    with Scene() as scene:
        rep, req = scene.socket(zmq.REP), scene.socket(zmq.REQ)
        port = rep.bind_to_random_port("tcp://127.0.0.1")
        monitor = req.get_monitor_socket()
        monitor.linger = 0
        assert req.get_monitor_socket() is monitor
        req.connect(f"tcp://127.0.0.1:{port}")
        events = []
        while zmq.Event.HANDSHAKE_SUCCEEDED not in events:
            assert monitor.poll(PATIENCE)
            event = recv_monitor_message(monitor)
            events.append(event["event"])
            assert event["endpoint"] == f"tcp://127.0.0.1:{port}".encode()
        assert zmq.Event.CONNECTED in events
        req.disable_monitor()
        again = req.get_monitor_socket()
        again.linger = 0
        req.close()
        rep.close()


# ---- Security ----


def keys():
    return zmq.curve_keypair()


@check
def curve_keys_belong_together():
    public, secret = keys()
    assert len(public) == len(secret) == 40
    assert zmq.curve_public(secret) == public
    with Scene() as scene:
        client = scene.socket(zmq.DEALER)
        client.curve_serverkey = client.curve_publickey = public
        client.curve_secretkey = secret
        assert client.mechanism == zmq.CURVE and not client.get(zmq.CURVE_SERVER)
        raises(zmq.EINVAL, client.set, zmq.CURVE_SERVERKEY, b"short")


@check
def curve_with_an_authenticator_in_a_thread():
    with Scene() as scene, tempfile.TemporaryDirectory() as directory:
        zmq.auth.create_certificates(directory, "client")
        zmq.auth.create_certificates(directory, "server")
        allowed = pathlib.Path(directory) / "allowed"
        allowed.mkdir()
        (pathlib.Path(directory) / "client.key").rename(allowed / "client.key")
        public, secret = zmq.auth.load_certificate(f"{directory}/client.key_secret")
        server_public, server_secret = zmq.auth.load_certificate(f"{directory}/server.key_secret")
        authenticator = ThreadAuthenticator(scene.context)
        authenticator.start()
        try:
            authenticator.configure_curve(domain="*", location=str(allowed))
            pull = scene.socket(zmq.PULL, curve_server=True, curve_publickey=server_public,
                                curve_secretkey=server_secret)
            port = pull.bind_to_random_port("tcp://127.0.0.1")
            for (mine, hidden), admitted in [((public, secret), True), (keys(), False)]:
                push = scene.socket(zmq.PUSH, curve_serverkey=server_public, curve_publickey=mine,
                                    curve_secretkey=hidden)
                push.connect(f"tcp://127.0.0.1:{port}")
                push.send(b"hello")
                assert bool(pull.poll(PATIENCE if admitted else 300)) == admitted
                if admitted:
                    frame = pull.recv(copy=False)
                    assert frame.bytes == b"hello" and frame.get("User-Id")
        finally:
            authenticator.stop()


@check
def plain_with_an_authenticator_in_a_task():
    async def run():
        with Scene(zmq.asyncio.Context()) as scene:
            authenticator = AsyncioAuthenticator(scene.context)
            authenticator.start()
            authenticator.configure_plain(domain="*", passwords={"admin": "secret"})
            pull = scene.socket(zmq.PULL, plain_server=True)
            port = pull.bind_to_random_port("tcp://127.0.0.1")
            for password, admitted in [(b"guess", False), (b"secret", True)]:
                push = scene.socket(zmq.PUSH, plain_username=b"admin", plain_password=password)
                push.connect(f"tcp://127.0.0.1:{port}")
                await push.send(b"hello")
                assert bool(await pull.poll(PATIENCE if admitted else 300)) == admitted
            assert await pull.recv() == b"hello"
            authenticator.stop()

    asyncio.run(run())


# ---- Tasks ----


@check
def tasks_send_and_receive():
    async def run():
        with Scene(zmq.asyncio.Context()) as scene:
            push, pull = scene.pair(zmq.PUSH, zmq.PULL)

            async def send():
                for number in range(3000):
                    await push.send_multipart([b"part", str(number).encode()])

            task = asyncio.create_task(send())
            for number in range(3000):
                parts = await asyncio.wait_for(pull.recv_multipart(), PATIENCE / 1000)
                assert parts == [b"part", str(number).encode()], parts
            await task

    asyncio.run(run())


@check
def a_cancelled_receive_loses_nothing():
    async def run():
        with Scene(zmq.asyncio.Context()) as scene:
            dealer, router = scene.pair(zmq.DEALER, zmq.ROUTER)
            for number in range(50):
                waiting = asyncio.ensure_future(router.recv_multipart())
                await asyncio.sleep(0)
                waiting.cancel()
                await dealer.send(str(number).encode())
                parts = await asyncio.wait_for(router.recv_multipart(), PATIENCE / 1000)
                assert parts[1] == str(number).encode()

    asyncio.run(run())


@check
def many_tasks_share_a_server():
    async def run():
        with Scene(zmq.asyncio.Context()) as scene:
            router = scene.socket(zmq.ROUTER)
            port = router.bind_to_random_port("tcp://127.0.0.1")

            async def serve():
                while True:
                    await router.send_multipart(await router.recv_multipart())

            async def ask(client):
                dealer = scene.socket(zmq.DEALER)
                dealer.connect(f"tcp://127.0.0.1:{port}")
                for number in range(50):
                    await dealer.send(f"{client} {number}".encode())
                    assert await dealer.recv() == f"{client} {number}".encode()

            server = asyncio.create_task(serve())
            clients = asyncio.gather(*(ask(client) for client in range(20)))
            await asyncio.wait_for(clients, 2 * PATIENCE / 1000)
            server.cancel()

    asyncio.run(run())


@check
def threads_have_sockets_of_their_own():
    with Scene() as scene:
        pull = scene.socket(zmq.PULL)
        port = pull.bind_to_random_port("tcp://127.0.0.1")

        def send(name):
            push = scene.context.socket(zmq.PUSH)
            push.connect(f"tcp://127.0.0.1:{port}")
            for number in range(500):
                push.send(b"%d %d" % (name, number))
            push.close()

        threads = [threading.Thread(target=send, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        heard = [pull.recv() for _ in range(8 * 500)]
        assert len(set(heard)) == 8 * 500
        for thread in threads:
            thread.join()


def main():
    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        begin = time.monotonic()
        # One that hangs says where, and ends all.
        faulthandler.dump_traceback_later(120, exit=True)
        try:
            function()
        except BaseException:
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"ok      {name} ({time.monotonic() - begin:.2f} s)", flush=True)
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks have passed with pyzmq {zmq.__version__}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
