//! Tasks beside tasks: zlayers' sockets for tasks and those of `omq-tokio`, on the same runtime, in the same minute.
//!
//! ```console
//! $ cargo run --release -p zexamples --features rivals --bin async_versus
//! $ cargo run --release -p zexamples --features rivals --bin async_versus -- --rounds 3 --only tcp
//! ```
//!
//! Each end is a task of one tokio runtime. Latency is half a REQ/REP round trip, throughput is PUSH to PULL; both libraries send
//! handles of one buffer. Both are there twice: zlayers with its own I/O thread, and led by the runtime's event loop
//! (`Leader::on_tokio`); `omq-tokio` with threads of its own, and with its sockets on the caller's runtime. Each run has a fresh runtime
//! and fresh sockets, and the libraries take turns. A figure is the median of its runs; a ratio above 1 means that zlayers, or zlayers
//! led, is better than the better one of the other two.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use tokio::runtime::{Builder, Runtime};
use zexamples::{Error, Result, Table, conclude, say};
use zsocket::Bytes;

/// Compares zlayers with omq-tokio, both used from tokio tasks.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Bytes in each message
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Runs of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Round trips of a run
    #[arg(long, default_value_t = 20_000)]
    trips: u32,
    /// Messages of a run
    #[arg(long, default_value_t = 2_000_000)]
    messages: u32,
    /// The only transport to use
    #[arg(long)]
    only: Option<Transport>,
    /// The only test to make
    #[arg(long)]
    test: Option<Test>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    Tcp,
    Ipc,
    Inproc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    Ours,
    /// Led by the caller's runtime.
    OursLed,
    /// On the caller's runtime.
    Omq,
    /// On threads of its own.
    OmqThreads,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Test {
    Latency,
    Throughput,
}

#[derive(Clone, Copy, Debug)]
enum Threads {
    One,
    Two,
}

fn main() -> ExitCode {
    conclude("async_versus", run(&Cli::parse()).map(|()| true))
}

