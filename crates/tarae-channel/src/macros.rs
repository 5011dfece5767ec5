//! `select!` and `select_biased!`.
//!
//! Three steps, each a rule that calls itself with one arm less:
//!
//! 1. `@arms` brings each arm into one shape: `[kind (arguments) (result) body]`.
//! 2. `@bind` evaluates the ends, one block inside the other, and collects an operation and a case for each. The name that a
//!    step gives to its end is known in that expansion only, so they do not meet.
//! 3. `@complete` compares the index that was chosen with one case after the other.

/// Waits for the first of several operations that is possible, and completes it.
///
/// ```text
/// select! {
///     recv(receiver) -> result => body,     // result: Result<T, RecvError>
///     send(sender, message) -> result => body, // result: Result<(), SendError<T>>; the message is made when it is chosen
///     default => body,                      // none is possible now
///     default(duration) => body,            // none was possible within it; instead of the former
/// }
/// ```
///
/// Of several that are possible any is chosen; of [`select_biased!`](crate::select_biased!) the first. An operation is possible if it would
/// not wait, be it that it returns an error. The ends are evaluated first, in their order; they may be references.
///
/// What is chosen to be sent has its place in the channel from then on, and is made afterwards; whoever receives it waits meanwhile.
/// So it must not be made of what comes out of the same channel.
///
/// # Parks
///
/// Until an operation is possible, unless there is a `default`: once, listed in all channels.
///
/// # Cancellation
///
/// Unwinds. What had been granted at that moment goes back; nothing is lost, and nothing was received or sent.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tarae_channel::{bounded, select, unbounded};
///
/// let (words, inbox) = unbounded();
/// let (outbox, sent) = bounded(1);
/// words.send("hello").unwrap();
/// for _ in 0..2 {
///     select! {
///         recv(inbox) -> word => assert_eq!(word, Ok("hello")),
///         send(outbox, 7) -> result => result.unwrap(),
///     }
/// }
/// assert_eq!(sent.try_recv(), Ok(7));
///
/// let late = select! {
///     recv(inbox) -> _ => false,
///     default(Duration::from_millis(5)) => true,
/// };
/// assert!(late);
/// ```
#[macro_export]
macro_rules! select {
    ($($arms:tt)*) => {
        $crate::select_internal!(@arms Random [] $($arms)*)
    };
}

/// Waits for the first of several operations that is possible, and completes it; of several, the first in the list.
///
/// All else is as in [`select!`](crate::select!).
///
/// # Examples
///
/// ```
/// let ((s1, r1), (s2, r2)) = (tarae_channel::unbounded(), tarae_channel::unbounded());
/// s1.send(1).unwrap();
/// s2.send(2).unwrap();
/// tarae_channel::select_biased! {
///     recv(r1) -> first => assert_eq!(first, Ok(1)),
///     recv(r2) -> _ => unreachable!(),
/// }
/// ```
#[macro_export]
macro_rules! select_biased {
    ($($arms:tt)*) => {
        $crate::select_internal!(@arms Biased [] $($arms)*)
    };
}

