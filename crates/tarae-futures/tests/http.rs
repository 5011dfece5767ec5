//! hyper's HTTP/1 server and client on coroutines: driven by curl where there is one, by hyper, and by bytes.

#[path = "../../tarae/tests/support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tarae::Runtime;
use tarae::future::{block_on, sleep};
use tarae::net::TcpListener;
use tarae_futures::{TcpStream, Timer};

use support::{LIMIT, WORKERS, bounded, eventually, ms, runtime};

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let full = |text: String| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/") => Response::new(full("hello\n".to_owned())),
        (&Method::GET, "/slow") => {
            // A future's wait, and one that is none.
            sleep(ms(2)).await;
            tarae::sleep(ms(2));
            Response::new(full("slow\n".to_owned()))
        }
        (&Method::POST, "/length") => {
            let length = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
            Response::new(full(length.to_string()))
        }
        // Without a length: in chunks, as it comes.
        (&Method::POST, "/echo") => Response::new(request.into_body().map_frame(|frame| frame).boxed()),
        _ => {
            let mut answer = Response::new(full("not here\n".to_owned()));
            *answer.status_mut() = StatusCode::NOT_FOUND;
            answer
        }
    })
}

/// A server on a runtime of its own.
struct Server {
    runtime: Runtime,
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start(workers: usize) -> Server {
        Server::with_patience(workers, LIMIT)
    }

    /// Closes a connection that does not send the head of a request for so long.
    fn with_patience(workers: usize, patience: Duration) -> Server {
        let runtime = runtime(workers);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        runtime.spawn({
            let connections = Arc::clone(&connections);
            move || {
                while let Ok((stream, _)) = listener.accept() {
                    connections.fetch_add(1, Ordering::SeqCst);
                    tarae::spawn(move || {
                        let mut http = http1::Builder::new();
                        let http = http.timer(Timer).header_read_timeout(patience);
                        // An error is the peer's business, and seen there.
                        let _ = block_on(http.serve_connection(TcpStream::new(stream), service_fn(answer)));
                    });
                }
            }
        });
        Server { runtime, address, connections }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn stop(self) {
        self.runtime.shutdown_timeout(LIMIT).expect("everyone ends");
    }
}

/// Runs curl to its end, and returns what it wrote; `None` where there is no curl.
fn curl(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let limit = LIMIT.as_secs().to_string();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", &limit]).args(arguments);
    let child = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        child => child.unwrap(),
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "curl {arguments:?}: {}", output.status);
    Some(output.stdout)
}

fn body_of(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[7]).collect()
}

#[test]
fn curl_is_served() {
    if curl(&["--version"], b"").is_none() {
        eprintln!("skipped: there is no curl here");
        return;
    }
    for workers in WORKERS {
        bounded(move || {
            let server = Server::start(workers);
            let curl = |arguments: &[&str], input: &[u8]| curl(arguments, input).expect("it was there");
            let text = |arguments: &[&str]| String::from_utf8(curl(arguments, b"")).unwrap();
            let (root, slow, echo, length) =
                (server.url("/"), server.url("/slow"), server.url("/echo"), server.url("/length"));

            // Keep-alive: two requests, one connection.
            assert_eq!(text(&[&root, &slow]), "hello\nslow\n");
            assert_eq!(server.connections(), 1);

            assert_eq!(text(&["-o", "/dev/null", "-w", "%{http_code}", &server.url("/no")]), "404");

            let head = text(&["--head", &root]).to_lowercase();
            assert!(head.starts_with("http/1.1 200 ok") && head.contains("content-length: 6"), "{head}");
            assert!(!head.contains("hello"));

            // A body with a length, and one in chunks, answered in chunks.
            let body = body_of(1 << 20);
            let post = ["--data-binary", "@-", "-H", "Expect:"];
            assert_eq!(curl(&[&post[..], &[&length]].concat(), &body), (1 << 20).to_string().as_bytes());
            assert!(curl(&[&post[..], &[&echo]].concat(), &body) == body);
            let chunked = [&post[..], &["-H", "Transfer-Encoding: chunked", &echo]].concat();
            assert!(curl(&chunked, &body) == body);
            let raw = text(&["--raw", "-d", "abc", "-H", "Transfer-Encoding: chunked", &echo]);
            assert_eq!(raw, "3\r\nabc\r\n0\r\n\r\n");

            assert_eq!(text(&["--http1.0", &root]), "hello\n");
            server.stop();
        });
    }
}

