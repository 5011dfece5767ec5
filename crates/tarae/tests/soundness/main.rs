//! Soundness: what safe code may rely on, on a runtime whose coroutines move between kernel threads.
//!
//! Everything in this crate is user code, and `unsafe` is forbidden in all of it. Each test is a *scenario*, a sentence
//! that could be false, and is [proved](prove) three times over: it holds when the identity switch is one instruction,
//! it holds when it is a system call, and it is violated when the switch is left out.
//!
//! [`moves`] forces a coroutine from one kernel thread to another and puts a neighbour in its place, [`stage`] is the
//! runtime around it, [`child`] the process around that.

#![forbid(unsafe_code)]

mod child;
mod moves;
mod prove;
mod stage;

mod borrow;
mod control;
mod counter;
mod errno;
mod lazy;
mod owner;
mod panicking;
mod poison;
mod reference_count;
mod scope;

use prove::Without::{Holds, Violates};
use prove::violated;

/// Makes each line a test: its name, its scenario, and what must come of it with the switch left out.
macro_rules! scenarios {
    ($($test:ident: $scenario:path, $without:expr;)*) => {
        $(
            #[test]
            fn $test() {
                prove::prove(stringify!($test), $scenario, $without);
            }
        )*
    };
}

scenarios! {
    moving_itself_needs_no_identity: control::scenario, Holds;
    a_counter_counts_its_own_coroutine: counter::scenario, Violates(counter::PROMISE);
    a_lazy_initialiser_may_suspend: lazy::scenario, Violates(lazy::PROMISE);
    scopes_of_scoped_tls_may_interleave: scope::scenario, Violates(scope::PROMISE);
    an_rc_may_be_held_across_a_move: reference_count::scenario, Violates(reference_count::PROMISE);
    a_borrow_may_be_held_across_a_move: borrow::scenario, Violates(borrow::PROMISE);
    a_neighbour_of_an_unwinding_one_is_not_panicking: panicking::neighbour, Violates(panicking::NEIGHBOUR);
    an_unwinding_one_is_panicking_wherever_it_goes: panicking::traveller, Violates(panicking::TRAVELLER);
    a_neighbour_of_an_unwinding_one_poisons_nothing: poison::neighbour, Violates(poison::FALSE_POISON);
    an_unwinding_one_poisons_wherever_it_goes: poison::traveller, Violates(poison::MISSED_POISON);
    errno_is_kept_across_a_move: errno::scenario, Violates(errno::PROMISE);
    a_lock_shuts_out_whoever_takes_the_owners_place: owner::neighbour, Violates(owner::SHUT_OUT);
    a_lock_knows_its_owner_after_a_move: owner::traveller, Violates(owner::KNOWN);
}
