//! The program on kernel threads, one for each task, without a runtime: no peer, but the floor. What it shows of
//! latency comes of the kernel, the machine and the load.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::Sender;
use std::thread;

use crate::echo::echo;

use super::sleeps::{NAP, Sleeper};
use super::{Block, Contender, Hog, MESSAGE};

pub(super) struct Threads;

impl Contender for Threads {
    fn serve(&self, tell: Sender<io::Result<SocketAddr>>) {
        thread::spawn(move || -> io::Result<()> {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let _ = tell.send(listener.local_addr());
            for stream in listener.incoming() {
                let stream = stream?;
                stream.set_nodelay(true)?;
                thread::spawn(move || echo::<MESSAGE>(stream));
            }
            Ok(())
        });
    }

    fn sleep(&self, sleeper: Sleeper) {
        thread::spawn(move || {
            for sleep in sleeper.sleeps() {
                sleep.begin();
                thread::sleep(NAP);
                sleep.end();
            }
        });
    }

    fn hog(&self, hog: Hog) {
        thread::spawn(move || hog.run());
    }

    fn block(&self, block: Block, _marked: bool) {
        thread::spawn(move || block.run());
    }
}
