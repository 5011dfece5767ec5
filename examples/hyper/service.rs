//! What the server has: a page, an echo, a stream, and something that takes a while.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use tarae::future::{Sleep, sleep};

const INDEX: &str = "GET  /           this page
POST /echo       sends the body back, as it comes
GET  /count/10   counts, a chunk at a time
GET  /shop/tea   asks three others, one after the other
";

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// Answers one request.
pub(crate) async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    Ok(match path.split('/').collect::<Vec<_>>()[..] {
        ["", ""] if is_get => text(StatusCode::OK, INDEX),
        ["", "echo"] if request.method() == Method::POST => Response::new(request.into_body().boxed_unsync()),
        ["", "echo"] => {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "POST something\n");
            answer.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("POST"));
            answer
        }
        ["", "count", to] if is_get => match to.parse() {
            Ok(to) => Response::new(Count::to(to).map_err(|never| match never {}).boxed_unsync()),
            Err(_) => text(StatusCode::BAD_REQUEST, "count to a number\n"),
        },
        ["", "shop", item] if is_get => text(StatusCode::OK, shop(item)),
        _ => text(StatusCode::NOT_FOUND, "not here\n"),
    })
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let body = Full::new(text.into()).map_err(|never| match never {}).boxed_unsync();
    let answer = Response::builder().status(status).header(CONTENT_TYPE, "text/plain; charset=utf-8");
    answer.body(body).expect("a header that does not change")
}

/// Not a future: it waits as any function does, and parks the coroutine of its connection, and nobody else.
fn shop(item: &str) -> String {
    let ask = |whom: &str| {
        tarae::sleep(Duration::from_millis(5));
        format!("{whom} of {item}: {}\n", item.len() * whom.len())
    };
    [ask("stock"), ask("price"), ask("rating")].concat()
}

/// A body that counts, with a pause before each number.
struct Count {
    next: u32,
    to: u32,
    pause: Sleep,
}

impl Count {
    fn to(to: u32) -> Count {
        Count { next: 1, to, pause: pause() }
    }
}

fn pause() -> Sleep {
    sleep(Duration::from_millis(2))
}

impl Body for Count {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next > self.to {
            return Poll::Ready(None);
        }
        ready!(Pin::new(&mut self.pause).poll(cx));
        let line = format!("{}\n", self.next);
        self.next += 1;
        self.pause = pause();
        Poll::Ready(Some(Ok(Frame::data(line.into()))))
    }
}
