//! Handles of scopes: traits, bounds and texts. And what std's own tests say of threads that `tests/thread` does not.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

/// The auto traits of a type, asked at compile time: an inherent constant hides the one of the trait.
struct Of<T: ?Sized>(PhantomData<T>);

#[allow(dead_code, reason = "each is used for the types that do not have the trait")]
trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
    const UNPIN: bool = false;
    const UNWIND_SAFE: bool = false;
    const REF_UNWIND_SAFE: bool = false;
}

impl<T: ?Sized> Otherwise for Of<T> {}

macro_rules! asked {
    ($($name:ident: $bound:path),* $(,)?) => {
        $(#[allow(dead_code, reason = "each is used for the types that have the trait")]
        impl<T: ?Sized + $bound> Of<T> {
            const $name: bool = true;
        })*

        macro_rules! traits {
            ($kind:ty) => {
                [$((stringify!($name), <Of<$kind>>::$name)),*]
            };
        }
    };
}

asked!(
    SEND: Send,
    SYNC: Sync,
    UNPIN: Unpin,
    UNWIND_SAFE: UnwindSafe,
    REF_UNWIND_SAFE: RefUnwindSafe,
);

macro_rules! same {
    ($($kind:ty),* $(,)?) => {{
        use std::thread;
        let stds = [$((stringify!($kind), traits!($kind))),*];
        {
            use tarae::thread;
            let ours = [$((stringify!($kind), traits!($kind))),*];
            for (ours, stds) in ours.iter().zip(&stds) {
                assert_eq!(ours, stds);
            }
        }
    }};
}

#[test]
fn types_of_scopes_have_the_auto_traits_of_std() {
    assert_eq!(traits!(Rc<u8>)[..3], [("SEND", false), ("SYNC", false), ("UNPIN", true)]);
    same!(
        thread::ScopedJoinHandle<'static, ()>,
        thread::ScopedJoinHandle<'static, Rc<u8>>,
        thread::ScopedJoinHandle<'static, Cell<u8>>,
        thread::ScopedJoinHandle<'static, &'static mut u8>,
        thread::LocalKey<Rc<u8>>,
        thread::AccessError,
    );
}

/// std's is not `UnwindSafe`, by a marker for its lifetimes. Nothing can be broken by a panic in either.
#[test]
fn a_scope_has_every_auto_trait_that_std_s_has() {
    let ours = traits!(tarae::thread::Scope<'static, 'static>);
    let stds = traits!(std::thread::Scope<'static, 'static>);
    assert!(ours.iter().zip(&stds).all(|((_, ours), (_, stds))| ours >= stds), "{ours:?} {stds:?}");
}

#[test]
fn scopes_and_their_handles_look_as_in_std() {
    /// A scope's text is the same but for the thread that opened it.
    fn shape(text: &str) -> String {
        text.split(", main_thread").next().unwrap().trim_end_matches(", .. }").to_owned()
    }
    crate::everywhere(|| {
        let specified = std::thread::scope(|scope| {
            let handle = scope.spawn(std::thread::park);
            let texts = (shape(&format!("{scope:?}")), format!("{handle:?}"), format!("{handle:#?}"));
            handle.thread().unpark();
            texts
        });
        let ours = tarae::scope(|scope| {
            let handle = scope.spawn(tarae::thread::park);
            let texts = (shape(&format!("{scope:?}")), format!("{handle:?}"), format!("{handle:#?}"));
            handle.thread().unpark();
            texts
        });
        assert_eq!(ours, specified);
        assert_eq!(ours.0, "Scope { num_running_threads: 1, a_thread_panicked: false");
    });
}

#[test]
fn builders_look_as_in_std_at_first() {
    fn fields(text: String) -> Vec<String> {
        text.split(['{', ',']).map(|part| part.split(':').next().unwrap().trim().to_owned()).collect()
    }
    let ours = fields(format!("{:?}", tarae::thread::Builder::new()));
    let specified = fields(format!("{:?}", std::thread::Builder::new()));
    assert!(ours.iter().all(|field| specified.contains(&field.replace(" }", ""))), "{ours:?} {specified:?}");
}
