//! The program in tarae's words.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use crate::echo::echo;

use super::sleeps::{NAP, Sleeper};
use super::{Block, Contender, Hog, MESSAGE, WORKERS};

pub(super) struct Tarae {
    runtime: tarae::Runtime,
}

impl Tarae {
    pub(super) fn start() -> io::Result<Tarae> {
        Ok(Tarae { runtime: tarae::Runtime::builder().workers(WORKERS).build()? })
    }
}

impl Contender for Tarae {
    fn serve(&self, tell: Sender<io::Result<SocketAddr>>) {
        self.runtime.spawn(move || -> io::Result<()> {
            let listener = tarae::net::TcpListener::bind("127.0.0.1:0")?;
            let _ = tell.send(listener.local_addr());
            for stream in listener.incoming() {
                let stream = stream?;
                stream.set_nodelay(true)?;
                tarae::spawn(move || echo::<MESSAGE>(stream));
            }
            Ok(())
        });
    }

    fn sleep(&self, sleeper: Sleeper) {
        self.runtime.spawn(move || {
            for sleep in sleeper.sleeps() {
                sleep.begin();
                tarae::sleep(NAP);
                sleep.end();
            }
        });
    }

    fn hog(&self, hog: Hog) {
        self.runtime.spawn(move || hog.run());
    }

    fn block(&self, block: Block, marked: bool) {
        self.runtime.spawn(move || if marked { tarae::blocking(|| block.run()) } else { block.run() });
    }
}
