//! Clients: a connection each, one request after the other, from top to bottom.

use std::error::Error;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Method, Request, Response, StatusCode};
use tarae::future::block_on;
use tarae_futures::TcpStream;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A connection to the server. hyper's half of it runs in a coroutine of its own.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    fn connect(address: SocketAddr) -> Result<Client> {
        let (sender, connection) = block_on(handshake(TcpStream::connect(address)?))?;
        tarae_futures::spawn(connection);
        Ok(Client { sender, host: address.to_string() })
    }

    fn send(&mut self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<Response<Incoming>> {
        let request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        let request = request.body(Full::new(body.into()))?;
        block_on(async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        })
        .map_err(Into::into)
    }

    /// Makes a request, and reads the answer to its end.
    fn call(&mut self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<(StatusCode, Bytes)> {
        let answer = self.send(method, path, body)?;
        Ok((answer.status(), block_on(answer.into_body().collect())?.to_bytes()))
    }
}

/// Shows what there is.
pub(crate) fn show(address: SocketAddr) -> Result<()> {
    let mut client = Client::connect(address)?;
    for (method, path, body) in [
        (Method::GET, "/", ""),
        (Method::POST, "/echo", "hello, hyper\n"),
        (Method::GET, "/count/3", ""),
        (Method::GET, "/shop/tea", ""),
        (Method::GET, "/nowhere", ""),
    ] {
        let (status, answer) = client.call(method.clone(), path, body)?;
        println!("{method} {path}  ->  {status}");
        String::from_utf8_lossy(&answer).lines().for_each(|line| println!("    {line}"));
    }
    Ok(())
}

/// Makes rounds of requests on one connection, looks at each answer, and returns how many they were.
pub(crate) fn work(address: SocketAddr, rounds: usize) -> Result<usize> {
    let mut client = Client::connect(address)?;
    for round in 0..rounds {
        let sent = vec![b'a' + (round % 26) as u8; 100_000];
        let (status, echo) = client.call(Method::POST, "/echo", sent.clone())?;
        assert!(status == StatusCode::OK && echo == sent, "an echo is what was sent");
        let (status, counted) = client.call(Method::GET, "/count/3", "")?;
        assert!(status == StatusCode::OK && counted == "1\n2\n3\n");
        let (status, _) = client.call(Method::GET, "/nowhere", "")?;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    Ok(3 * rounds)
}
