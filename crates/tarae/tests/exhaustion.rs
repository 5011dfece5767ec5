//! Running out: of address space, of descriptors, of kernel threads. Each in a process of its own, under a limit.
//!
//! The rule: a clear error at the call that wanted more, nothing lost, and service again when the pressure is gone.

#[path = "support/mod.rs"]
mod support;

use std::io::{Error, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tarae::net::{TcpListener, TcpStream};
use tarae::thread::{self, Builder, JoinHandle};

use support::child::alone;
use support::proc::{open_descriptors, status_of_self};
use support::{bounded, eventually, hush, ms, runtime, text_of};

type Resource = libc::__rlimit_resource_t;

fn limit(resource: Resource, soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: The structure is ours, and valid.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limit) }, 0, "{}", Error::last_os_error());
    limit.rlim_cur = soft.min(limit.rlim_max);
    // SAFETY: As above.
    assert_eq!(unsafe { libc::setrlimit(resource, &limit) }, 0, "{}", Error::last_os_error());
}

/// CPU time that this process has used.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: The structure is ours, and valid.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Parked coroutines, as many as there could be, and the error that ended it.
fn park_until_error(most: usize) -> (Vec<JoinHandle<u8>>, Error) {
    let mut parked = Vec::with_capacity(most);
    while parked.len() < most {
        let job = || {
            thread::park();
            1
        };
        // Those spawned before get to start.
        tarae::yield_now();
        match Builder::new().spawn(job) {
            Ok(handle) => parked.push(handle),
            Err(error) => return (parked, error),
        }
    }
    panic!("{most} coroutines, and no error");
}

fn release(parked: Vec<JoinHandle<u8>>) -> usize {
    parked.iter().for_each(|one| one.thread().unpark());
    parked.into_iter().map(|one| usize::from(one.join().unwrap())).sum()
}

/// Limits the address space to `mib` more than is used now.
fn limit_address_space(mib: u64) {
    limit(libc::RLIMIT_AS, (status_of_self("VmSize") << 10) + (mib << 20));
}

#[test]
fn without_address_space_a_spawn_is_an_error_and_the_runtime_goes_on() {
    alone("without_address_space_a_spawn_is_an_error_and_the_runtime_goes_on", || {
        bounded(|| {
            let runtime = runtime(2);
            runtime.run(|| {
                tarae::yield_now();
                limit_address_space(400);
                for _ in 0..3 {
                    let (parked, error) = park_until_error(2000);
                    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
                    let count = parked.len();
                    assert!(count > 500, "only {count}");
                    // Those that exist go on, and when they have ended there is room again.
                    assert_eq!(release(parked), count);
                }
                assert_eq!(thread::spawn(|| 5).join().unwrap(), 5);
            });
        });
    });
}

#[test]
fn without_address_space_a_kernel_thread_gets_the_error_too() {
    alone("without_address_space_a_kernel_thread_gets_the_error_too", || {
        bounded(|| {
            assert_eq!(tarae::run(|| 1), 1);
            limit_address_space(300);
            let (parked, error) = park_until_error(2000);
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
            assert!(Builder::new().stack_size(1 << 30).spawn(|| ()).is_err());
            let count = parked.len();
            assert_eq!(release(parked), count);
            assert_eq!(tarae::run(|| 2), 2);
        });
    });
}

#[test]
fn without_address_space_thread_spawn_panics_as_in_std() {
    alone("without_address_space_thread_spawn_panics_as_in_std", || {
        bounded(|| {
            runtime(1).run(|| {
                tarae::yield_now();
                hush();
                limit_address_space(300);
                let (parked, _) = park_until_error(2000);
                let loud = std::panic::take_hook();
                std::panic::set_hook(Box::new(|_| ()));
                // The allocator may have given some address space back meanwhile: a few more may succeed.
                let mut more = Vec::new();
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    (0..2000).for_each(|_| more.push(thread::spawn(thread::park)));
                }));
                std::panic::set_hook(loud);
                let text = text_of(&*caught.unwrap_err()).to_owned();
                assert!(text.starts_with("failed to spawn thread"), "{text}");
                more.iter().for_each(|one| one.thread().unpark());
                more.into_iter().for_each(|one| one.join().unwrap());
                release(parked);
            });
        });
    });
}

