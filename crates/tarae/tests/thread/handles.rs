//! Names, ids and handles.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use tarae::thread::{self, Builder, ThreadId};

use crate::support::{bounded, hush, ms, on_workers, text_of};

#[test]
fn a_name_is_seen_inside_and_outside() {
    on_workers(|| {
        let handle = Builder::new()
            .name("baker".into())
            .spawn(|| {
                thread::yield_now();
                thread::current().name().map(str::to_owned)
            })
            .unwrap();
        assert_eq!(handle.thread().name(), Some("baker"));
        assert_eq!(handle.join().unwrap().as_deref(), Some("baker"));
        let unnamed = thread::spawn(|| thread::current().name().is_none());
        assert_eq!(unnamed.thread().name(), None);
        assert!(unnamed.join().unwrap());
        let empty = Builder::new().name(String::new()).spawn(|| ()).unwrap();
        assert_eq!(empty.thread().name(), Some(""));
    });
}

#[test]
fn a_name_with_a_null_byte_panics_as_in_std() {
    bounded(|| {
        hush();
        let name = || String::from("on purpose\0");
        let std_panics = catch_unwind(|| drop(std::thread::Builder::new().name(name()).spawn(|| ())));
        assert!(std_panics.is_err());
        let builder = Builder::new().name(name());
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let ours = catch_unwind(AssertUnwindSafe(|| drop(builder.spawn(|| ()))));
        std::panic::set_hook(loud);
        let payload = ours.unwrap_err();
        assert_eq!(text_of(&*payload), "thread name may not contain interior null bytes");
    });
}

#[test]
fn a_stack_size_is_what_a_coroutine_can_use() {
    #[inline(never)]
    fn deep(kib: usize) -> u8 {
        let page = [kib as u8; 1024];
        std::hint::black_box(&page);
        if kib == 0 { page[0] } else { deep(kib - 1).wrapping_add(std::hint::black_box(&page)[1]) }
    }
    on_workers(|| {
        for mib in [0, 1, 3] {
            let handle = Builder::new().stack_size(mib << 20).spawn(move || deep(mib * 512)).unwrap();
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_stack_size_beyond_all_limits_is_an_error() {
    on_workers(|| {
        for bytes in [usize::MAX, 1 << 40] {
            let error = Builder::new().stack_size(bytes).spawn(|| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    });
}

#[test]
fn an_id_stays_and_is_the_same_from_everywhere() {
    on_workers(|| {
        let handle = thread::spawn(|| {
            let mut ids = HashSet::new();
            for _ in 0..100 {
                ids.insert(thread::current().id());
                thread::yield_now();
            }
            tarae::sleep(ms(2));
            ids.insert(thread::current().id());
            ids
        });
        let outside = handle.thread().id();
        let clone = handle.thread().clone();
        let inside = handle.join().unwrap();
        assert_eq!(inside, HashSet::from([outside]));
        assert_eq!(clone.id(), outside, "also after its end");
    });
}

#[test]
fn ids_are_never_given_twice() {
    on_workers(|| {
        let ids = Arc::new(Mutex::new(Vec::<ThreadId>::new()));
        let all: Vec<_> = (0..1000)
            .map(|_| {
                let ids = Arc::clone(&ids);
                thread::spawn(move || {
                    let id = thread::current().id();
                    ids.lock().unwrap().push(id);
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap());
        let kernel = std::thread::spawn(|| thread::current().id()).join().unwrap();
        let mut ids = ids.lock().unwrap().clone();
        ids.extend([kernel, thread::current().id()]);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 1002);
    });
}

#[test]
fn on_a_kernel_thread_current_is_that_thread() {
    bounded(|| {
        let named = std::thread::Builder::new().name("kernel".into());
        let (name, id) = named
            .spawn(|| {
                let current = thread::current();
                (current.name().map(str::to_owned), format!("{:?}", current.id()))
            })
            .map(|thread| {
                let id = format!("{:?}", thread.thread().id());
                let (name, seen) = thread.join().unwrap();
                assert_eq!(seen, id);
                (name, id)
            })
            .unwrap();
        assert_eq!(name.as_deref(), Some("kernel"));
        assert!(id.starts_with("ThreadId("));
    });
}

#[test]
fn debug_looks_as_in_std() {
    /// What stays when numbers and words for what runs are left out.
    fn shape(text: String) -> String {
        text.replace("coroutine ", "").chars().filter(|letter| !letter.is_ascii_digit()).collect()
    }
    on_workers(|| {
        let specified = std::thread::Builder::new().name("x".into()).spawn(|| ()).unwrap();
        let ours = Builder::new().name("x".into()).spawn(|| ()).unwrap();
        assert_eq!(format!("{ours:?}"), format!("{specified:?}"));
        assert_eq!(shape(format!("{:?}", ours.thread())), shape(format!("{:?}", specified.thread())));
        assert_eq!(
            shape(format!("{:?}", ours.thread().id())),
            shape(format!("{:?}", specified.thread().id()))
        );
        assert_eq!(shape(format!("{:#?}", ours.thread())), shape(format!("{:#?}", specified.thread())));
        ours.join().unwrap();
        specified.join().unwrap();
    });
}

#[test]
fn handles_outlive_their_coroutines() {
    on_workers(|| {
        let handle = Builder::new().name("short".into()).spawn(|| ()).unwrap();
        let thread = handle.thread().clone();
        handle.join().unwrap();
        assert_eq!(thread.name(), Some("short"));
        thread.unpark();
    });
}

#[test]
fn available_parallelism_is_that_of_std() {
    on_workers(|| {
        assert_eq!(thread::available_parallelism().unwrap(), std::thread::available_parallelism().unwrap());
    });
}
