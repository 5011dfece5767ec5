// The client of docs/callbacks.md: it takes callbacks, and calls them later from a thread of its own.
use std::sync::Arc;

pub struct Client;

#[derive(Debug, PartialEq)]
pub struct Error(pub &'static str);

/// Added in step 1: what `?` makes of a callback that was never called.
impl From<tarae::callback::Dropped> for Error {
    fn from(_: tarae::callback::Dropped) -> Error {
        Error("no answer")
    }
}

impl Client {
    pub fn get_user(&self, id: u64, done: impl FnOnce(Result<String, Error>) + Send + 'static) {
        later(if id == 7 { Ok("Seoyeon".into()) } else { Err(Error("unknown user")) }, done);
    }

    pub fn get_query(&self, user: String, done: impl FnOnce(Result<String, Error>) + Send + 'static) {
        later(Ok(format!("yarn for {user}")), done);
    }

    pub fn get_stock(&self, item: String, done: impl FnOnce(Result<usize, Error>) + Send + 'static) {
        later(Ok(item.len()), done);
    }
}

fn later<T: Send + 'static>(value: T, done: impl FnOnce(T) + Send + 'static) {
    std::thread::spawn(move || done(value));
}

/// Step 0, for those steps that still call it.
pub fn old_stock_report(
    client: &Arc<Client>,
    id: u64,
    on_done: impl FnOnce(Result<usize, Error>) + Send + 'static,
) {
    let client2 = Arc::clone(client);
    client.get_user(id, move |user| match user {
        Err(error) => on_done(Err(error)),
        Ok(user) => {
            let client3 = Arc::clone(&client2);
            client2.get_query(user, move |item| match item {
                Err(error) => on_done(Err(error)),
                Ok(item) => client3.get_stock(item, on_done),
            });
        }
    });
}