/// The same by hand, where there is no curl; and what curl does not do.
#[test]
fn bytes_are_served() {
    bounded(|| {
        let server = Server::start(2);
        let connect = || {
            let stream = std::net::TcpStream::connect(server.address).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            stream
        };
        let until = |stream: &mut std::net::TcpStream, end: &str| {
            let mut got = Vec::new();
            while !got.ends_with(end.as_bytes()) {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                got.push(byte[0]);
            }
            String::from_utf8(got).unwrap()
        };
        // Byte by byte.
        let mut stream = connect();
        for byte in b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" {
            stream.write_all(&[*byte]).unwrap();
        }
        assert!(until(&mut stream, "\r\n\r\nhello\n").starts_with("HTTP/1.1 200 OK\r\n"));
        // Three requests at once, on the same connection.
        stream.write_all("GET / HTTP/1.1\r\nHost: here\r\n\r\n".repeat(3).as_bytes()).unwrap();
        (0..3).for_each(|_| assert!(until(&mut stream, "hello\n").starts_with("HTTP/1.1 200 OK\r\n")));
        // Chunks, sent and echoed.
        stream
            .write_all(b"POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            .unwrap();
        assert!(until(&mut stream, "3\r\nabc\r\n").contains("transfer-encoding: chunked"));
        stream.write_all(b"2\r\nde\r\n0\r\n\r\n").unwrap();
        assert_eq!(until(&mut stream, "0\r\n\r\n"), "2\r\nde\r\n0\r\n\r\n");
        assert_eq!(server.connections(), 1);

        // No HTTP.
        let mut stream = connect();
        stream.write_all(b"\0\r\n\r\n").unwrap();
        assert!(until(&mut stream, "\r\n").starts_with("HTTP/1.1 400"));
        server.stop();
    });
}

/// The end of the head never comes: hyper's timer closes the connection.
#[test]
fn hypers_timeout_for_a_head_is_kept() {
    bounded(|| {
        let server = Server::with_patience(2, ms(50));
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        server.stop();
    });
}

#[test]
fn hypers_client_on_coroutines_talks_to_hypers_server_on_coroutines() {
    for workers in WORKERS {
        bounded(move || {
            const CLIENTS: usize = 20;
            const ROUNDS: usize = 10;
            let server = Server::start(workers);
            let clients = runtime(workers);
            let address = server.address;
            clients.run(move || {
                let work = move |client: usize| {
                    let stream = TcpStream::connect(address).unwrap();
                    let (mut sender, connection) =
                        block_on(hyper::client::conn::http1::handshake(stream)).unwrap();
                    let connection = tarae_futures::spawn(connection);
                    for round in 0..ROUNDS {
                        let body = body_of(client * 1000 + round * 7777);
                        let request = Request::post("/echo").header("host", "here");
                        let request = request.body(Full::new(Bytes::from(body.clone()))).unwrap();
                        let answer = block_on(async {
                            sender.ready().await?;
                            sender.send_request(request).await?.into_body().collect().await
                        });
                        assert!(answer.unwrap().to_bytes() == body);
                    }
                    drop(sender);
                    connection.join().unwrap().unwrap();
                };
                let clients: Vec<_> = (0..CLIENTS).map(|client| tarae::spawn(move || work(client))).collect();
                clients.into_iter().for_each(|client| client.join().unwrap());
            });
            assert_eq!(server.connections(), CLIENTS);
            // Connections whose client has gone end by themselves.
            eventually("only the listener is left", || server.runtime.metrics().coroutines.alive() <= 1);
            clients.shutdown_timeout(LIMIT).expect("everyone ends");
            server.stop();
        });
    }
}

#[test]
fn a_server_that_shuts_down_closes_its_connections() {
    bounded(|| {
        let server = Server::start(2);
        let mut idle: Vec<_> = (0..20)
            .map(|_| {
                let mut stream = std::net::TcpStream::connect(server.address).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
                stream
            })
            .collect();
        eventually("all are served", || server.connections() == 20);
        server.stop();
        for stream in &mut idle {
            // An answer, or none: the end comes.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
}
