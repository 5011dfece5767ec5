//! tarae's sockets, coroutines and timers as async crates know them.
//!
//! | what | implements |
//! |---|---|
//! | [`TcpStream`] | `AsyncRead` and `AsyncWrite` of futures-io and of `tokio::io`, `Read` and `Write` of `hyper::rt` |
//! | [`TcpListener`] | [`accept`](TcpListener::accept) is a future |
//! | [`Executor`], [`spawn`] | `hyper::rt::Executor`: each future gets a coroutine |
//! | [`Timer`] | `hyper::rt::Timer`, on the timers of the runtime |
//!
//! So a crate that is written against these traits runs on coroutines, and a coroutine calls it with
//! [`block_on`](tarae::future::block_on). tokio's *runtime* is not needed, and not in the dependency graph: its traits are.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http_body_util::{BodyExt, Empty, Full};
//! use hyper::body::{Bytes, Incoming};
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use tarae::future::block_on;
//! use tarae_futures::{TcpStream, Timer};
//!
//! type Error = Box<dyn std::error::Error + Send + Sync>;
//!
//! tarae::run(|| -> Result<(), Error> {
//!     let listener = tarae::net::TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!
//!     // The server: one connection, served in a coroutine.
//!     tarae::spawn(move || -> Result<(), Error> {
//!         let (stream, _) = listener.accept()?;
//!         let hello = service_fn(|request: Request<Incoming>| async move {
//!             Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("hello, {}", request.uri())))))
//!         });
//!         let mut http = hyper::server::conn::http1::Builder::new();
//!         Ok(block_on(http.timer(Timer).serve_connection(TcpStream::new(stream), hello))?)
//!     });
//!
//!     // The client: reads from top to bottom.
//!     let stream = tarae::net::TcpStream::connect(address)?;
//!     let (mut sender, connection) = block_on(hyper::client::conn::http1::handshake(TcpStream::new(stream)))?;
//!     tarae_futures::spawn(connection);
//!     let request = Request::get("/tarae").header("host", address.to_string()).body(Empty::<Bytes>::new())?;
//!     let response = block_on(sender.send_request(request))?;
//!     assert_eq!(block_on(response.into_body().collect())?.to_bytes(), "hello, /tarae");
//!     Ok(())
//! })
//! # .unwrap();
//! ```

#![forbid(unsafe_code)]

mod executor;
mod listener;
mod stream;
mod timer;

pub use executor::{Executor, spawn};
pub use listener::{Accept, TcpListener};
pub use stream::TcpStream;
pub use timer::{Sleep, Timer};
