//! The control: the stage and its moves work without thread-locals.
//!
//! It holds with the identity switch left out. So what the other scenarios show then is about their thread-locals, not
//! about a stage that has broken down.

use super::moves::leave_to;
use super::violated;

pub(crate) fn scenario() {
    let handles: Vec<_> = (0..3).map(|number| tarae::spawn(move || travel(number))).collect();
    handles.into_iter().for_each(|handle| handle.join().expect("a traveller does not panic"));
}

fn travel(number: u64) {
    let mut sum = number;
    for round in 1..=50 {
        let mine = vec![sum; 64];
        leave_to(move |_| assert_eq!(vec![number; 64].len(), 64));
        if mine != [sum; 64] {
            violated("a coroutine's stack and heap are its own");
        }
        sum += round;
    }
    assert_eq!(sum, number + 1275);
}
