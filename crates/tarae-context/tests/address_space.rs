//! Running out of address space. Alone in its process: nothing else could be mapped meanwhile.

use tarae_context::{Pool, StackSize};

#[test]
fn a_promise_that_cannot_be_kept_is_refused_and_small_ones_still_work() {
    let pool = Pool::of_size(StackSize::MAX);
    // 64 GiB a slot: the 47 bits of user address space hold fewer than 2,048 of them.
    let error = pool.promise(4_000).expect_err("more than there are addresses");
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    pool.promise(4).expect("the slots that were reserved on the way are there to be promised");
    let context = pool.take().expect("a context");
    assert_eq!(context.slot_bytes(), StackSize::MAX.bytes());
}