/// The steps of `select!`.
#[doc(hidden)]
#[macro_export]
macro_rules! select_internal {
    (@arms $order:ident []) => {
        ::std::compile_error!("empty `select!` block")
    };
    (@arms $order:ident [$($done:tt)*]) => {
        $crate::select_internal!(@sort $order [$($done)*] [] [])
    };
    (@arms $order:ident [$($done:tt)*]
        $kind:ident $(($($arguments:tt)*))? $(-> $result:pat)? => $body:block, $($rest:tt)*
    ) => {
        $crate::select_internal!(@arms $order
            [$($done)* [$kind ($($($arguments)*)?) ($($result)?) $body]] $($rest)*)
    };
    (@arms $order:ident [$($done:tt)*]
        $kind:ident $(($($arguments:tt)*))? $(-> $result:pat)? => $body:block $($rest:tt)*
    ) => {
        $crate::select_internal!(@arms $order
            [$($done)* [$kind ($($($arguments)*)?) ($($result)?) $body]] $($rest)*)
    };
    (@arms $order:ident [$($done:tt)*]
        $kind:ident $(($($arguments:tt)*))? $(-> $result:pat)? => $body:expr, $($rest:tt)*
    ) => {
        $crate::select_internal!(@arms $order
            [$($done)* [$kind ($($($arguments)*)?) ($($result)?) $body]] $($rest)*)
    };
    (@arms $order:ident [$($done:tt)*]
        $kind:ident $(($($arguments:tt)*))? $(-> $result:pat)? => $body:expr
    ) => {
        $crate::select_internal!(@arms $order
            [$($done)* [$kind ($($($arguments)*)?) ($($result)?) $body]])
    };
    (@arms $order:ident $done:tt $($rest:tt)*) => {
        ::std::compile_error!(::std::concat!(
            "expected `recv(receiver) -> result => body`, `send(sender, message) -> result => body`, `default => body` or ",
            "`default(duration) => body`, found `", ::std::stringify!($($rest)*), "`",
        ))
    };

    // The operations in one list, the default in another.
    (@sort $order:ident [] $operations:tt $default:tt) => {
        $crate::select_internal!(@bind $order $operations $default [] [] (0))
    };
    (@sort $order:ident [[recv ($receiver:expr $(,)?) ($result:pat) $body:tt] $($rest:tt)*]
        [$($operations:tt)*] $default:tt
    ) => {
        $crate::select_internal!(@sort $order [$($rest)*]
            [$($operations)* [recv ($receiver) ($result) $body]] $default)
    };
    (@sort $order:ident [[send ($sender:expr, $message:expr $(,)?) ($result:pat) $body:tt] $($rest:tt)*]
        [$($operations:tt)*] $default:tt
    ) => {
        $crate::select_internal!(@sort $order [$($rest)*]
            [$($operations)* [send ($sender) ($message) ($result) $body]] $default)
    };
    (@sort $order:ident [[default () () $body:tt] $($rest:tt)*] $operations:tt []) => {
        $crate::select_internal!(@sort $order [$($rest)*] $operations
            [($crate::internal::Patience::None) $body])
    };
    (@sort $order:ident [[default ($timeout:expr $(,)?) () $body:tt] $($rest:tt)*] $operations:tt []) => {
        $crate::select_internal!(@sort $order [$($rest)*] $operations
            [($crate::internal::Patience::within($timeout)) $body])
    };
    (@sort $order:ident [[default $arguments:tt () $body:tt] $($rest:tt)*] $operations:tt [$($default:tt)+]) => {
        ::std::compile_error!("there can be only one `default` case in a `select!` block")
    };
    (@sort $order:ident [[$kind:ident ($($arguments:tt)*) ($($result:pat)?) $body:tt] $($rest:tt)*]
        $operations:tt $default:tt
    ) => {
        ::std::compile_error!(::std::concat!(
            "expected `recv(receiver) -> result`, `send(sender, message) -> result`, `default` or `default(duration)`, found `",
            ::std::stringify!($kind($($arguments)*) $(-> $result)?), "`",
        ))
    };

    (@bind $order:ident [[recv ($receiver:expr) $result:tt $body:tt] $($rest:tt)*] $default:tt
        [$($operations:tt)*] [$($cases:tt)*] ($($index:tt)*)
    ) => {
        match $receiver {
            ref receiver => {
                let receiver: &$crate::Receiver<_> = receiver;
                $crate::select_internal!(@bind $order [$($rest)*] $default
                    [$($operations)* $crate::internal::Operation::recv(receiver, $($index)*),]
                    [$($cases)* [($($index)*) recv(receiver) $result $body]]
                    ($($index)* + 1))
            }
        }
    };
    (@bind $order:ident [[send ($sender:expr) ($message:expr) $result:tt $body:tt] $($rest:tt)*] $default:tt
        [$($operations:tt)*] [$($cases:tt)*] ($($index:tt)*)
    ) => {
        match $sender {
            ref sender => {
                let sender: &$crate::Sender<_> = sender;
                $crate::select_internal!(@bind $order [$($rest)*] $default
                    [$($operations)* $crate::internal::Operation::send(sender, $($index)*),]
                    [$($cases)* [($($index)*) send(sender, $message) $result $body]]
                    ($($index)* + 1))
            }
        }
    };
    (@bind $order:ident [] [] [$($operations:tt)*] $cases:tt $index:tt) => {{
        let operation = $crate::internal::select_for_ever(
            &mut [$($operations)*],
            $crate::internal::Order::$order,
        );
        $crate::select_internal!(@complete operation $cases)
    }};
    (@bind $order:ident [] [($patience:expr) $default:tt] [$($operations:tt)*] $cases:tt $index:tt) => {{
        let operation = $crate::internal::select(
            &mut [$($operations)*],
            $patience,
            $crate::internal::Order::$order,
        );
        match operation {
            ::std::option::Option::None => $default,
            ::std::option::Option::Some(operation) => {
                $crate::select_internal!(@complete operation $cases)
            }
        }
    }};

    (@complete $operation:ident []) => {{
        let _ = $operation;
        ::std::unreachable!("the index is of one of the operations")
    }};
    (@complete $operation:ident
        [[($($index:tt)*) $method:ident($($arguments:tt)*) ($result:pat) $body:tt] $($rest:tt)*]
    ) => {
        if $operation.index() == $($index)* {
            let $result = $operation.$method($($arguments)*);
            $body
        } else {
            $crate::select_internal!(@complete $operation [$($rest)*])
        }
    };
}