#[test]
fn a_job_that_could_not_be_spawned_is_dropped() {
    alone("a_job_that_could_not_be_spawned_is_dropped", || {
        bounded(|| {
            runtime(1).run(|| {
                tarae::yield_now();
                limit_address_space(300);
                let (parked, _) = park_until_error(2000);
                let captured = Arc::new(());
                let mut more = Vec::new();
                let refused = (0..2000).any(|_| {
                    let own = Arc::clone(&captured);
                    let job = move || {
                        thread::park();
                        drop(own);
                    };
                    // The allocator may have given some address space back meanwhile: a few more may succeed.
                    Builder::new().spawn(job).map(|one| more.push(one)).is_err()
                });
                assert!(refused);
                assert_eq!(Arc::strong_count(&captured), 1 + more.len());
                more.iter().for_each(|one| one.thread().unpark());
                more.into_iter().for_each(|one| one.join().unwrap());
                release(parked);
            });
        });
    });
}

/// Opens descriptors until there are none.
fn take_descriptors() -> Vec<std::fs::File> {
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect()
}

fn is_out_of_descriptors(error: &Error) -> bool {
    error.raw_os_error() == Some(libc::EMFILE)
}

#[test]
fn without_descriptors_connect_and_accept_are_errors_and_service_resumes() {
    alone("without_descriptors_connect_and_accept_are_errors_and_service_resumes", || {
        bounded(|| {
            runtime(2).run(|| {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let mut waiting = TcpStream::connect(address).unwrap();
                // An accept that has registered the listener before there are none.
                drop(listener.accept().unwrap());
                drop(std::mem::replace(&mut waiting, TcpStream::connect(address).unwrap()));
                limit(libc::RLIMIT_NOFILE, open_descriptors() as u64 + 20);
                let taken = take_descriptors();
                assert!(is_out_of_descriptors(&TcpStream::connect(address).unwrap_err()));
                assert!(is_out_of_descriptors(&waiting.try_clone().unwrap_err()));
                assert!(is_out_of_descriptors(&TcpListener::bind("127.0.0.1:0").unwrap_err()));
                assert!(is_out_of_descriptors(&listener.accept().unwrap_err()));
                assert!(tarae::Runtime::builder().workers(1).build().is_err());
                drop(taken);
                let (mut accepted, _) = listener.accept().unwrap();
                accepted.write_all(b"at last").unwrap();
                drop(accepted);
                let mut got = String::new();
                waiting.read_to_string(&mut got).unwrap();
                assert_eq!(got, "at last", "the connection that waited was not lost");
                drop(TcpStream::connect(address).unwrap());
            });
        });
    });
}

#[test]
fn an_accept_loop_without_descriptors_does_not_spin() {
    alone("an_accept_loop_without_descriptors_does_not_spin", || {
        bounded(|| {
            let runtime = runtime(4);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let _waiting = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let errors = Arc::new(AtomicU32::new(0));
            let own = Arc::clone(&errors);
            limit(libc::RLIMIT_NOFILE, open_descriptors() as u64 + 20);
            let taken = take_descriptors();
            let server = runtime.spawn(move || {
                loop {
                    match listener.accept() {
                        Ok(_) => return,
                        Err(error) => {
                            assert!(is_out_of_descriptors(&error), "{error}");
                            own.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            });
            let (start, used) = (Instant::now(), cpu_time());
            std::thread::sleep(ms(1000));
            let used = cpu_time() - used;
            assert!(used < start.elapsed() / 5, "{used:?} of CPU in a second of waiting");
            let errors = errors.load(Ordering::SeqCst);
            assert!((2..100).contains(&errors), "{errors} errors in a second");
            drop(taken);
            server.join().unwrap();
        });
    });
}

#[test]
fn a_server_under_descriptor_pressure_answers_everyone_in_the_end() {
    alone("a_server_under_descriptor_pressure_answers_everyone_in_the_end", || {
        bounded(|| {
            let runtime = runtime(2);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            limit(libc::RLIMIT_NOFILE, open_descriptors() as u64 + 30);
            const CLIENTS: u8 = 20;
            const REQUESTS: u8 = 10;
            let server = runtime.spawn(move || {
                let mut handlers = Vec::new();
                while handlers.len() < usize::from(CLIENTS) * usize::from(REQUESTS) {
                    let Ok((mut stream, _)) = listener.accept() else { continue };
                    handlers.push(tarae::spawn(move || {
                        let mut byte = [0];
                        stream.read_exact(&mut byte).unwrap();
                        tarae::sleep(ms(1));
                        stream.write_all(&byte).unwrap();
                    }));
                }
                handlers.into_iter().for_each(|handler| handler.join().unwrap());
            });
            // Together they leave the server some, but fewer than there are clients.
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    runtime.spawn(move || {
                        for _ in 0..REQUESTS {
                            let mut stream = loop {
                                match TcpStream::connect(address) {
                                    Ok(stream) => break stream,
                                    Err(error) => assert!(is_out_of_descriptors(&error), "{error}"),
                                }
                                tarae::sleep(ms(1));
                            };
                            stream.write_all(&[number]).unwrap();
                            let mut byte = [0];
                            stream.read_exact(&mut byte).unwrap();
                            assert_eq!(byte, [number]);
                        }
                    })
                })
                .collect();
            clients.into_iter().for_each(|client| client.join().unwrap());
            server.join().unwrap();
        });
    });
}

/// Gives up root, becomes `user`, who has no other process, and allows `more` kernel threads than there are now; `None`,
/// with the reason printed, if we are not root: the limit does not bind root, and counts all processes of a user.
fn limit_threads(user: libc::uid_t, more: u64) -> Option<()> {
    // SAFETY: geteuid(2) has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: a limit on threads is only tested as root, which can become another user");
        return None;
    }
    // SAFETY: setresuid(2) has no preconditions; glibc applies it to all threads.
    let changed = unsafe { libc::setresuid(user, user, user) };
    assert_eq!(changed, 0, "{}", Error::last_os_error());
    limit(libc::RLIMIT_NPROC, status_of_self("Threads") + more);
    Some(())
}

