//! A chain of callbacks, before and after.
//!
//! Three calls to a service, each of which needs what the one before has brought: who the user is, what the user asks for, how
//! much of it is in stock. [`before`] is written with callbacks, [`after`] straight; both use the same [`client`], which knows
//! nothing of tarae and calls back from a kernel thread of its own. What they print is the same, also where a call fails.
//!
//! ```text
//! cargo run --example callbacks
//! cargo run --example callbacks -- --ms 50 7 8 9 404
//! ```

#![forbid(unsafe_code)]

use std::sync::{Arc, mpsc};
use std::time::Duration;

use clap::Parser;

use client::{Client, Error};

/// Asks a service three questions in a row, once with callbacks and once without, and compares.
#[derive(Parser)]
struct Options {
    /// How long each call takes, in milliseconds.
    #[arg(long, default_value_t = 10)]
    ms: u64,
    /// The users to ask for; the service does not know 404, has no query of 8, and does not answer 9.
    #[arg(default_values_t = [7, 8, 9, 404])]
    users: Vec<u64>,
}

fn main() -> Result<(), String> {
    let options = Options::parse();
    let client = Arc::new(Client::connect(Duration::from_millis(options.ms)));
    for user in options.users {
        let before = {
            let (send, line) = mpsc::channel();
            before::stock_report(&client, user, move |report| {
                // The main thread waits for it below.
                let _ = send.send(line_of(user, report));
            });
            line.recv().map_err(|_| "the callback was dropped".to_string())?
        };
        let after = line_of(user, after::stock_report(&client, user));
        println!("before: {before}\nafter:  {after}");
        if before != after {
            return Err(format!("two answers for user {user}"));
        }
    }
    Ok(())
}

fn line_of(user: u64, report: Result<String, Error>) -> String {
    match report {
        Ok(report) => report,
        Err(error) => format!("user {user}: {error}"),
    }
}

/// The chain as callbacks: each step in the one before, and at each level what to do with an error.
mod before {
    use std::sync::Arc;

    use super::client::{Client, Error};

    pub(super) fn stock_report(
        client: &Arc<Client>,
        id: u64,
        on_done: impl FnOnce(Result<String, Error>) + Send + 'static,
    ) {
        // Each level needs a client of its own, as it outlives this call.
        let second = Arc::clone(client);
        client.get_user_info(id, move |user| {
            let user = match user {
                Ok(user) => user,
                Err(error) => return on_done(Err(error)),
            };
            let third = Arc::clone(&second);
            second.get_query_info(user.id, move |query| {
                let query = match query {
                    Ok(query) => query,
                    Err(error) => return on_done(Err(error)),
                };
                let item = query.item.clone();
                third.get_stock_info(query.item, move |stock| {
                    let stock = match stock {
                        Ok(stock) => stock,
                        Err(error) => return on_done(Err(error)),
                    };
                    on_done(Ok(format!("{} asks for {item}: {} in stock", user.name, stock.count)));
                });
            });
        });
    }
}

/// The chain as calls.
mod after {
    use tarae::callback;

    use super::client::{Client, Error};

    pub(super) fn stock_report(client: &Client, id: u64) -> Result<String, Error> {
        let user = callback::wait(|done| client.get_user_info(id, done))??;
        let query = callback::wait(|done| client.get_query_info(user.id, done))??;
        let stock = callback::wait(|done| client.get_stock_info(query.item.clone(), done))??;
        Ok(format!("{} asks for {}: {} in stock", user.name, query.item, stock.count))
    }
}

/// Somebody else's client of a service: it takes callbacks, and calls them from its own kernel thread.
mod client {
    use std::fmt;
    use std::sync::mpsc;
    use std::time::Duration;

    pub(super) struct User {
        pub(super) id: u64,
        pub(super) name: &'static str,
    }

    pub(super) struct Query {
        pub(super) item: String,
    }

    pub(super) struct Stock {
        pub(super) count: usize,
    }

    #[derive(Debug)]
    pub(super) enum Error {
        UnknownUser,
        NoQuery,
        /// The service went away without an answer.
        Unanswered,
    }

    impl fmt::Display for Error {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(match self {
                Error::UnknownUser => "unknown user",
                Error::NoQuery => "no query",
                Error::Unanswered => "the service did not answer",
            })
        }
    }

    /// What `?` needs, to turn a callback that was never called into an error of this client's.
    impl From<tarae::callback::Dropped> for Error {
        fn from(_: tarae::callback::Dropped) -> Error {
            Error::Unanswered
        }
    }

    type Request = Box<dyn FnOnce() + Send>;

    pub(super) struct Client {
        requests: mpsc::Sender<Request>,
    }

    impl Client {
        /// Starts the service's thread, on which each call takes `delay`. It ends with the client.
        pub(super) fn connect(delay: Duration) -> Client {
            let (requests, received) = mpsc::channel::<Request>();
            std::thread::spawn(move || {
                for request in received {
                    std::thread::sleep(delay);
                    request();
                }
            });
            Client { requests }
        }

        pub(super) fn get_user_info(&self, id: u64, done: impl FnOnce(Result<User, Error>) + Send + 'static) {
            self.call(done, move || match id {
                404 => Err(Error::UnknownUser),
                id => Ok(User { id, name: ["Minjun", "Seoyeon", "Jiho"][(id % 3) as usize] }),
            });
        }

        pub(super) fn get_query_info(
            &self,
            user: u64,
            done: impl FnOnce(Result<Query, Error>) + Send + 'static,
        ) {
            self.call(done, move || match user {
                8 => Err(Error::NoQuery),
                9 => Err(Error::Unanswered),
                _ => Ok(Query { item: format!("yarn no. {user}") }),
            });
        }

        pub(super) fn get_stock_info(
            &self,
            item: String,
            done: impl FnOnce(Result<Stock, Error>) + Send + 'static,
        ) {
            self.call(done, move || Ok(Stock { count: item.len() }));
        }

        fn call<T: 'static>(
            &self,
            done: impl FnOnce(T) + Send + 'static,
            answer: impl FnOnce() -> T + Send + 'static,
        ) {
            // If the thread is gone, the callback is dropped with the request.
            let _ = self.requests.send(Box::new(move || done(answer())));
        }
    }
}
