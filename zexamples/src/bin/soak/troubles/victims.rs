//! Sockets that have the bad luck to meet a hostile peer alone.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zexamples::{Result, Transport};
use zsocket::{Error, Push, Req};

use super::raw::{MORE, frame, read_frame, shake_hands};
use super::stream::{Listener, Stream, timed_out};
use crate::stage::Stage;

/// How long a call with a time limit may take beyond it before that is a violation. The machine is busy
/// with everything else at the same time.
const LATENESS: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_millis(100);
/// Non-replies before each reply.
const NON_REPLIES: usize = 200_000;

/// A REQ whose server sends a flood of what is no reply before it replies. Every call must come back in
/// time, and the reply must come through.
pub(super) fn flooded_req(stage: &Stage, transport: Transport) -> Result<()> {
    let (listener, endpoint) = listen(stage, transport)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let server = scope.spawn(|| serve_floods(&listener, &over));
        let result = ask_for_floods(stage, &endpoint);
        over.store(true, Ordering::Relaxed);
        server
            .join()
            .unwrap_or_else(|_| Err("a hostile server panicked".into()))?;
        result
    })
}

fn listen(stage: &Stage, transport: Transport) -> Result<(Listener, String)> {
    let deadline = Instant::now() + crate::PATIENCE;
    loop {
        match Listener::bind(&stage.endpoints.fresh(transport)) {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            result => return Ok(result?),
        }
    }
}

fn ask_for_floods(stage: &Stage, endpoint: &str) -> Result<()> {
    let req = stage.insist(|| stage.context.socket::<Req>())?;
    req.set_linger(Some(Duration::ZERO))?;
    stage.insist(|| req.connect(endpoint))?;
    while !stage.stopping() {
        match req
            .send_timeout("please", crate::PATIENCE)
            .map_err(Error::from)
        {
            Ok(()) => {}
            Err(Error::PeerLost(_)) => continue,
            Err(error) => return Err(error.into()),
        }
        let asked = Instant::now();
        loop {
            let (start, lost) = (Instant::now(), stage.pulse.lost());
            let result = req.recv_timeout(TIMEOUT);
            let mut late = start.elapsed().saturating_sub(TIMEOUT);
            if late > LATENESS {
                late = late.saturating_sub(stage.pulse.lost_until_now() - lost);
            }
            stage
                .log
                .took("flooded REQ: waits, by how much too long", late);
            if late > LATENESS {
                let late = late.as_secs_f64();
                stage.log.violation(&format!(
                    "recv_timeout of a flooded REQ was late by {late:.1} s"
                ));
            }
            match result {
                Ok(reply) if reply[0] == *b"at last" => {
                    stage.log.count("flooded REQ: replies");
                    break;
                }
                Ok(reply) => return Err(format!("a non-reply was received: {reply:?}").into()),
                Err(Error::PeerLost(_)) => {
                    stage.log.count("flooded REQ: lost peers");
                    break;
                }
                Err(Error::WouldBlock(_)) if stage.stopping() => return Ok(()),
                Err(Error::WouldBlock(_)) if asked.elapsed() < crate::PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn serve_floods(listener: &Listener, over: &AtomicBool) -> Result<()> {
    while !over.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok(mut stream) => {
                // Whatever the error is, the client connects again.
                let _ = serve_flood(&mut stream, over);
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    Ok(())
}

fn serve_flood(stream: &mut Stream, over: &AtomicBool) -> io::Result<()> {
    stream.set_timeout(Duration::from_secs(20))?;
    shake_hands(stream, "REP")?;
    let non_replies = frame(0, b"no delimiter").repeat(1000);
    while !over.load(Ordering::Relaxed) {
        // The request: a delimiter and a body.
        while read_frame(stream)?.0 & MORE != 0 {}
        for _ in 0..NON_REPLIES / 1000 {
            stream.write_all(&non_replies)?;
        }
        stream.write_all(&frame(MORE, b""))?;
        stream.write_all(&frame(0, b"at last"))?;
    }
    Ok(())
}

/// A PUSH whose peers send it messages, which it never looks at. It must not keep them.
pub(super) fn flooded_push(stage: &Stage, transport: Transport) -> Result<()> {
    let push = stage.insist(|| stage.context.socket::<Push>())?;
    push.set_linger(Some(Duration::ZERO))?;
    let endpoint = stage.endpoints.fresh(transport);
    let endpoint = stage.insist(|| push.bind(endpoint.as_str()))?.to_string();
    while !stage.stopping() {
        match flood_push(&endpoint) {
            Ok(()) => stage.log.count("flooded PUSH: floods"),
            Err(_) => stage.log.count("flooded PUSH: floods that ended early"),
        }
        stage.pause(Duration::from_millis(200));
    }
    Ok(())
}

fn flood_push(endpoint: &str) -> io::Result<()> {
    let mut stream = Stream::connect(endpoint)?;
    stream.set_timeout(Duration::from_secs(20))?;
    shake_hands(&mut stream, "PULL")?;
    stream.set_timeout(Duration::from_millis(300))?;
    let messages = frame(0, &[0; 1000]).repeat(100);
    for _ in 0..20 {
        match stream.write_all(&messages) {
            // It does not read: that bounds it as well.
            Err(error) if timed_out(&error) => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}
