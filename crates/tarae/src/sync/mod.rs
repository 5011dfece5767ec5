//! `std::sync`, for coroutines and kernel threads.

pub mod mpsc;
