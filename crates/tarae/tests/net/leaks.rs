//! Nothing stays: no descriptor, no registration, no waiter. Counted in processes of their own.

use std::io::{Read, Write};
use std::sync::Arc;

use tarae::net::{TcpListener, TcpStream};

use super::peers::pair;
use crate::support::proc::{open_descriptors, tasks_named};
use crate::support::{bounded, child, eventually, ms, runtime};

#[test]
fn descriptors_are_closed_and_deregistered() {
    child::alone("leaks::descriptors_are_closed_and_deregistered", || {
        bounded(|| {
            let runtime = runtime(2);
            let round = || {
                runtime.run(|| {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    let address = listener.local_addr().unwrap();
                    let clients: Vec<_> = (0..50)
                        .map(|number| {
                            tarae::spawn(move || {
                                let mut stream = TcpStream::connect(address).unwrap();
                                stream.set_read_timeout(Some(ms(1 + number % 3))).unwrap();
                                let _ = stream.read(&mut [0; 8]);
                                stream.write_all(b"bye").unwrap();
                                let clone = stream.try_clone().unwrap();
                                drop(stream);
                                clone.set_read_timeout(None).unwrap();
                                assert_eq!((&clone).read(&mut [0; 8]).unwrap(), 0);
                            })
                        })
                        .collect();
                    for stream in listener.incoming().take(50) {
                        let mut stream = stream.unwrap();
                        stream.read_exact(&mut [0; 3]).unwrap();
                    }
                    clients.into_iter().for_each(|client| client.join().unwrap());
                });
            };
            round();
            let before = open_descriptors();
            (0..10).for_each(|_| round());
            eventually("as many descriptors as before", || open_descriptors() == before);
        });
    });
}

#[test]
fn a_failed_connect_leaves_no_descriptor() {
    child::alone("leaks::a_failed_connect_leaves_no_descriptor", || {
        bounded(|| {
            let runtime = runtime(1);
            runtime.run(|| ());
            let before = open_descriptors();
            runtime.run(|| {
                let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
                for _ in 0..100 {
                    TcpStream::connect(address).unwrap_err();
                    TcpStream::connect_timeout(&address, ms(10)).unwrap_err();
                }
            });
            assert_eq!(open_descriptors(), before);
        });
    });
}

#[test]
fn a_dropped_runtime_closes_what_its_coroutines_held() {
    child::alone("leaks::a_dropped_runtime_closes_what_its_coroutines_held", || {
        bounded(|| {
            drop(runtime(2));
            // The threads close them as they end, shortly after the drop.
            eventually("its threads end", || tasks_named("test-").is_empty());
            let before = open_descriptors();
            for _ in 0..10 {
                let runtime = runtime(2);
                for _ in 0..20 {
                    runtime.spawn(|| {
                        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                        listener.accept().map(drop)
                    });
                    runtime.spawn(|| {
                        let (stream, _peer) = pair();
                        (&stream).read(&mut [0; 8]).map(drop)
                    });
                }
                std::thread::sleep(ms(10));
            }
            eventually("as many descriptors as before", || open_descriptors() == before);
        });
    });
}

/// A stream whose reader timed out a thousand times keeps no list of them.
#[test]
fn timed_out_waiters_are_not_remembered() {
    child::alone("leaks::timed_out_waiters_are_not_remembered", || {
        bounded(|| {
            runtime(1).run(|| {
                let (stream, _peer) = pair();
                let stream = Arc::new(stream);
                stream.set_read_timeout(Some(ms(1))).unwrap();
                let spin = |rounds: usize| {
                    let readers: Vec<_> = (0..rounds)
                        .map(|_| {
                            let stream = Arc::clone(&stream);
                            tarae::spawn(move || (&*stream).read(&mut [0; 8]).unwrap_err())
                        })
                        .collect();
                    readers.into_iter().for_each(|reader| drop(reader.join().unwrap()));
                };
                spin(1000);
                let shown = format!("{stream:?}");
                let before = crate::support::proc::status_of_self("VmRSS");
                (0..20).for_each(|_| spin(1000));
                let after = crate::support::proc::status_of_self("VmRSS");
                assert!(after < before + 20_000, "{shown}: from {before} to {after} kB");
            });
        });
    });
}