/// Kernel threads that do nothing, as many as the system grants, until they are let go.
struct Hogs {
    go: Arc<(Mutex<bool>, Condvar)>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Hogs {
    fn new() -> Hogs {
        let mut hogs = Hogs { go: Arc::default(), threads: Vec::new() };
        hogs.take_all();
        hogs
    }

    fn take_all(&mut self) {
        let mut refused = 0;
        for _ in 0..10_000 {
            let go = Arc::clone(&self.go);
            let wait = move || {
                let (gone, changed) = &*go;
                drop(changed.wait_while(gone.lock().unwrap(), |gone| !*gone).unwrap());
            };
            match std::thread::Builder::new().stack_size(64 * 1024).spawn(wait) {
                Ok(thread) => {
                    self.threads.push(thread);
                    refused = 0;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                    refused += 1;
                    // An identity in the making takes a thread for a moment, and gives it back.
                    std::thread::sleep(ms(2));
                }
            }
            if refused == 10 {
                return;
            }
        }
        panic!("the limit on threads does not bind");
    }

    fn let_go(self) {
        *self.go.0.lock().unwrap() = true;
        self.go.1.notify_all();
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// A coroutine that has its context, and calls `f` when it is told to.
fn when_told<T: Send + 'static>(
    runtime: &tarae::Runtime,
    f: impl FnOnce() -> T + Send + 'static,
) -> (Arc<AtomicBool>, JoinHandle<T>) {
    let (told, ready) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let handle = runtime.spawn({
        let (told, ready) = (Arc::clone(&told), Arc::clone(&ready));
        move || {
            ready.store(true, Ordering::SeqCst);
            while !told.load(Ordering::SeqCst) {
                tarae::sleep(ms(1));
            }
            f()
        }
    });
    eventually("it has started", || ready.load(Ordering::SeqCst));
    (told, handle)
}

#[test]
fn without_kernel_threads_nothing_is_lost() {
    alone("without_kernel_threads_nothing_is_lost", || {
        bounded(|| {
            let runtime = runtime(2);
            runtime.run(|| ());
            if limit_threads(61001, 50).is_none() {
                return;
            }
            let (ran, open) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
            let (job_ran, gate) = (Arc::clone(&ran), Arc::clone(&open));
            // Each lives until the end: new contexts are needed, and cannot be made.
            let (go, spawner) = when_told(&runtime, move || {
                let mut accepted = Vec::new();
                loop {
                    let (ran, gate) = (Arc::clone(&job_ran), Arc::clone(&gate));
                    let spawned = Builder::new().spawn(move || {
                        while !gate.load(Ordering::SeqCst) {
                            tarae::sleep(ms(1));
                        }
                        ran.fetch_add(1, Ordering::SeqCst);
                    });
                    match spawned {
                        Ok(handle) => accepted.push(handle),
                        Err(error) => return (accepted, error),
                    }
                    assert!(accepted.len() < 100_000, "no error");
                    tarae::yield_now();
                }
            });
            let hogs = Hogs::new();
            go.store(true, Ordering::SeqCst);
            let (accepted, error) = spawner.join().unwrap();
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
            hogs.let_go();
            eventually("spawning works again", || runtime_spawns(&runtime));
            open.store(true, Ordering::SeqCst);
            let count = accepted.len() as u32;
            accepted.into_iter().for_each(|handle| handle.join().unwrap());
            assert_eq!(ran.load(Ordering::SeqCst), count, "every accepted job ran exactly once");
        });
    });
}

fn runtime_spawns(runtime: &tarae::Runtime) -> bool {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let spawned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.spawn(|| ())));
    std::panic::set_hook(loud);
    spawned.map(|handle| handle.join().unwrap()).is_ok()
}

