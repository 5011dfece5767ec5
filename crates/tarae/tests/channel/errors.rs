//! Error types: what they say, what they hold, and what they turn into.
//!
//! Would catch: a text, a `Debug` text or a trait that differs from crossbeam-channel's; an error that demands `Debug` of the
//! message; a conversion that changes the meaning or drops the message.

use std::error::Error;
use std::fmt::Debug;

use crate::subject::channel::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError, SendTimeoutError,
    TryReadyError, TryRecvError, TrySelectError, TrySendError,
};

/// Neither `Debug` nor `Clone`.
struct Opaque;

#[test]
fn texts_of_errors_of_sends() {
    assert_eq!(SendError(Opaque).to_string(), "sending on a disconnected channel");
    assert_eq!(TrySendError::Full(Opaque).to_string(), "sending on a full channel");
    assert_eq!(TrySendError::Disconnected(Opaque).to_string(), "sending on a disconnected channel");
    assert_eq!(SendTimeoutError::Timeout(Opaque).to_string(), "timed out waiting on send operation");
    assert_eq!(SendTimeoutError::Disconnected(Opaque).to_string(), "sending on a disconnected channel");
}

#[test]
fn texts_of_errors_of_receives() {
    assert_eq!(RecvError.to_string(), "receiving on an empty and disconnected channel");
    assert_eq!(TryRecvError::Empty.to_string(), "receiving on an empty channel");
    let ended = "receiving on an empty and disconnected channel";
    assert_eq!(TryRecvError::Disconnected.to_string(), ended);
    assert_eq!(RecvTimeoutError::Timeout.to_string(), "timed out waiting on receive operation");
    assert_eq!(RecvTimeoutError::Disconnected.to_string(), "channel is empty and disconnected");
}

#[test]
fn texts_of_errors_of_selects() {
    assert_eq!(TrySelectError.to_string(), "all operations in select would block");
    assert_eq!(SelectTimeoutError.to_string(), "timed out waiting on select");
}

#[test]
fn debug_texts_do_not_need_the_message() {
    // crossbeam-channel's are quoted as strings are, by accident; either will do.
    let text = |error: &dyn Debug| format!("{error:?}").trim_matches('"').to_owned();
    assert_eq!(text(&SendError(Opaque)), "SendError(..)");
    assert_eq!(text(&TrySendError::Full(Opaque)), "Full(..)");
    assert_eq!(text(&TrySendError::Disconnected(Opaque)), "Disconnected(..)");
    assert_eq!(text(&SendTimeoutError::Timeout(Opaque)), "SendTimeoutError(..)");
    assert_eq!(text(&SendTimeoutError::Disconnected(Opaque)), "SendTimeoutError(..)");
}

#[test]
fn debug_texts_of_the_others() {
    assert_eq!(format!("{RecvError:?}"), "RecvError");
    assert_eq!(format!("{:?} {:?}", TryRecvError::Empty, TryRecvError::Disconnected), "Empty Disconnected");
    let both = format!("{:?} {:?}", RecvTimeoutError::Timeout, RecvTimeoutError::Disconnected);
    assert_eq!(both, "Timeout Disconnected");
    assert_eq!(format!("{TrySelectError:?}"), "TrySelectError");
    assert_eq!(format!("{SelectTimeoutError:?}"), "SelectTimeoutError");
    assert_eq!(format!("{TryReadyError:?}"), "TryReadyError");
    assert_eq!(format!("{ReadyTimeoutError:?}"), "ReadyTimeoutError");
}

#[test]
fn into_inner_gives_the_message_back() {
    assert_eq!(SendError(1).into_inner(), 1);
    assert_eq!(SendError(2).0, 2);
    assert_eq!(TrySendError::Full(3).into_inner(), 3);
    assert_eq!(TrySendError::Disconnected(4).into_inner(), 4);
    assert_eq!(SendTimeoutError::Timeout(5).into_inner(), 5);
    assert_eq!(SendTimeoutError::Disconnected(6).into_inner(), 6);
}

#[test]
fn errors_say_which_they_are() {
    let asked = |error: TrySendError<()>| (error.is_full(), error.is_disconnected());
    assert_eq!(asked(TrySendError::Full(())), (true, false));
    assert_eq!(asked(TrySendError::Disconnected(())), (false, true));
    let asked = |error: SendTimeoutError<()>| (error.is_timeout(), error.is_disconnected());
    assert_eq!(asked(SendTimeoutError::Timeout(())), (true, false));
    assert_eq!(asked(SendTimeoutError::Disconnected(())), (false, true));
    let asked = |error: TryRecvError| (error.is_empty(), error.is_disconnected());
    assert_eq!(asked(TryRecvError::Empty), (true, false));
    assert_eq!(asked(TryRecvError::Disconnected), (false, true));
    let asked = |error: RecvTimeoutError| (error.is_timeout(), error.is_disconnected());
    assert_eq!(asked(RecvTimeoutError::Timeout), (true, false));
    assert_eq!(asked(RecvTimeoutError::Disconnected), (false, true));
}

#[test]
fn errors_turn_into_those_that_can_say_more() {
    assert_eq!(TrySendError::from(SendError(1)), TrySendError::Disconnected(1));
    assert_eq!(SendTimeoutError::from(SendError(2)), SendTimeoutError::Disconnected(2));
    assert_eq!(TryRecvError::from(RecvError), TryRecvError::Disconnected);
    assert_eq!(RecvTimeoutError::from(RecvError), RecvTimeoutError::Disconnected);
}

#[test]
fn errors_are_values() {
    fn value<T: Copy + Eq + Debug>(a: T, b: T) {
        let copy = a;
        assert_eq!(copy, a);
        assert_ne!(copy, b);
    }
    value(SendError(1), SendError(2));
    value(TrySendError::Full(1), TrySendError::Disconnected(1));
    value(SendTimeoutError::Timeout(1), SendTimeoutError::Disconnected(1));
    value(TryRecvError::Empty, TryRecvError::Disconnected);
    value(RecvTimeoutError::Timeout, RecvTimeoutError::Disconnected);
    // Those that have one value only.
    fn single<T: Copy + Eq + Debug>(value: T) {
        let copy = value;
        assert_eq!(copy, value);
    }
    single(RecvError);
    single(TrySelectError);
    single(SelectTimeoutError);
    single(TryReadyError);
    single(ReadyTimeoutError);
}

#[test]
fn errors_are_errors() {
    fn boxed<E: Error + Send + Sync + 'static>(error: E) -> Box<dyn Error + Send + Sync> {
        assert!(error.source().is_none());
        Box::new(error)
    }
    boxed(SendError(()));
    boxed(TrySendError::Full(()));
    boxed(SendTimeoutError::Timeout(()));
    boxed(RecvError);
    boxed(TryRecvError::Empty);
    boxed(RecvTimeoutError::Timeout);
    boxed(TrySelectError);
    boxed(SelectTimeoutError);
}