fn run(cli: &Cli) -> Result<()> {
    let libraries = [
        Library::Ours,
        Library::OursLed,
        Library::Omq,
        Library::OmqThreads,
    ];
    let mut table = Table::new([
        "test",
        "transport",
        "runtime",
        "zlayers",
        "zlayers, led",
        "omq",
        "omq, own threads",
        "ratio",
        "ratio, led",
    ]);
    for test in [Test::Latency, Test::Throughput] {
        for transport in [Transport::Tcp, Transport::Ipc, Transport::Inproc] {
            if cli.only.is_some_and(|only| only != transport)
                || cli.test.is_some_and(|only| only != test)
            {
                continue;
            }
            for threads in [Threads::One, Threads::Two] {
                let mut runs = [const { Vec::new() }; 4];
                for _ in 0..cli.rounds {
                    for (library, runs) in libraries.into_iter().zip(&mut runs) {
                        runs.push(measure(cli, test, transport, threads, library)?);
                    }
                }
                let [ours, led, omq, omq_threads] = runs.map(median);
                let theirs = omq.min(omq_threads);
                let ratio =
                    |own: Duration| format!("{:.2}", theirs.as_secs_f64() / own.as_secs_f64());
                let show = |time: Duration| match test {
                    Test::Latency => {
                        let micros = time.as_secs_f64() * 1e6 / f64::from(2 * cli.trips);
                        format!("{micros:.2} µs")
                    }
                    Test::Throughput => {
                        let rate = f64::from(cli.messages) / time.as_secs_f64() / 1e6;
                        format!("{rate:.2} M/s")
                    }
                };
                table.row([
                    format!("{test:?}"),
                    format!("{transport:?}"),
                    format!("{threads:?}"),
                    show(ours),
                    show(led),
                    show(omq),
                    show(omq_threads),
                    ratio(ours),
                    ratio(led),
                ]);
            }
        }
    }
    say(table.to_markdown());
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn measure(
    cli: &Cli,
    test: Test,
    transport: Transport,
    threads: Threads,
    library: Library,
) -> Result<Duration> {
    let runtime = runtime(threads)?;
    let body = Bytes::from(vec![b'x'; cli.size]);
    let directory = tempfile::tempdir()?;
    let endpoint = match transport {
        Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
        Transport::Ipc => format!("ipc://{}/socket", directory.path().display()),
        Transport::Inproc => "inproc://versus".to_owned(),
    };
    // A task, as both ends are: what the runtime's entry awaits is no task on a worker.
    let measured = runtime.block_on(match (library, test) {
        (Library::Ours | Library::OursLed, Test::Latency) => {
            let led = library == Library::OursLed;
            runtime.spawn(ours::latency(led, endpoint, body, cli.trips))
        }
        (Library::Ours | Library::OursLed, Test::Throughput) => {
            let led = library == Library::OursLed;
            runtime.spawn(ours::throughput(led, endpoint, body, cli.messages))
        }
        (library, Test::Latency) => {
            let make = omq::Make::new(library == Library::OmqThreads);
            runtime.spawn(omq::latency(make, endpoint, body, cli.trips))
        }
        (library, Test::Throughput) => {
            let make = omq::Make::new(library == Library::OmqThreads);
            runtime.spawn(omq::throughput(make, endpoint, body, cli.messages))
        }
    });
    measured.map_err(|failure| Error::from(failure.to_string()))?
}

fn runtime(threads: Threads) -> Result<Runtime> {
    let mut builder = match threads {
        Threads::One => Builder::new_current_thread(),
        Threads::Two => Builder::new_multi_thread(),
    };
    Ok(builder.worker_threads(2).enable_all().build()?)
}

/// Before the clock starts.
const WARM_UP: u32 = 1000;

mod ours {
    use super::{Bytes, Duration, Instant, Result, WARM_UP};
    use zsocket::{Context, Message, Pull, Push, Rep, Req};

    fn context(led: bool) -> Result<Context> {
        let context = Context::new();
        if led {
            tokio::spawn(context.lead()?.on_tokio()?);
        }
        Ok(context)
    }

    pub(super) async fn latency(
        led: bool,
        endpoint: String,
        body: Bytes,
        trips: u32,
    ) -> Result<Duration> {
        let context = context(led)?;
        let mut rep = context.async_socket::<Rep>()?;
        let mut req = context.async_socket::<Req>()?;
        req.connect(rep.bind(&*endpoint)?)?;
        let server = tokio::spawn(async move {
            for _ in 0..WARM_UP + trips {
                let request = rep.recv().await?;
                rep.send(request).await?;
            }
            Ok::<_, zsocket::Error>(rep)
        });
        let mut begin = Instant::now();
        for trip in 0..WARM_UP + trips {
            if trip == WARM_UP {
                begin = Instant::now();
            }
            req.send(body.clone()).await?;
            req.recv().await?;
        }
        let time = begin.elapsed();
        server.await.map_err(|failure| failure.to_string())??;
        Ok(time)
    }

    pub(super) async fn throughput(
        led: bool,
        endpoint: String,
        body: Bytes,
        messages: u32,
    ) -> Result<Duration> {
        let context = context(led)?;
        let mut pull = context.async_socket::<Pull>()?;
        let mut push = context.async_socket::<Push>()?;
        push.connect(pull.bind(&*endpoint)?)?;
        let sender = tokio::spawn(async move {
            for _ in 0..WARM_UP + messages {
                push.send(body.clone()).await?;
            }
            Ok::<_, zsocket::Error>(push)
        });
        let mut begin = Instant::now();
        let mut message = Message::new();
        for number in 0..WARM_UP + messages {
            if number == WARM_UP {
                begin = Instant::now();
            }
            pull.recv_into(&mut message).await?;
        }
        let time = begin.elapsed();
        sender.await.map_err(|failure| failure.to_string())??;
        Ok(time)
    }
}

mod omq {
    use super::{Bytes, Duration, Error, Instant, Result, WARM_UP};
    use omq_tokio::{Context, Endpoint, Message, Options, Socket, SocketType};

    /// Makes sockets in one way or the other.
    pub(super) struct Make(Option<Context>);

    impl Make {
        pub(super) fn new(own_threads: bool) -> Self {
            Self(own_threads.then(Context::new))
        }

        fn socket(&self, socket_type: SocketType) -> Socket {
            match &self.0 {
                Some(context) => context.socket(socket_type, Options::default()),
                None => Socket::new(socket_type, Options::default()),
            }
        }
    }

    fn failed(failure: impl std::fmt::Display) -> Error {
        Error::from(format!("omq: {failure}"))
    }

    fn parsed(endpoint: &str) -> Result<Endpoint> {
        endpoint.replace('*', "0").parse().map_err(failed)
    }

    pub(super) async fn latency(
        make: Make,
        endpoint: String,
        body: Bytes,
        trips: u32,
    ) -> Result<Duration> {
        let rep = make.socket(SocketType::Rep);
        let req = make.socket(SocketType::Req);
        let bound = rep.bind(parsed(&endpoint)?);
        let bound = bound.await.map_err(failed)?;
        req.connect(bound).await.map_err(failed)?;
        let server = tokio::spawn(async move {
            for _ in 0..WARM_UP + trips {
                let request = rep.recv().await.map_err(failed)?;
                rep.send(request).await.map_err(failed)?;
            }
            Ok::<_, Error>(rep)
        });
        let mut begin = Instant::now();
        for trip in 0..WARM_UP + trips {
            if trip == WARM_UP {
                begin = Instant::now();
            }
            let request = Message::single(body.clone());
            req.send(request).await.map_err(failed)?;
            req.recv().await.map_err(failed)?;
        }
        let time = begin.elapsed();
        server.await.map_err(failed)??;
        Ok(time)
    }

    pub(super) async fn throughput(
        make: Make,
        endpoint: String,
        body: Bytes,
        messages: u32,
    ) -> Result<Duration> {
        let pull = make.socket(SocketType::Pull);
        let push = make.socket(SocketType::Push);
        let bound = pull.bind(parsed(&endpoint)?);
        let bound = bound.await.map_err(failed)?;
        push.connect(bound).await.map_err(failed)?;
        let sender = tokio::spawn(async move {
            for _ in 0..WARM_UP + messages {
                let message = Message::single(body.clone());
                push.send(message).await.map_err(failed)?;
            }
            Ok::<_, Error>(push)
        });
        let mut begin = Instant::now();
        for number in 0..WARM_UP + messages {
            if number == WARM_UP {
                begin = Instant::now();
            }
            pull.recv().await.map_err(failed)?;
        }
        let time = begin.elapsed();
        sender.await.map_err(failed)??;
        Ok(time)
    }
}
