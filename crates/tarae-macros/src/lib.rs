//! `#[tarae::main]` and `#[tarae::test]`: functions that run as a coroutine.
//!
//! Each leaves the function as it is, inside of a new one of the same name, which passes it to the runtime. What is written
//! names only `::tarae::__macros` and the standard library. Used through `tarae`, which re-exports both.
//!
//! | room | what it is for |
//! |---|---|
//! | `options` | what stands in the parentheses |
//! | `function` | what a function must be, and what becomes of it |

#![forbid(unsafe_code)]

mod function;
mod options;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Runs `main` as a coroutine.
///
/// It runs on the default runtime, as do the coroutines that it, and kernel threads, spawn. When it returns the process ends,
/// and all of them with it, as threads do. It may return what any `main` may, errors that are not `Send` included.
///
/// | option | |
/// |---|---|
/// | `workers = 4` | how many workers the runtime has; by default as many as CPUs may be used |
/// | `stack_size = 1 << 20` | how many bytes of address space a coroutine reserves; by default 256 KiB |
///
/// # Examples
///
/// ```no_run
/// # fn serve(_: tarae::net::TcpStream) {}
/// #[tarae::main(workers = 2)]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let listener = tarae::net::TcpListener::bind("127.0.0.1:8080")?;
///     loop {
///         let (stream, _) = listener.accept()?;
///         tarae::spawn(move || serve(stream));
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(function::main(options.into(), item.into()))
}

/// Makes a test of a function, which runs as a coroutine of a runtime of its own.
///
/// A test that takes too long fails, with a list of who waits for what. `#[ignore]`, `#[should_panic]` and results work as in
/// any test. When it ends, the coroutines that are left are cancelled.
///
/// | option | |
/// |---|---|
/// | `workers = 4` | how many workers the runtime has; by default as many as CPUs may be used |
/// | `stack_size = 1 << 20` | how many bytes of address space a coroutine reserves; by default 256 KiB |
/// | `timeout = "5s"` | how long it may take, in `ms`, `s` or `m`; by default a minute |
/// | `timeout_ms = 5_000` | the same, in milliseconds |
///
/// What coroutines print is not captured by the test harness.
///
/// # Examples
///
/// ```
/// #[tarae::test(workers = 2, timeout = "5s")]
/// fn messages_arrive() {
///     let (send, receive) = std::sync::mpsc::channel();
///     tarae::spawn(move || send.send(1));
///     assert_eq!(receive.recv(), Ok(1));
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(function::test(options.into(), item.into()))
}

fn expand(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.into_compile_error()).into()
}