#[test]
fn jobs_queued_before_the_threads_ran_out_run_when_there_are_threads_again() {
    alone("jobs_queued_before_the_threads_ran_out_run_when_there_are_threads_again", || {
        bounded(|| {
            let runtime = runtime(1);
            runtime.run(|| ());
            if limit_threads(61002, 50).is_none() {
                return;
            }
            // Queued without a wait: when they start, contexts cannot be made.
            let ran = Arc::new(AtomicU32::new(0));
            let job_ran = Arc::clone(&ran);
            let (go, spawner) = when_told(&runtime, move || {
                let job = || {
                    let ran = Arc::clone(&job_ran);
                    move || {
                        ran.fetch_add(1, Ordering::SeqCst);
                        // Holds its context for a while, so that others need one of their own.
                        tarae::sleep(ms(2));
                    }
                };
                // As soon as somebody has found out, spawns are refused; the others were accepted.
                (0..1000).filter_map(|_| Builder::new().spawn(job()).ok()).collect::<Vec<_>>()
            });
            let hogs = Hogs::new();
            go.store(true, Ordering::SeqCst);
            let accepted = spawner.join().unwrap();
            assert!(!accepted.is_empty());
            std::thread::sleep(ms(300));
            hogs.let_go();
            let count = accepted.len() as u32;
            accepted.into_iter().for_each(|job| job.join().unwrap());
            assert_eq!(ran.load(Ordering::SeqCst), count);
            eventually("all counted", || runtime.metrics().coroutines.alive() == 0);
        });
    });
}

#[test]
fn contexts_that_are_free_serve_although_no_thread_can_be_made() {
    alone("contexts_that_are_free_serve_although_no_thread_can_be_made", || {
        bounded(|| {
            let runtime = runtime(2);
            // Makes contexts for some hundreds, and lets them go.
            runtime.run(|| {
                let parked: Vec<_> = (0..300).map(|_| thread::spawn(thread::park)).collect();
                tarae::sleep(ms(20));
                parked.iter().for_each(|one| one.thread().unpark());
                parked.into_iter().for_each(|one| one.join().unwrap());
            });
            if limit_threads(61003, 50).is_none() {
                return;
            }
            let hogs = Hogs::new();
            // More than there are contexts for: some cannot start, and a spawn is refused.
            runtime.run(|| {
                let (parked, error) = park_until_error(100_000);
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                let count = parked.len();
                assert_eq!(release(parked), count);
            });
            // All are free now, and the system is still short of threads.
            let refused = (0..100).filter(|_| !runtime_spawns(&runtime)).count();
            hogs.let_go();
            assert_eq!(refused, 0, "of 100 spawns, with hundreds of contexts free");
        });
    });
}

/// The books of the pool balance after a shortage: what is promised and what is given back.
#[test]
fn spawning_goes_on_for_long_after_a_shortage_of_threads() {
    alone("spawning_goes_on_for_long_after_a_shortage_of_threads", || {
        bounded(|| {
            let runtime = runtime(1);
            runtime.run(|| ());
            if limit_threads(61004, 50).is_none() {
                return;
            }
            let hogs = Hogs::new();
            let held = runtime.run(|| {
                let (parked, error) = park_until_error(100_000);
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                parked
            });
            hogs.let_go();
            let address_space = status_of_self("VmSize");
            eventually("spawning works again", || runtime_spawns(&runtime));
            release(held);
            runtime.run(|| {
                for _ in 0..2000 {
                    let some: Vec<_> = (0..10).map(|_| thread::spawn(|| ())).collect();
                    some.into_iter().for_each(|one| one.join().unwrap());
                }
            });
            let grown = status_of_self("VmSize").saturating_sub(address_space);
            assert!(grown < 1 << 20, "{grown} kB more are reserved, for at most eleven coroutines at a time");
        });
    });
}
