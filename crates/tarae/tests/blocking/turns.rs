//! Who else has a turn, and what is done at the end.

use std::sync::mpsc::channel;

/// Returns when another coroutine has run, without suspending: with one worker, only if that has been handed over.
pub(crate) fn until_another_ran() {
    let (send, receive) = channel();
    tarae::spawn(move || send.send(()).unwrap());
    receive.recv().expect("another coroutine runs");
}

/// Does something when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
