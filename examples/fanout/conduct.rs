//! The parent's work: start the processes, let the load run, look on, and put the report together.
//!
//! The backends serve all models. Each model has a fresh server process, so that its threads, memory and CPU
//! time are its own, and a fresh load generator. Whatever happens, dropping a [`Process`] ends it.

use std::io::{self, IsTerminal, Read};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::backend::Kind;
use crate::cli::{Choice, Options, Role};
use crate::load::Outcome;
use crate::models::{Model, Ports};
use crate::process::Process;
use crate::report::{self, Report};
use crate::vitals::{self, Peaks};

/// How often the server is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// How long the kernel may take to end a process with thousands of threads or connections.
const END_TIME: Duration = Duration::from_secs(1);
/// A load generator that says nothing for so long is stuck: it gives up by itself well before.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Descriptors a process needs besides those of its clients.
const OPEN_FILES_BESIDES: u64 = 64;

const EXAMPLE_REQUEST: &str = r#"{"user":17,"query":"wooden chair"}"#;

/// Runs the chosen models and prints what came out; returns whether there were no errors.
pub(crate) fn measure(options: &Options) -> io::Result<bool> {
    check_limits(options)?;
    let mut backends = Backends::start(options)?;
    if !options.json {
        println!("{}\n", report::introduction(options));
    }
    let mut reports = Vec::new();
    for &model in options.model.models() {
        let report = measure_model(model, options, &mut backends)?;
        if options.json {
            println!("{}", serde_json::to_string(&report)?);
        }
        reports.push(report);
    }
    if !options.json {
        print!("{}", report::table(&reports));
    }
    Ok(reports.iter().all(|report| report.errors == 0))
}

/// Serves until the input ends.
pub(crate) fn serve(options: &Options) -> io::Result<bool> {
    let model = match options.model {
        Choice::All => Model::Coroutine,
        one => one.models()[0],
    };
    let mut backends = Backends::start(options)?;
    let (mut server, addr) = backends.start_server(model)?;
    println!("The {model} service listens on {addr}. In another terminal, try\n");
    println!("    nc {} {}\n", addr.ip(), addr.port());
    println!("and type a line such as\n\n    {EXAMPLE_REQUEST}\n");
    println!("Press Ctrl-C, or end the input with Ctrl-D, to stop.");

    let (sender, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
        drop(sender);
    });
    while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_millis(200)) {
        server.check()?;
        backends.check()?;
    }
    Ok(true)
}

fn measure_model(model: Model, options: &Options, backends: &mut Backends) -> io::Result<Report> {
    let Options { concurrency, requests, .. } = *options;
    // More clients than requests would only be connected, and never used.
    let clients = concurrency.min(u32::try_from(requests).unwrap_or(u32::MAX));
    let (mut server, addr) = backends.start_server(model)?;
    let role = Role::Load { addr, concurrency: clients, requests };
    let mut load = Process::start(format!("load generator for {model}"), &role.arguments())?;

    let bar = progress_bar(model, options);
    let mut peaks = Peaks::default();
    let mut cpu_before = Duration::ZERO;
    let mut last_heard = Instant::now();
    let outcome: Outcome = loop {
        let line = load.line(LOOK_INTERVAL)?;
        server.check()?;
        backends.check()?;
        if let Err(error) = peaks.look(server.pid()) {
            // One that is just ending cannot be looked at; say that it ended, rather.
            thread::sleep(END_TIME);
            server.check()?;
            return Err(error);
        }
        let Some(line) = line else {
            if last_heard.elapsed() > SILENCE_MAX {
                return Err(load.silent(SILENCE_MAX));
            }
            continue;
        };
        last_heard = Instant::now();
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("connected", count) => bar.set_message(format!("{count} connected")),
            ("ready", _) => {
                bar.set_message("");
                cpu_before = vitals::cpu_time(server.pid())?;
                load.tell("go")?;
            }
            ("done", count) => bar.set_position(count.parse().unwrap_or(0)),
            ("result", json) => break serde_json::from_str(json)?,
            _ => {}
        }
    };
    let cpu = vitals::cpu_time(server.pid())?.saturating_sub(cpu_before);
    bar.finish_and_clear();
    if let Some(error) = &outcome.first_error {
        eprintln!("fanout, {model}: {} errors; the first: {error}", outcome.errors);
    }
    let answered = requests - outcome.errors.min(requests);
    Ok(Report {
        model: model.name(),
        concurrency,
        requests,
        errors: outcome.errors,
        requests_per_s: rounded(answered as f64 / outcome.seconds),
        p50_ms: outcome.p50_ms,
        p99_ms: outcome.p99_ms,
        p999_ms: outcome.p999_ms,
        kernel_threads_peak: peaks.kernel_threads,
        peak_rss_bytes: peaks.rss_bytes,
        cpu_ms_per_1000: rounded(cpu.as_secs_f64() * 1e6 / requests as f64),
    })
}

/// The three backend processes.
struct Backends {
    processes: Vec<Process>,
    ports: Ports,
}

impl Backends {
    fn start(options: &Options) -> io::Result<Self> {
        let start = |kind: Kind| {
            let role = Role::Backend { kind, delay_ms: options.delay_ms };
            Process::start_server(format!("{} backend", kind.name()), &role.arguments())
        };
        let (user, query, stock) = (start(Kind::User)?, start(Kind::Query)?, start(Kind::Stock)?);
        let ports = Ports { user: user.1, query: query.1, stock: stock.1 };
        Ok(Backends { processes: vec![user.0, query.0, stock.0], ports })
    }

    fn start_server(&self, model: Model) -> io::Result<(Process, std::net::SocketAddr)> {
        let role = Role::Server { model, ports: self.ports.clone() };
        Process::start_server(format!("{model} server"), &role.arguments())
    }

    fn check(&mut self) -> io::Result<()> {
        self.processes.iter_mut().try_for_each(Process::check)
    }
}

/// Fails before anything is started, if this system cannot hold that many connections.
fn check_limits(options: &Options) -> io::Result<()> {
    let clients = u64::from(options.concurrency);
    let needed = clients + OPEN_FILES_BESIDES;
    if let Some(limit) = vitals::open_files_max()
        && limit < needed
    {
        return Err(io::Error::other(format!(
            "{clients} clients need {needed} open files in a process, and the limit is {limit}: raise it \
             (ulimit -n {needed}) or lower --concurrency"
        )));
    }
    if let Some(ports) = vitals::local_ports_max()
        && ports < needed
    {
        return Err(io::Error::other(format!(
            "{clients} clients need as many local ports, and there are {ports}: widen \
             net.ipv4.ip_local_port_range or lower --concurrency"
        )));
    }
    Ok(())
}

fn progress_bar(model: Model, options: &Options) -> ProgressBar {
    let visible = io::stderr().is_terminal() && !options.json;
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = "{prefix:18} [{bar:24}] {human_pos}/{human_len} requests {msg}";
    let style = ProgressStyle::with_template(style).expect("the template is correct");
    ProgressBar::with_draw_target(Some(options.requests), target)
        .with_style(style.progress_chars("=> "))
        .with_prefix(model.name())
}

/// Three digits behind the point are more than the measurement is worth.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
