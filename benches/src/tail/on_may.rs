//! The program in may's words, with its defaults for all but the number of workers.
//!
//! may has no way to mark a call that blocks. Its spawn is an unsafe function, which its own macro hides.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use crate::echo::echo;

use super::sleeps::{NAP, Sleeper};
use super::{Block, Contender, Hog, MESSAGE, WORKERS};

/// The one runtime of the process: may has no value for it.
pub(super) struct May;

impl May {
    pub(super) fn start() -> May {
        may::config().set_workers(WORKERS);
        May
    }
}

impl Contender for May {
    fn serve(&self, tell: Sender<io::Result<SocketAddr>>) {
        may::go!(move || -> io::Result<()> {
            let listener = may::net::TcpListener::bind("127.0.0.1:0")?;
            let _ = tell.send(listener.local_addr());
            for stream in listener.incoming() {
                let stream = stream?;
                stream.set_nodelay(true)?;
                may::go!(move || echo::<MESSAGE>(stream));
            }
            Ok(())
        });
    }

    fn sleep(&self, sleeper: Sleeper) {
        may::go!(move || {
            for sleep in sleeper.sleeps() {
                sleep.begin();
                may::coroutine::sleep(NAP);
                sleep.end();
            }
        });
    }

    fn hog(&self, hog: Hog) {
        may::go!(move || hog.run());
    }

    fn block(&self, block: Block, _marked: bool) {
        may::go!(move || block.run());
    }
}
