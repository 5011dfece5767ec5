//! A callback that fires many times.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tarae::callback::{self, OnFull};
use tarae::thread;

use crate::support::{bounded, eventually, hush, ms, on_workers};

#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// An API that asks for all that can be asked for.
fn subscribe(times: u32, on_event: impl Fn(u32) + Clone + Send + Sync + 'static) {
    for part in 0..2 {
        let on_event = on_event.clone();
        std::thread::spawn(move || (0..times).for_each(|time| on_event(part * times + time)));
    }
}

#[test]
fn every_value_comes_and_the_end_after_the_last() {
    fn body() {
        let (emit, mut stream) = callback::stream(10_000, OnFull::DropNewest);
        subscribe(1_000, emit);
        let mut all: Vec<u32> = stream.by_ref().collect();
        all.sort_unstable();
        assert_eq!(all, (0..2_000).collect::<Vec<_>>());
        assert_eq!((stream.lost(), stream.next()), (0, None));
    }
    on_workers(body);
    bounded(body);
}

#[test]
fn the_order_is_that_of_each_emitter() {
    on_workers(|| {
        let (emit, stream) = callback::stream(10_000, OnFull::DropOldest);
        subscribe(1_000, emit);
        let (first, second): (Vec<u32>, Vec<u32>) = stream.partition(|event| *event < 1_000);
        assert!(first.is_sorted() && second.is_sorted());
    });
}

#[test]
fn when_full_the_newest_or_the_oldest_is_lost_and_counted() {
    for (on_full, left) in [(OnFull::DropNewest, [0, 1, 2]), (OnFull::DropOldest, [7, 8, 9])] {
        let (emit, mut stream) = callback::stream(3, on_full);
        (0..10).for_each(&emit);
        assert_eq!(stream.lost(), 7);
        assert_eq!([(); 3].map(|()| stream.try_next().unwrap()), left);
        assert_eq!(stream.try_next(), None);
        emit(11);
        drop(emit);
        assert_eq!(stream.collect::<Vec<_>>(), [11]);
    }
}

#[test]
fn each_value_is_dropped_once_whether_taken_lost_or_late() {
    let drops = Arc::new(AtomicUsize::new(0));
    let value = || Counted(Arc::clone(&drops));
    let (emit, mut stream) = callback::stream(2, OnFull::DropOldest);
    (0..5).for_each(|_| emit(value()));
    assert_eq!(drops.load(Ordering::SeqCst), 3, "lost");
    drop(stream.next());
    assert_eq!(drops.load(Ordering::SeqCst), 4, "taken");
    drop(stream);
    assert_eq!(drops.load(Ordering::SeqCst), 5, "left behind");
    emit(value());
    assert_eq!(drops.load(Ordering::SeqCst), 6, "late");
}

#[test]
fn next_waits_and_next_timeout_gives_up() {
    fn body() {
        let (emit, mut stream) = callback::stream(1, OnFull::DropNewest);
        assert_eq!(stream.next_timeout(ms(5)), Err(tarae::Elapsed));
        let later = std::thread::spawn(move || {
            std::thread::sleep(ms(10));
            emit(1);
            std::thread::sleep(ms(10));
        });
        assert_eq!(stream.next_timeout(ms(60_000)), Ok(Some(1)));
        assert_eq!(stream.next_timeout(ms(60_000)), Ok(None), "the end");
        later.join().unwrap();
    }
    on_workers(body);
    bounded(body);
}

#[test]
fn a_cancelled_reader_loses_nothing() {
    on_workers(|| {
        let (emit, mut stream) = callback::stream(8, OnFull::DropNewest);
        assert!(tarae::timeout(ms(5), || stream.next()).is_err());
        emit(1);
        assert_eq!(tarae::timeout(ms(0), || stream.next()), Ok(Some(1)), "what is there counts");
    });
}

#[test]
fn a_stream_goes_from_reader_to_reader() {
    on_workers(|| {
        let (emit, mut stream) = callback::stream(8, OnFull::DropNewest);
        assert!(stream.next_timeout(ms(2)).is_err());
        let other = thread::spawn(move || stream.next());
        tarae::sleep(ms(2));
        emit(9);
        assert_eq!(other.join().unwrap(), Some(9));
    });
}

#[test]
fn a_value_with_a_panicking_destructor_harms_who_emits_and_not_the_stream() {
    struct Bad(bool);
    impl Drop for Bad {
        fn drop(&mut self) {
            assert!(!self.0, "a panic on purpose");
        }
    }
    bounded(|| {
        hush();
        let (emit, mut stream) = callback::stream(1, OnFull::DropOldest);
        emit(Bad(true));
        let emitting = std::thread::spawn({
            let emit = emit.clone();
            move || emit(Bad(false))
        });
        assert!(emitting.join().is_err());
        drop(emit);
        eventually("one is left", || stream.try_next().is_some());
        assert!(stream.next().is_none());
    });
}

#[test]
#[should_panic(expected = "a stream without room")]
fn no_room_is_no_stream() {
    let _ = callback::stream::<u8>(0, OnFull::DropNewest);
}
