//! Auto traits and bounds: a type is `Send`, `Sync`, `Unpin` and unwind safe where std's is.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

/// The auto traits of a type, asked at compile time: an inherent constant hides the one of the trait.
struct Of<T: ?Sized>(std::marker::PhantomData<T>);

#[allow(dead_code, reason = "each is used for the types that do not have the trait")]
trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
    const UNPIN: bool = false;
    const UNWIND_SAFE: bool = false;
    const REF_UNWIND_SAFE: bool = false;
}

impl<T: ?Sized> Otherwise for Of<T> {}

#[allow(dead_code, reason = "each is used for the types that have the trait")]
impl<T: ?Sized + Send> Of<T> {
    const SEND: bool = true;
}
#[allow(dead_code, reason = "as above")]
impl<T: ?Sized + Sync> Of<T> {
    const SYNC: bool = true;
}
#[allow(dead_code, reason = "as above")]
impl<T: ?Sized + Unpin> Of<T> {
    const UNPIN: bool = true;
}
#[allow(dead_code, reason = "as above")]
impl<T: ?Sized + UnwindSafe> Of<T> {
    const UNWIND_SAFE: bool = true;
}
#[allow(dead_code, reason = "as above")]
impl<T: ?Sized + RefUnwindSafe> Of<T> {
    const REF_UNWIND_SAFE: bool = true;
}

macro_rules! traits {
    ($kind:ty) => {
        (
            [("Send", <Of<$kind>>::SEND), ("Sync", <Of<$kind>>::SYNC), ("Unpin", <Of<$kind>>::UNPIN)],
            [("UnwindSafe", <Of<$kind>>::UNWIND_SAFE), ("RefUnwindSafe", <Of<$kind>>::REF_UNWIND_SAFE)],
        )
    };
}

macro_rules! same_traits {
    ($($module:ident :: $kind:ident $(<$parameter:tt>)?),* $(,)?) => {{
        let all = [$((
            stringify!($kind $(<$parameter>)?),
            traits!(tarae::$module::$kind $(<$parameter>)?),
            traits!(std::$module::$kind $(<$parameter>)?),
        )),*];
        let differ: Vec<_> = all.into_iter().filter(|(_, ours, specified)| ours != specified).collect();
        assert!(differ.is_empty(), "name, ours, std's: {differ:#?}");
    }};
}

#[test]
fn the_question_is_answered_rightly() {
    assert_eq!(traits!(Rc<u8>).0, [("Send", false), ("Sync", false), ("Unpin", true)]);
    assert_eq!(traits!(Cell<u8>).0, [("Send", true), ("Sync", false), ("Unpin", true)]);
    assert_eq!(traits!(&mut u8).1, [("UnwindSafe", false), ("RefUnwindSafe", true)]);
}

type NotSend = Rc<u8>;
type NotSync = Cell<u8>;
type Unique = &'static mut u8;

#[test]
fn thread_types_have_the_auto_traits_of_std() {
    same_traits!(
        thread::Thread,
        thread::ThreadId,
        thread::Builder,
        thread::JoinHandle<()>,
        thread::JoinHandle<NotSend>,
        thread::JoinHandle<NotSync>,
        thread::JoinHandle<Unique>,
    );
}

#[test]
fn net_types_have_the_auto_traits_of_std() {
    same_traits!(net::TcpStream, net::TcpListener, net::Incoming<'static>);
}

/// What a program may have written for std compiles for tarae.
#[test]
fn signatures_are_those_of_std() {
    type Job = fn() -> u8;
    let _: fn(Job) -> tarae::thread::JoinHandle<u8> = tarae::thread::spawn::<Job, u8>;
    let _: fn() = tarae::thread::park;
    let _: fn() = tarae::thread::yield_now;
    let _: fn(std::time::Duration) = tarae::thread::park_timeout;
    let _: fn(std::time::Duration) = tarae::thread::sleep;
    let _: fn() -> tarae::thread::Thread = tarae::thread::current;
    let _: fn() -> bool = tarae::thread::panicking;
    let _: fn(tarae::thread::JoinHandle<u8>) -> tarae::thread::Result<u8> = tarae::thread::JoinHandle::join;
    let _: fn(&tarae::thread::JoinHandle<u8>) -> &tarae::thread::Thread = tarae::thread::JoinHandle::thread;
    fn hashes<T: std::hash::Hash + Copy + Eq>() {}
    hashes::<tarae::thread::ThreadId>();
    fn clones<T: Clone>() {}
    clones::<tarae::thread::Thread>();
}
