//! What the processes of the scenarios do: join each other, come late, stand last in line for a CPU.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tarae::Runtime;
use tarae::net::{TcpListener, TcpStream};
use tarae::thread::{self, Builder, JoinHandle};

use crate::ROLE;

/// How long whatever must not be reported lasts: several times what a report takes.
pub(crate) const A_WHILE: Duration = Duration::from_millis(2500);

pub(crate) fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).name("test").build().expect("a runtime")
}

#[track_caller]
pub(crate) fn named<T: Send + 'static>(
    name: &str,
    job: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    Builder::new().name(name.into()).spawn(job).expect("a coroutine")
}

/// A hen and an egg, each of which joins the other.
pub(crate) fn join_each_other(one: &Runtime, other: &Runtime) {
    type Slot = Arc<Mutex<VecDeque<JoinHandle<()>>>>;
    fn join_the_first(slot: &Slot) {
        loop {
            let first = slot.lock().unwrap().pop_front();
            match first {
                Some(handle) => return handle.join().unwrap(),
                None => thread::yield_now(),
            }
        }
    }
    let (hens, eggs) = (Slot::default(), Slot::default());
    let own = Arc::clone(&eggs);
    // A builder spawns on the runtime of its caller.
    let hen = one.run(move || named("hen", move || join_the_first(&own)));
    let own = Arc::clone(&hens);
    let egg = other.run(move || named("egg", move || join_the_first(&own)));
    hens.lock().unwrap().push_back(hen);
    eggs.lock().unwrap().push_back(egg);
    one.run(thread::park); // the third
}

pub(crate) fn hen_and_egg() -> Vec<String> {
    let of = |name: &str| here(&format!("named(\"{name}\""));
    let mut expected = vec!["hen".into(), "egg".into(), "join".into(), of("hen"), of("egg")];
    expected.extend([here("the third"), "unpark".into()]);
    expected
}

/// Everything that a runtime can do, then a deadlock: what is left of it must not look like somebody who may act.
pub(crate) fn deadlock_after_a_busy_life(workers: usize) {
    let runtime = runtime(workers);
    runtime.run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = tarae::spawn(move || TcpStream::connect(address).unwrap().write_all(&[7]).unwrap());
        let mut stream = listener.accept().unwrap().0;
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        peer.join().unwrap();
        let naps = (0..10).map(|_| tarae::spawn(|| tarae::blocking(|| pause(20))));
        naps.collect::<Vec<_>>().into_iter().for_each(|nap| nap.join().unwrap());
        let naps = (0..10).map(|_| tarae::spawn(|| pause(20)));
        naps.collect::<Vec<_>>().into_iter().for_each(|nap| nap.join().unwrap());
        std::thread::spawn(|| pause(5)).join().unwrap();
        let lock = tarae::lock_thread().unwrap();
        tarae::sleep(Duration::from_millis(5));
        drop(lock);
        thread::park_timeout(Duration::from_millis(5));
    });
    runtime.run(|| named("survivor", thread::park).join().unwrap());
}

pub(crate) fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

pub(crate) fn spin() {
    let end = Instant::now() + A_WHILE;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// One is parked until another, which does `first` first, unparks it; everyone else waits for them.
pub(crate) fn unparked_after(workers: usize, first: fn()) {
    let runtime = runtime(workers);
    let parked = runtime.spawn(thread::park);
    let waker = parked.thread().clone();
    let unparks = runtime.spawn(move || {
        first();
        waker.unpark();
    });
    runtime.run(move || parked.join().unwrap());
    unparks.join().unwrap();
}

/// Processes that keep all CPUs busy, while this lives.
pub(crate) struct Hogs(pub(crate) Vec<Child>);

impl Hogs {
    pub(crate) fn start() -> Hogs {
        let cpus = std::thread::available_parallelism().map_or(2, usize::from);
        Hogs((0..2 * cpus).map(|_| this_program("compute").arg("-").spawn().unwrap()).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            hog.kill().unwrap();
            hog.wait().unwrap();
        }
    }
}

/// From now on the calling kernel thread runs when no other wants to: once in some tenths of a second beside hogs.
pub(crate) fn last_in_line_for_a_cpu() {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: `priority` is valid for reading; 0 is the calling kernel thread.
    assert_eq!(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &priority) }, 0);
}

/// The peer is a process: no thread of ours will connect.
pub(crate) fn accept_late(workers: usize) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut peer = this_program("connect_late").arg(address).spawn().unwrap();
    runtime(workers).run(move || {
        let listener = TcpListener::from(listener);
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0]).unwrap();
    });
    peer.wait().unwrap();
}

pub(crate) fn read_late(workers: usize) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut peer = this_program("write_late").arg(address).spawn().unwrap();
    runtime(workers).run(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = TcpStream::from(stream);
        stream.read_exact(&mut [0]).unwrap();
    });
    peer.wait().unwrap();
}

/// What a peer does, in a process of its own.
pub(crate) fn peer(role: &str, address: &str) -> bool {
    match role {
        "connect_late" => {
            std::thread::sleep(A_WHILE);
            std::net::TcpStream::connect(address).unwrap().write_all(&[7]).unwrap();
        }
        "write_late" => {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            std::thread::sleep(A_WHILE);
            stream.write_all(&[7]).unwrap();
        }
        "compute" => (0..10).for_each(|_| spin()),
        _ => return false,
    }
    true
}

fn here(text: &str) -> String {
    line_of(file!(), include_str!("waits.rs"), text)
}

/// `file:line` of the line of a file that contains `text` first. The text must stand in a comment or in code above where it is
/// asked for.
pub(crate) fn line_of(file: &str, source: &str, text: &str) -> String {
    let line = source.lines().position(|line| line.contains(text));
    format!("{file}:{}", line.expect("a line of this file") + 1)
}

pub(crate) fn this_program(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(ROLE, role);
    command
}
