//! The handler as a chain of callbacks: the same steps as in `service/handler.rs`.
//!
//! Nothing may wait here, so each step is given the rest of the work as a closure. What was a line is a
//! level of nesting; `?` is a `match` that must not forget to call `done`; and a local variable that is
//! needed later must be moved along.

use super::event_loop::EventLoop;
use crate::backend::Kind;
use crate::wire::{Answer, AskQuery, AskStock, AskUser, Product, Refusal, Request, User};

/// Answers one request: `done` gets the answer, at some later time.
pub(super) fn handle(
    context: &mut EventLoop,
    request: Request,
    done: impl FnOnce(&mut EventLoop, Result<Answer, Refusal>) + 'static,
) {
    if let Err(refusal) = request.check() {
        return done(context, Err(refusal));
    }
    get_user_info(context, request.user, move |context, user| match user {
        Err(refusal) => done(context, Err(refusal)),
        Ok(user) => {
            let favourites = user.favourites.clone();
            get_query_info(context, request.query, favourites, move |context, products| match products {
                Err(refusal) => done(context, Err(refusal)),
                Ok(mut products) => {
                    let ids = products.iter().map(|product| product.id).collect();
                    get_stock_info(context, ids, move |context, in_stock| match in_stock {
                        Err(refusal) => done(context, Err(refusal)),
                        Ok(in_stock) => {
                            products.retain(|product| in_stock.contains(&product.id));
                            done(context, Ok(Answer::new(&user, products)));
                        }
                    });
                }
            });
        }
    });
}

/// Who asks: profile and discount.
fn get_user_info(
    context: &mut EventLoop,
    user: u32,
    then: impl FnOnce(&mut EventLoop, Result<User, Refusal>) + 'static,
) {
    context.call(Kind::User, &AskUser { user }, then);
}

/// What matches the query, ranked with the profile.
fn get_query_info(
    context: &mut EventLoop,
    query: String,
    favourites: Vec<String>,
    then: impl FnOnce(&mut EventLoop, Result<Vec<Product>, Refusal>) + 'static,
) {
    context.call(Kind::Query, &AskQuery { query, favourites }, then);
}

/// Which of these are in stock.
fn get_stock_info(
    context: &mut EventLoop,
    products: Vec<u32>,
    then: impl FnOnce(&mut EventLoop, Result<Vec<u32>, Refusal>) + 'static,
) {
    context.call(Kind::Stock, &AskStock { products }, then);
}
