//! The command line; and, hidden from `--help`, the ones of the child processes.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::backend::Kind;
use crate::models::{Model, Ports};

/// The search service of a shop, under load, written in three ways.
///
/// Each request makes three calls in a row to three backend processes (user, query, stock), each of which
/// answers after a delay. The service runs as coroutines, as kernel threads and as a chain of callbacks; for
/// each, the same load is sent and every answer is checked.
#[derive(Debug, Parser)]
#[command(
    name = "fanout",
    override_usage = "fanout [OPTIONS]",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What a person may choose.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How the service is written
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) model: Choice,
    /// How many clients there are, each with a connection and one request at a time
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: u32,
    /// How many requests they send together
    #[arg(long, value_name = "N", default_value = "20000", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: u64,
    /// After how many milliseconds each backend answers
    #[arg(long, value_name = "MS", default_value = "10", value_parser = clap::value_parser!(u64).range(..=5_000))]
    pub(crate) delay_ms: u64,
    /// Send no load: serve until Ctrl-C or the end of the input, for `nc` or a client of your own
    #[arg(long, conflicts_with_all = ["json", "concurrency", "requests"])]
    pub(crate) serve: bool,
    /// Print a line of JSON for each model instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// One model or all of them.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Choice {
    /// One after the other
    All,
    /// One coroutine per client (tarae)
    Coroutine,
    /// One kernel thread per client (std); the same source text
    ThreadPerRequest,
    /// One event loop, the handler cut into callbacks (mio)
    Callback,
}

impl Choice {
    /// The models to run.
    pub(crate) fn models(self) -> &'static [Model] {
        match self {
            Choice::All => &Model::ALL,
            Choice::Coroutine => &[Model::Coroutine],
            Choice::ThreadPerRequest => &[Model::ThreadPerRequest],
            Choice::Callback => &[Model::Callback],
        }
    }
}

/// What a child process does. [`arguments`](Self::arguments) is the inverse of parsing.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    #[command(hide = true)]
    Backend {
        #[arg(value_enum)]
        kind: Kind,
        delay_ms: u64,
    },
    #[command(hide = true)]
    Server {
        #[arg(value_enum)]
        model: Model,
        #[command(flatten)]
        ports: Ports,
    },
    #[command(hide = true)]
    Load { addr: SocketAddr, concurrency: u32, requests: u64 },
}

impl Role {
    /// The command line that starts it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let line = match self {
            Role::Backend { kind, delay_ms } => format!("backend {} {delay_ms}", kind.name()),
            Role::Server { model, ports: Ports { user, query, stock } } => {
                format!("server {model} --user {user} --query {query} --stock {stock}")
            }
            Role::Load { addr, concurrency, requests } => format!("load {addr} {concurrency} {requests}"),
        };
        line.split(' ').map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn every_role_can_be_started() {
        let addr: SocketAddr = "127.0.0.1:80".parse().expect("an address");
        let ports = Ports { user: addr, query: addr, stock: addr };
        let servers = Model::ALL.map(|model| Role::Server { model, ports: ports.clone() });
        let backends = [Kind::User, Kind::Query, Kind::Stock].map(|kind| Role::Backend { kind, delay_ms: 1 });
        let load = Role::Load { addr, concurrency: 2, requests: 3 };
        for role in servers.into_iter().chain(backends).chain([load]) {
            let line = ["fanout".to_owned()].into_iter().chain(role.arguments());
            let parsed = Cli::try_parse_from(line).expect("it parses").role;
            assert_eq!(format!("{parsed:?}"), format!("{:?}", Some(role)));
        }
    }
}
