//! The handler: one straight function.
//!
//! Each of the three calls waits about as long as its backend takes. On kernel threads that holds a thread;
//! on coroutines the worker meanwhile runs other handlers. The text is the same. The same job without
//! waiting is `models/callback/handler.rs`.

use super::calls::Backends;
use crate::wire::{Answer, AskQuery, AskStock, AskUser, Product, Refusal, Request, User};

/// Answers one request.
pub(crate) fn handle(backends: &Backends, request: Request) -> Result<Answer, Refusal> {
    request.check()?;
    let user = get_user_info(backends, &request)?;
    let mut products = get_query_info(backends, &request, &user)?;
    let in_stock = get_stock_info(backends, &products)?;
    products.retain(|product| in_stock.contains(&product.id));
    Ok(Answer::new(&user, products))
}

/// Who asks: profile and discount.
fn get_user_info(backends: &Backends, request: &Request) -> Result<User, Refusal> {
    backends.user.call(&AskUser { user: request.user })
}

/// What matches the query, ranked with the profile.
fn get_query_info(backends: &Backends, request: &Request, user: &User) -> Result<Vec<Product>, Refusal> {
    let (query, favourites) = (request.query.clone(), user.favourites.clone());
    backends.query.call(&AskQuery { query, favourites })
}

/// Which of these are in stock.
fn get_stock_info(backends: &Backends, products: &[Product]) -> Result<Vec<u32>, Refusal> {
    backends.stock.call(&AskStock { products: products.iter().map(|product| product.id).collect() })
}
