use super::*;
use crate::slab::StackSize;
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

fn context() -> Context {
    Pool::of_size(StackSize::DEFAULT).take().expect("a context")
}

/// Runs a closure in a context. `body` gets the suspender.
fn start<F: Fn(Suspender)>(context: &mut Context, body: &(F, Suspender)) -> Suspended {
    unsafe fn call<F: Fn(Suspender)>(argument: *const ()) {
        // SAFETY: `start` passes a `(F, Suspender)` that outlives the call.
        let (body, suspender) = unsafe { &*argument.cast::<(F, Suspender)>() };
        body(*suspender);
    }
    // SAFETY: The tests below keep `body` until the call has ended.
    unsafe { context.start(Call { function: call::<F>, argument: (&raw const *body).cast() }) }
}

fn suspend(suspender: Suspender, signal: u8) {
    // SAFETY: The tests call it in the context the suspender came from.
    unsafe { suspender.suspend(signal) };
}

#[test]
fn a_call_suspends_with_its_signal_and_ends() {
    let mut context = context();
    let body = (|suspender| (1..=3).for_each(|signal| suspend(suspender, signal)), context.suspender());
    assert_eq!(start(&mut context, &body), Suspended::With(1));
    assert_eq!(context.resume(), Suspended::With(2));
    assert_eq!(context.resume(), Suspended::With(3));
    assert_eq!(context.resume(), Suspended::Ended);
    assert_eq!(context.resume(), Suspended::Ended);
}

#[test]
fn a_context_has_thread_locals_of_its_own_on_every_kernel_thread() {
    thread_local!(static LOCAL: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) });
    let mut context = context();
    let body = (
        |suspender| {
            LOCAL.with(|local| {
                let mut borrow = local.borrow_mut();
                for step in 0..4 {
                    borrow.push(step);
                    suspend(suspender, 0);
                }
                assert_eq!(*borrow, [0, 1, 2, 3]);
                borrow.clear();
            });
        },
        context.suspender(),
    );
    LOCAL.with(|local| local.borrow_mut().push(99));
    start(&mut context, &body);
    for _ in 0..4 {
        std::thread::scope(|scope| {
            scope.spawn(|| context.resume());
        });
        LOCAL.with(|local| assert_eq!(*local.borrow(), [99]));
    }
}

#[test]
fn errno_stays_with_the_context() {
    fn errno() -> *mut i32 {
        // SAFETY: No preconditions.
        unsafe { libc::__errno_location() }
    }
    let mut context = context();
    let body = (
        |suspender| {
            // SAFETY: The address is this thread's errno.
            unsafe { *errno() = 77 };
            suspend(suspender, 0);
            // SAFETY: As above.
            assert_eq!(unsafe { *errno() }, 77);
        },
        context.suspender(),
    );
    // SAFETY: As above.
    unsafe { *errno() = 5 };
    start(&mut context, &body);
    // SAFETY: As above.
    assert_eq!(unsafe { *errno() }, 5);
    assert_eq!(context.resume(), Suspended::Ended);
}

#[test]
fn pages_of_a_deep_call_are_counted_and_given_back() {
    #[inline(never)]
    fn deep() {
        let mut frame = [0u8; 100 * 1024];
        std::hint::black_box(&mut frame)[0] = 1;
        for index in (0..frame.len()).step_by(4096) {
            std::hint::black_box(&mut frame)[index] = 1;
        }
    }
    let mut context = context();
    let before = context.resident_bytes();
    let body = (|_| deep(), context.suspender());
    start(&mut context, &body);
    assert!(context.resident_bytes() >= before + 96 * 1024);
    context.count_use();
    context.trim();
    assert!(context.resident_bytes() <= before.max(36 * 1024));
}

#[test]
fn a_new_context_holds_two_or_three_pages() {
    let contexts: Vec<Context> = (0..64).map(|_| context()).collect();
    let fresh = contexts.iter().map(Context::resident_bytes).min().expect("64 of them");
    assert!(fresh <= 3 * 4096, "{fresh}");
}

#[test]
fn destructors_run_when_a_panic_is_caught_inside() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Count;
    impl Drop for Count {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let mut context = context();
    let body = (
        |suspender| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _count = Count;
                suspend(suspender, 1);
                std::panic::resume_unwind(Box::new("payload"));
            }));
            assert_eq!(result.expect_err("unwound").downcast_ref(), Some(&"payload"));
        },
        context.suspender(),
    );
    start(&mut context, &body);
    assert_eq!(context.resume(), Suspended::Ended);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1);
}
