//! Tests of the two protocol files, kept out of them because `tarae-models` compiles those against loom.

mod notify;
mod side;
