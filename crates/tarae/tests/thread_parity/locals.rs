//! `thread_local!`: each thread has its own, and a coroutine is a thread.
//!
//! When a coroutine's values are dropped is the one thing that is not as in std: see `tarae::thread`.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

crate::as_std_does! {
    fn threads_that_live_at_the_same_time_have_their_own() {
        thread_local!(static NUMBER: Cell<usize> = const { Cell::new(0) });
        let all: Vec<_> = (1..=20)
            .map(|number| {
                thread::spawn(move || {
                    NUMBER.set(number);
                    for _ in 0..20 {
                        thread::yield_now();
                        assert_eq!(NUMBER.get(), number);
                    }
                    thread::park();
                    NUMBER.with(|own| (&raw const *own).addr())
                })
            })
            .collect();
        all.iter().for_each(|one| one.thread().unpark());
        let addresses: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(addresses.len() == 20 && !addresses.contains(&0));
    }

    fn those_that_wait_at_the_same_time_have_theirs_at_different_places() {
        thread_local!(static TEXT: RefCell<String> = RefCell::new(String::from("new")));
        let (all, places) = std::sync::mpsc::channel();
        let known = Arc::new(AtomicBool::new(false));
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let (all, known) = (all.clone(), Arc::clone(&known));
                thread::spawn(move || {
                    TEXT.with(|text| all.send((&raw const *text).addr()).unwrap());
                    while !known.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(1));
                    }
                })
            })
            .collect();
        let mut seen = HashSet::new();
        while seen.len() < 8 {
            match places.try_recv() {
                Ok(place) => assert!(seen.insert(place), "two have the same"),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
        known.store(true, Ordering::SeqCst);
        waiting.into_iter().for_each(|one| one.join().unwrap());
    }

    fn a_value_stays_across_waits() {
        thread_local!(static SEEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) });
        let handle = thread::spawn(|| {
            SEEN.with_borrow_mut(Vec::clear);
            for number in 0..10 {
                SEEN.with_borrow_mut(|seen| seen.push(number));
                thread::yield_now();
                thread::sleep(Duration::from_micros(200));
            }
            SEEN.take()
        });
        assert!(handle.join().unwrap().into_iter().eq(0..10));
    }

    fn every_way_to_reach_it() {
        thread_local! {
            static CELL: Cell<u8> = const { Cell::new(1) };
            static REF: RefCell<String> = RefCell::new(String::from("a"));
        }
        thread::spawn(|| {
            CELL.set(2);
            assert_eq!((CELL.get(), CELL.replace(3), CELL.take(), CELL.get()), (2, 2, 3, 0));
            REF.set(String::from("b"));
            REF.with_borrow_mut(|text| text.push('c'));
            assert_eq!(REF.with_borrow(String::len), 2);
            assert_eq!((REF.replace(String::from("d")), REF.take()), (String::from("bc"), String::from("d")));
            assert_eq!(CELL.try_with(Cell::get), Ok(0));
            assert!(format!("{CELL:?}").starts_with("LocalKey"));
        })
        .join()
        .unwrap();
    }

    fn a_key_is_a_value_of_its_type() {
        thread_local!(static KEY: Cell<u8> = const { Cell::new(9) });
        fn read(key: &'static thread::LocalKey<Cell<u8>>) -> Result<u8, thread::AccessError> {
            key.try_with(Cell::get)
        }
        KEY.set(9);
        assert_eq!(read(&KEY), Ok(9));
    }
}
