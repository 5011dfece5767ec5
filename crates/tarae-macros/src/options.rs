//! What stands in the parentheses of an attribute.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Lit, MetaNameValue, Result, Token};

/// The options, as expressions.
#[derive(Default)]
pub(crate) struct Options {
    workers: Option<TokenStream>,
    stack_size: Option<TokenStream>,
    limit: Option<TokenStream>,
}

impl Options {
    /// Reads options, which are some of those in `known`.
    pub(crate) fn parse(tokens: TokenStream, known: &[&str]) -> Result<Options> {
        let mut options = Options::default();
        for MetaNameValue { path, value, .. } in
            Punctuated::<MetaNameValue, Token![,]>::parse_terminated.parse2(tokens)?
        {
            let name = path.get_ident().map(ToString::to_string).unwrap_or_default();
            if !known.contains(&&*name) {
                return Err(Error::new_spanned(path, format!("an option is one of {}", known.join(", "))));
            }
            let (slot, value) = match &*name {
                "workers" => (&mut options.workers, quote!(#value)),
                "stack_size" => (&mut options.stack_size, quote!(#value)),
                "timeout_ms" => (&mut options.limit, quote!(::core::time::Duration::from_millis(#value))),
                _ => {
                    let ms = milliseconds(&value)?;
                    (&mut options.limit, quote!(::core::time::Duration::from_millis(#ms)))
                }
            };
            if slot.replace(value).is_some() {
                return Err(Error::new_spanned(path, "this is said twice"));
            }
        }
        Ok(options)
    }

    /// An expression of the options.
    pub(crate) fn expression(&self) -> TokenStream {
        let option = |value: &Option<TokenStream>| match value {
            Some(value) => quote!(::core::option::Option::Some(#value)),
            None => quote!(::core::option::Option::None),
        };
        let (workers, stack_size, limit) =
            (option(&self.workers), option(&self.stack_size), option(&self.limit));
        quote! {
            ::tarae::__macros::Options { workers: #workers, stack_size: #stack_size, limit: #limit }
        }
    }
}

/// How long `"5s"` is.
fn milliseconds(value: &Expr) -> Result<u64> {
    let refuse = || Error::new_spanned(value, "a time is written as \"500ms\", \"5s\" or \"2m\"");
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = value else { return Err(refuse()) };
    let text = text.value();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(refuse()),
    };
    number.parse().ok().and_then(|number: u64| number.checked_mul(unit)).ok_or_else(refuse)
}
