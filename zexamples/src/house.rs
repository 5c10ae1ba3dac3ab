//! What the five programs of the security guide have in common: a PUSH that binds and greets one peer, and a PULL that
//! connects and is greeted. What tells them apart is who may come in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tempfile::TempDir;
use zsocket::{Certificate, CertificateProblem, Context, Error, Pull, Push, Security, Socket};

use crate::{Result, conclude, say};

/// How long a client waits for its greeting.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    /// Where keys are kept; those that are missing are made [default: a temporary directory]
    #[arg(long, global = true)]
    keys: Option<PathBuf>,
}

/// Without any, client and server talk in this process.
#[derive(Subcommand)]
enum Role {
    /// Binds, and greets the first who may come in
    Server {
        #[arg(default_value = "tcp://*:9000")]
        endpoint: String,
    },
    /// Connects, and waits for the greeting
    Client {
        #[arg(default_value = "tcp://127.0.0.1:9000")]
        endpoint: String,
    },
}

/// A program of the security guide.
pub struct House {
    /// What it is called.
    pub name: &'static str,
    /// Tells the server's context who may come in, and says how its socket is secured.
    pub server: fn(&Context, &Keys) -> Result<Security>,
    /// Says how the client's socket is secured.
    pub client: fn(&Keys) -> Result<Security>,
}

impl House {
    /// Runs the program: the role on its command line, or both in this process.
    #[must_use]
    pub fn main(&self) -> ExitCode {
        conclude(self.name, self.run(Cli::parse()))
    }

    fn run(&self, cli: Cli) -> Result<bool> {
        let keys = Keys::open(cli.keys)?;
        match cli.role {
            None => {
                let context = Context::new();
                let (server, endpoint) = self.serve(&context, &keys, "tcp://127.0.0.1:*")?;
                let client = self.connect(&Context::new(), &keys, &endpoint)?;
                server.send("Hello")?;
                self.greeted(&client)
            }
            Some(Role::Server { endpoint }) => {
                let context = Context::new();
                let (server, endpoint) = self.serve(&context, &keys, &endpoint)?;
                say(format_args!("Listening on {endpoint}"));
                // Waits until somebody has come in.
                server.send("Hello")?;
                server.close();
                context.term()?;
                Ok(true)
            }
            Some(Role::Client { endpoint }) => {
                let client = self.connect(&Context::new(), &keys, &endpoint)?;
                self.greeted(&client)
            }
        }
    }

    fn serve(
        &self,
        context: &Context,
        keys: &Keys,
        endpoint: &str,
    ) -> Result<(Socket<Push>, String)> {
        let server = context.socket::<Push>()?;
        server.set_security((self.server)(context, keys)?)?;
        let endpoint = server.bind(endpoint)?.to_string();
        Ok((server, endpoint))
    }

    fn connect(&self, context: &Context, keys: &Keys, endpoint: &str) -> Result<Socket<Pull>> {
        let client = context.socket::<Pull>()?;
        client.set_security((self.client)(keys)?)?;
        client.connect(endpoint)?;
        Ok(client)
    }

    fn greeted(&self, client: &Socket<Pull>) -> Result<bool> {
        match client.recv_timeout(PATIENCE) {
            Ok(greeting) => {
                say(format_args!(
                    "Received {}",
                    String::from_utf8_lossy(&greeting[0])
                ));
                Ok(true)
            }
            Err(Error::WouldBlock(_)) => {
                client.diagnose().iter().for_each(say);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A directory of certificates.
pub struct Keys {
    directory: PathBuf,
    /// Removes it at the end.
    _temporary: Option<TempDir>,
}

impl Keys {
    fn open(directory: Option<PathBuf>) -> Result<Self> {
        let Some(directory) = directory else {
            let temporary = tempfile::tempdir()?;
            return Ok(Self {
                directory: temporary.path().to_owned(),
                _temporary: Some(temporary),
            });
        };
        fs::create_dir_all(&directory)?;
        Ok(Self {
            directory,
            _temporary: None,
        })
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The keys of somebody, from `NAME.cert_secret` or, where that is not, from `NAME.cert`. The first time they are made.
    ///
    /// # Errors
    /// If the files cannot be read or written.
    pub fn of(&self, name: &str) -> Result<Certificate> {
        let path = self.directory.join(format!("{name}.cert"));
        if !path.exists() {
            let made = Certificate::generate()?
                .with_metadata("name", name)?
                .save(&path);
            match made {
                // Another process was faster.
                Err(error) if matches!(error.problem(), CertificateProblem::Exists) => {}
                made => made?,
            }
        }
        Ok(Certificate::load(path)?)
    }
}
