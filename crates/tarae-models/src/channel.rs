//! The core of a channel: senders, receivers and selects race, every interleaving.

#[allow(dead_code, unreachable_pub, reason = "a model need not use the whole protocol")]
#[path = "../../tarae-channel/src/core/mod.rs"]
mod protocol;

#[cfg(test)]
mod crew;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod selects;
