//! The steps of the program that is interrupted at each of its [points](super::points). A new way to wait gets a line here.
//!
//! A step makes what it works with, and says what must be true of it afterwards: locks are free, permits are back, messages are
//! where they belong. What must be dropped has a life, which is counted.

mod calls;
mod channels;
mod gatherings;
mod locks;
mod selects;
mod waits;

use std::io;
use std::sync::Arc;

use super::stage::Stage;
pub(crate) use waits::full_listener;

type Step = fn(&Arc<Stage>) -> io::Result<()>;

/// What each step does, and the step.
pub(crate) const STEPS: &[(&str, Step)] = &[
    ("sleeps", waits::sleeps),
    ("parks", waits::parks),
    ("lets others run", waits::lets_others_run),
    ("reads", waits::reads),
    ("peeks", waits::peeks),
    ("writes", waits::writes),
    ("accepts", waits::accepts),
    ("connects", waits::connects),
    ("joins", waits::joins),
    ("waits for a scope", waits::waits_for_a_scope),
    ("joins in a scope", waits::joins_in_a_scope),
    ("nests scopes", waits::nests_scopes),
    ("has a scope that may fail", waits::has_a_scope_that_may_fail),
    ("joins a set", waits::joins_a_set),
    ("shuts a set down", calls::shuts_a_set_down),
    ("has a timeout", waits::has_a_timeout),
    ("runs under a token", waits::runs_under_a_token),
    ("waits for a token", waits::waits_for_a_token),
    ("shields", waits::shields),
    ("holds a lock of std", waits::holds_a_lock_of_std),
    ("waits in a destructor", waits::waits_in_a_destructor),
    ("blocks", waits::blocks),
    ("locks its thread", calls::locks_its_thread),
    ("locks a mutex", locks::locks_a_mutex),
    ("holds a mutex", locks::holds_a_mutex),
    ("locks a mutex in a timeout", locks::locks_a_mutex_in_a_timeout),
    ("reads under a lock", locks::reads_under_a_lock),
    ("writes under a lock", locks::writes_under_a_lock),
    ("holds a lock for reading", locks::holds_a_lock_for_reading),
    ("holds a lock for writing", locks::holds_a_lock_for_writing),
    ("waits for a condition", locks::waits_for_a_condition),
    ("waits for a condition in time", locks::waits_for_a_condition_in_time),
    ("locks again after a condition", locks::locks_again_after_a_condition),
    ("acquires a permit", gatherings::acquires_a_permit),
    ("acquires several permits", gatherings::acquires_several_permits),
    ("acquires an owned permit in time", gatherings::acquires_an_owned_permit_in_time),
    ("holds permits", gatherings::holds_permits),
    ("waits at a barrier", gatherings::waits_at_a_barrier),
    ("waits for a group", gatherings::waits_for_a_group),
    ("waits for an initialisation", gatherings::waits_for_an_initialisation),
    ("waits for a value", gatherings::waits_for_a_value),
    ("makes a value", gatherings::makes_a_value),
    ("receives from an mpsc", channels::receives_from_an_mpsc),
    ("sends to an mpsc", channels::sends_to_an_mpsc),
    ("receives from a rendezvous", channels::receives::<0>),
    ("receives from a channel of one", channels::receives::<1>),
    ("receives from an unbounded channel", channels::receives_without_bound),
    ("receives in time", channels::receives_in_time),
    ("sends to a rendezvous", channels::sends::<0>),
    ("sends to a full channel", channels::sends::<1>),
    ("sends in time", channels::sends_in_time),
    ("waits for a channel's end", channels::waits_for_an_end),
    ("receives a single message", channels::receives_a_single_message),
    ("receives a broadcast", channels::receives_a_broadcast),
    ("waits for a moment's message", channels::waits_for_a_moments_message),
    ("selects one to receive from", selects::receives),
    ("selects one to send to", selects::sends),
    ("selects among rendezvous", selects::meets),
    ("is told which is ready", selects::is_told),
    ("waits for a callback", calls::waits_for_a_callback),
    ("waits for a callback in time", calls::waits_for_a_callback_in_time),
    ("reads a stream of callbacks", calls::reads_a_stream),
    ("runs for a callback", calls::runs_for_a_callback),
    ("resumes a generator", calls::resumes_a_generator),
    ("resumes a scoped generator", calls::resumes_a_scoped_generator),
    ("drops a generator", calls::drops_a_generator),
    ("polls a future", calls::polls_a_future),
    ("awaits a sleep", calls::awaits_a_sleep),
    ("awaits a join", calls::awaits_a_join),
    ("waits in a local's destructor", calls::waits_with_a_local),
];
