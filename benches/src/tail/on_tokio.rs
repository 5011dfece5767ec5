//! The program in tokio's words, with its defaults for all but the number of workers.
//!
//! A marked call is `spawn_blocking`, which most programs use; `block_in_place` is the other choice: it stays on the
//! thread and moves the worker's queue to another one.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use super::sleeps::{NAP, Sleeper};
use super::{Block, Contender, Hog, MESSAGE, WORKERS};

pub(super) struct Tokio {
    runtime: Runtime,
}

impl Tokio {
    pub(super) fn start() -> io::Result<Tokio> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
        Ok(Tokio { runtime })
    }
}

impl Contender for Tokio {
    fn serve(&self, tell: Sender<io::Result<SocketAddr>>) {
        self.runtime.spawn(accept(tell));
    }

    fn sleep(&self, sleeper: Sleeper) {
        self.runtime.spawn(async move {
            for sleep in sleeper.sleeps() {
                sleep.begin();
                tokio::time::sleep(NAP).await;
                sleep.end();
            }
        });
    }

    fn hog(&self, hog: Hog) {
        self.runtime.spawn(async move { hog.run() });
    }

    fn block(&self, block: Block, marked: bool) {
        self.runtime.spawn(async move {
            if marked {
                let _ = tokio::task::spawn_blocking(|| block.run()).await;
            } else {
                block.run();
            }
        });
    }
}

async fn accept(tell: Sender<io::Result<SocketAddr>>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let _ = tell.send(listener.local_addr());
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut buffer = [0; MESSAGE];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        });
    }
}
